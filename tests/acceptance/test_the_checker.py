"""A check that cannot fail is worth nothing: each thing is corrupted once, and the checker must say so."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from aion import client
from aion.models import ActivityTask, Firing, Message, Run, Schedule, Timer, Update
from aion.store.dialects import dialect
from tests.acceptance import invariants
from tests.acceptance.chaos import promises
from tests.acceptance.chaos.ledger import Line
from tests.language.worlds import rest
from tests.sample.models import Account, Effect, Entry
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

ACCOUNTS = ("wages", "rent", "sales", "travel")


def live(engine: Engine, clock: StandingClock) -> list[Line]:
    """Live one of everything to its end; give what callers were promised."""
    from tests.acceptance.chaos import workflows

    Account.objects.bulk_create(Account(name=name) for name in ACCOUNTS)
    schedule = client.create_schedule(
        "s", workflows.clockwork, 1.0, spec=dt.timedelta(minutes=1), overlap="allow_all"
    )
    sale = client.start_workflow(workflows.Sale, 1, 1.0, id="sale")
    client.start_workflow(workflows.inbox, 3, [], id="inbox")
    for ending in ("return", "fail"):
        client.start_workflow(workflows.Family, ending, 1.0, id=f"family-{ending}")
    client.start_workflow(workflows.counter, 2, id="counter")
    client.start_workflow(workflows.courier, "counter", [1, 2], id="courier")
    client.start_workflow(workflows.stubborn, 1, id="stubborn")
    engine.go()
    for item in range(3):
        client.get_workflow_handle("inbox").signal("item", item, request_id=f"item-{item}")
    for amount in (5, -1):
        sale.start_update("add", amount, id=f"add-{amount}", wait_for="")
    engine.go()
    sale.signal("pay", 7, request_id="pay-7")
    clock.at += dt.timedelta(minutes=2)
    engine.tick()
    schedule.delete()
    rest(engine, clock, days=1)
    engine.tick()
    return [
        {"story": 1, "step": "a", "started": "sale"},
        {"story": 1, "step": "b", "undone": "never"},
        {"story": 1, "step": "c", "signalled": "sale", "request_id": "pay-7"},
        {"story": 1, "step": "d", "updated": "sale", "update_id": "add-5", "answer": 5},
        {"story": 1, "step": "e", "refused": "sale", "update_id": "add--1"},
        {"story": 1, "step": "f", "result": "inbox", "expected": [0, 1, 2], "found": [0, 1, 2]},
        {"story": 1, "step": "g", "ends": "family-fail", "status": "failed"},
        {"story": 1, "ended": True},
    ]


def complaints(ledger: list[Line]) -> list[str]:
    return [*invariants.problems(), *invariants.unfinished(), *promises.problems(ledger)]


# --- corruptions ---


def run(workflow_id: str) -> Run:
    """The last run of a workflow id."""
    return Run.objects.filter(workflow_id=workflow_id).order_by("-first_seq")[0]


def execute(sql: str, *parameters: Any) -> None:
    """Change what the ORM refuses to change. Nothing may be corrupted by a statement that finds no row."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        assert cursor.rowcount > 0, f"no row: {sql}"


def key(run_id: uuid.UUID) -> Any:
    return dialect().uuid(run_id)


def add_event(run_id: uuid.UUID, seq: int, kind: str, attributes: str = "{}") -> None:
    execute(
        "INSERT INTO aion_event (run_id, seq, kind, recorded_at, attributes) "
        "SELECT run_id, %s, %s, recorded_at, %s FROM aion_event WHERE run_id = %s AND seq = "
        "(SELECT first_seq FROM aion_run WHERE id = %s)",
        *(seq, kind, attributes, key(run_id), key(run_id)),
    )


def append(workflow_id: str, kind: str) -> None:
    """Repeat the last event of a kind behind the end of a run's history, gapless."""
    of = run(workflow_id)
    text = attributes_of(of, kind)
    add_event(of.id, of.head_seq + 1, kind, text)
    size = of.history_bytes + len(text)
    Run.objects.filter(id=of.id).update(head_seq=of.head_seq + 1, history_bytes=size)


def attributes_of(of: Run, kind: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attributes FROM aion_event WHERE run_id = %s AND kind = %s ORDER BY seq DESC",
            [key(of.id), kind],
        )
        return str(cursor.fetchone()[0])


def drop_event(workflow_id: str, kind: str) -> None:
    """Turn the last event of a kind into one that no check asks for, so that no gap gives it away."""
    of = run(workflow_id)
    execute(
        "UPDATE aion_event SET kind = 'PatchMarked' WHERE run_id = %s AND seq = (SELECT max(seq) "
        "FROM aion_event WHERE run_id = %s AND kind = %s)",
        *(key(of.id), key(of.id), kind),
    )


def change_text(table: str, kind: str, old: str, new: str) -> None:
    execute(
        f"UPDATE {table} SET attributes = replace(attributes, %s, %s) WHERE kind = %s "
        "AND attributes LIKE %s",
        *(old, new, kind, f"%{old}%"),
    )


def leave_message(workflow_id: str, **fields: Any) -> None:
    values = {"kind": "wake", "created_at": dt.datetime.now(dt.UTC), **fields}
    Message.objects.create(run_id=run(workflow_id).id, **values)


def leave_activity(workflow_id: str, activity_id: str = "99") -> None:
    now = dt.datetime.now(dt.UTC)
    ActivityTask.objects.create(
        run_id=run(workflow_id).id,
        activity_id=activity_id,
        order="{}",
        state="scheduled",
        scheduled_at=now,
        next_attempt_at=now,
    )


def reopen_row(workflow_id: str) -> None:
    Run.objects.filter(id=run(workflow_id).id).update(closed_at=None, status="running")


def child_of(parent: str, policy: str) -> str:
    return f"{parent}-{policy}"


CORRUPTIONS: dict[str, tuple[Callable[[], Any], str]] = {
    # histories
    "a gap": (
        lambda: execute(
            "DELETE FROM aion_event WHERE run_id = %s AND seq = 3", key(run("sale").id)
        ),
        "says 1..",
    ),
    "an event without a run": (
        lambda: execute(
            "UPDATE aion_event SET run_id = %s WHERE run_id = %s AND seq = 3",
            *(key(uuid.uuid4()), key(run("sale").id)),
        ),
        "which is not there",
    ),
    "a head that is behind": (
        lambda: Run.objects.filter(id=run("sale").id).update(head_seq=3),
        "says 1..3",
    ),
    "another status": (
        lambda: Run.objects.filter(id=run("sale").id).update(status="failed"),
        "is failed (closed at",
    ),
    "a time of close that is missing": (lambda: reopen_row("sale"), "is running (closed at None)"),
    "an event behind the end": (lambda: append("sale", "TimerStarted"), "has 1 events after"),
    "another result": (
        lambda: Run.objects.filter(id=run("sale").id).update(result="[]"),
        "shows the result []",
    ),
    "another failure": (
        lambda: Run.objects.filter(id=run("family-fail").id).update(failure='{"type":"x"}'),
        'shows the failure {"type":"x"}',
    ),
    "another size": (
        lambda: Run.objects.filter(id=run("sale").id).update(history_bytes=1),
        "has 1 bytes",
    ),
    "a second beginning": (lambda: append("sale", "WorkflowStarted"), "it begins twice"),
    # activities and timers
    "a second outcome": (lambda: append("sale", "ActivityCompleted"), "has 2 outcomes"),
    "a second order": (lambda: append("sale", "ActivityScheduled"), "has 2 orders"),
    "a timer that fired twice": (lambda: append("sale", "TimerFired"), "has 2 ends"),
    "an outcome without order": (
        lambda: drop_event("sale", "ActivityScheduled"),
        "ended without having been asked for",
    ),
    "a timer that nobody started": (
        lambda: drop_event("sale", "TimerStarted"),
        "timer 1 of run",
    ),
    "an activity with outcome and row": (
        lambda: leave_activity("sale", "1"),
        "is pending and has an outcome",
    ),
    # chains and children
    "a successor that begins too late": (
        lambda: Run.objects.filter(id=run("inbox").id).update(first_seq=99),
        "begins at 99",
    ),
    "a position that is wrong": (
        lambda: Run.objects.filter(id=run("inbox").id).update(chain_position=7),
        "as number 7 of its chain",
    ),
    "a successor that is missing": (
        lambda: Run.objects.filter(id=run("inbox").id).update(continued_from_run_id=None),
        "and there is no such run",
    ),
    "a predecessor that is missing": (
        lambda: Run.objects.filter(id=run("inbox").id).update(continued_from_run_id=uuid.uuid4()),
        "(last event None",
    ),
    "a child that nobody started": (
        lambda: drop_event("family-return", "ChildWorkflowStarted"),
        "has 0 starts in the history of its parent",
    ),
    "a child that was started twice": (
        lambda: append("family-return", "ChildWorkflowStarted"),
        "has 2 starts in the history of its parent",
    ),
    "a child that is missing": (
        lambda: (reopen_row("sale"), Run.objects.filter(parent_run_id=run("sale").id).delete()),
        "has started child",
    ),
    "two outcomes of a child": (
        lambda: append("sale", "ChildWorkflowCompleted"),
        "has 2 outcomes and",
    ),
    "an outcome of a child that was not started": (
        lambda: drop_event("sale", "ChildWorkflowStarted"),
        "and 0 starts before",
    ),
    "a child that ended in another way": (
        lambda: change_kind("sale", "ChildWorkflowCompleted", "ChildWorkflowTerminated"),
        "has ChildWorkflowTerminated of run",
    ),
    "a child that was not told to end": (
        lambda: reopen_row(child_of("family-return", "terminate")),
        "has not heard of terminate",
    ),
    "a child that was not told to cancel": (
        lambda: (
            reopen_row(child_of("family-return", "request_cancel")),
            drop_event(child_of("family-return", "request_cancel"), "CancelRequested"),
        ),
        "has not heard of request_cancel",
    ),
    # messages
    "a signal that was taken twice": (lambda: append("sale", "SignalReceived"), "has 2 SignalRec"),
    "an update that was taken twice": (lambda: append("sale", "UpdateAccepted"), "has 2 UpdateA"),
    "an update that was answered twice": (
        lambda: append("sale", "UpdateCompleted"),
        "has 2 UpdateCompleted",
    ),
    "an update in another state": (
        lambda: Update.objects.filter(update_id="add-5").update(state="refused"),
        "is refused, accepted at",
    ),
    "an update without its answer": (
        lambda: drop_event("sale", "UpdateCompleted"),
        "and completed at None",
    ),
    "a message that nobody received": (
        lambda: change_text("aion_event", "SignalReceived", '"sender_run_id":"', '"x":"'),
        "and nobody has received it",
    ),
    "an answer that came twice": (
        lambda: append("courier", "ExternalRequestDelivered"),
        "was answered 2 times",
    ),
    # schedules
    "a gap in a schedule's history": (
        lambda: Schedule.objects.update(head_seq=1),
        "schedule s says 1 events",
    ),
    "a run of two times": (
        lambda: Firing.objects.update(run_id=Firing.objects.order_by("id")[0].run_id),
        "was started by 2 times",
    ),
    "a time whose run is missing": (
        lambda: Firing.objects.update(run_id=None),
        "is ended with run None",
    ),
    "a time that history does not know": (
        lambda: execute(
            "UPDATE aion_scheduleevent SET kind = 'x' WHERE kind = 'ScheduleTriggered'"
        ),
        "is 0 times in the schedule's history",
    ),
    "a run that no time started": (
        lambda: Firing.objects.all().delete(),
        "by no time that it knows",
    ),
    # what is left
    "a message that is left": (lambda: leave_message("sale"), "has 1 rows in aion_message"),
    "a timer that is left": (
        lambda: Timer.objects.create(
            run_id=run("sale").id, timer_id="9", fire_at=dt.datetime.now(dt.UTC)
        ),
        "has 1 rows in aion_timer",
    ),
    "an activity that is left": (lambda: leave_activity("sale"), "has 1 rows in aion_activitytask"),
    "an owner that is left": (
        lambda: Run.objects.filter(id=run("sale").id).update(owner_id=uuid.uuid4()),
        "has an owner",
    ),
    "a run that is open": (
        lambda: (reopen_row("sale"), drop_event("sale", "WorkflowCompleted")),
        "of sale is running",
    ),
    "an update that waits": (
        lambda: Update.objects.filter(update_id="add-5").update(state="admitted"),
        "is admitted",
    ),
    "a time that waits": (lambda: Firing.objects.update(state="buffered"), "is buffered"),
    # promises
    "a start that is lost": (
        lambda: Run.objects.filter(workflow_id="sale").update(workflow_id="else"),
        "sale was started and has 0 runs",
    ),
    "a start that was not undone": (
        lambda: Run.objects.filter(workflow_id="counter").update(workflow_id="never"),
        "never was undone and has 1 runs",
    ),
    "a signal that is lost": (
        lambda: drop_event("sale", "SignalReceived"),
        "signal pay-7 was accepted and is in no history",
    ),
    "an answer that is lost": (
        lambda: drop_event("sale", "UpdateCompleted"),
        "update add-5 was answered 5",
    ),
    "a refused update that was accepted": (
        lambda: change_text("aion_event", "UpdateAccepted", '"add-5"', '"add--1"'),
        "was refused, and its run has accepted it",
    ),
    "another end": (
        lambda: Run.objects.filter(id=run("family-fail").id).update(status="completed"),
        "family-fail is completed in place of failed",
    ),
    "an effect that happened twice": (
        lambda: Entry.objects.create(
            account="rent",
            amount=0,
            run_id=Entry.objects.order_by("id")[0].run_id,
            activity_id=Entry.objects.order_by("id")[0].activity_id,
        ),
        "has booked 2 times",
    ),
    "an effect without outcome": (
        lambda: drop_event("stubborn", "ActivityCompleted"),
        "has booked and did not complete",
    ),
    "an outcome without its booking": (
        lambda: Entry.objects.filter(run_id=run("sale").id).delete(),
        "completed and has not booked",
    ),
    "a balance that is wrong": (
        lambda: Account.objects.update(balance=-1),
        "says -1 and its entries are",
    ),
    "an outcome without its effect": (
        lambda: Effect.objects.all().delete(),
        "completed and left no effect",
    ),
    "a policy that was not followed": (
        lambda: Run.objects.filter(workflow_id="family-return-terminate").update(
            status="completed"
        ),
        "with the policy terminate is completed",
    ),
}

LEDGERS: dict[str, tuple[Line, str]] = {
    "a story without end": ({"story": 2}, "story 2 was not told to its end"),
    "a story that broke off": (
        {"story": 2, "ended": True, "broken": "KeyError: x"},
        "story 2 broke off: KeyError: x",
    ),
    "another result": (
        {"story": 1, "result": "x", "expected": 1, "found": 2},
        "x gave 2 in place of 1",
    ),
}


def change_kind(workflow_id: str, old: str, new: str) -> None:
    execute(
        "UPDATE aion_event SET kind = %s WHERE run_id = %s AND kind = %s",
        *(new, key(run(workflow_id).id), old),
    )


class Undone(Exception):
    pass


def said_of(corrupt: Callable[[], Any], ledger: list[Line]) -> list[str]:
    said: list[str] = []
    try:
        with transaction.atomic():
            corrupt()
            said = complaints(ledger)
            raise Undone
    except Undone:
        return said


@pytest.mark.django_db(transaction=True)
def test_each_corruption_is_found(engine: Engine, clock: StandingClock) -> None:
    ledger = live(engine, clock)
    assert complaints(ledger) == []

    said = {name: said_of(corrupt, ledger) for name, (corrupt, _) in CORRUPTIONS.items()}
    silent = {
        name: said[name]
        for name, (_, complaint) in CORRUPTIONS.items()
        if not any(complaint in each for each in said[name])
    }
    silent_ledgers = [
        name
        for name, (line, complaint) in LEDGERS.items()
        if complaint not in promises.problems([*ledger, line])
    ]

    assert silent == {}
    assert silent_ledgers == []
    assert complaints(ledger) == [], "nothing of it has stayed"
