"""`recover_workflows` makes the tables what the histories say; a second one finds nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from aion import client, workflow
from aion.client import OverlapPolicy, WorkflowHandle
from aion.core.ids import uuid7
from aion.models import ActivityTask, Event, Message, Run, Schedule, Timer, Worker
from aion_engine.runtime.recovery import Recovery
from tests.acceptance import invariants
from tests.runtime.schedule_kit import minutes, scheduled
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]


def recover(*options: str) -> dict[str, int]:
    """What a recovery reports, without the zeros."""
    out = StringIO()
    call_command("recover_workflows", "--json", *options, stdout=out)
    report: dict[str, int] = json.loads(out.getvalue())["repaired"]
    return {what: count for what, count in report.items() if count}


def rows() -> list[Any]:
    models = (Run, Event, Message, Timer, ActivityTask, Worker)
    return [sorted(map(str, model.objects.values_list())) for model in models]


def assert_settled() -> None:
    before = rows()
    assert recover() == {}
    assert rows() == before


@pytest.fixture
def journey(script: Register, acting: Register) -> None:
    @acting
    def step(number: int) -> int:
        return number

    @script
    async def main(me: kit.Scripted) -> int:
        await workflow.sleep(5)
        return await kit.act.execute("step", 7)

    @script
    async def listen(me: kit.Scripted) -> str:
        await workflow.wait_condition(lambda: me.notes)
        return str(me.notes[0])

    @script
    async def fail(me: kit.Scripted) -> None:
        raise RuntimeError("as written")

    @script
    async def leave(me: kit.Scripted) -> str:
        waiting = kit.act.start("step", 1)
        await workflow.sleep(1)
        waiting.cancel()
        await workflow.wait_condition(lambda: me.notes)
        return "left"


def run_to_the_end(engine: Engine, clock: StandingClock, name: str) -> WorkflowHandle:
    handle = engine.start(name)
    engine.go()
    clock.move(6)
    engine.go()
    return handle


def test_healthy_tables_are_left_alone(engine: Engine, clock: StandingClock, journey: None) -> None:
    run_to_the_end(engine, clock, "main")
    run_to_the_end(engine, clock, "fail")
    engine.start("listen")
    engine.start("main")
    engine.go()
    clock.move(1)

    assert_settled()


@pytest.mark.parametrize(
    "damage",
    [
        {"status": "running", "closed_at": None, "result": None},
        {"status": "failed"},
        {"head_seq": 99},
        {"result": "8"},
        {"closed_at": None},
        {"failure": '{"type": "X", "message": "y"}'},
    ],
)
def test_a_projection_that_disagrees_is_made_anew(
    engine: Engine, clock: StandingClock, journey: None, damage: dict[str, Any]
) -> None:
    run_to_the_end(engine, clock, "main")
    good = Run.objects.values().get()
    Run.objects.update(**damage)

    assert recover() == {"projections repaired": 1}
    assert Run.objects.values().get() == good
    assert_settled()


def test_an_open_run_that_is_said_to_be_closed_goes_on(
    engine: Engine, clock: StandingClock, journey: None
) -> None:
    handle = engine.start("main")
    engine.go()
    Run.objects.update(status="completed", closed_at=clock.read(), result="1")

    assert recover()["projections repaired"] == 1
    assert_settled()
    clock.move(6)
    engine.go()
    assert handle.result(0) == 7


def test_a_dry_run_reports_and_changes_nothing(
    engine: Engine, clock: StandingClock, journey: None
) -> None:
    run_to_the_end(engine, clock, "main")
    Run.objects.update(status="failed")
    engine.start("listen")
    Message.objects.all().delete()
    before = rows()

    report = recover("--dry-run")

    assert report == {"projections repaired": 1}
    assert rows() == before
    assert recover() == report


def test_what_waits_for_closed_runs_is_removed(
    engine: Engine, clock: StandingClock, journey: None
) -> None:
    handle = run_to_the_end(engine, clock, "main")
    Timer.objects.create(run_id=handle.run_id, timer_id="9", fire_at=clock.read())
    Message.objects.create(run_id=handle.run_id, kind="wake", created_at=clock.read())

    assert recover() == {"rows of closed runs removed": 2}
    assert invariants.problems() == []
    assert_settled()


def test_a_run_whose_first_message_was_lost_begins(
    engine: Engine, clock: StandingClock, journey: None
) -> None:
    handle = engine.start("main")
    Message.objects.all().delete()

    assert recover() == {"runs woken": 1}
    assert_settled()
    engine.go()
    clock.move(6)
    engine.go()
    assert handle.result(0) == 7


@pytest.mark.parametrize(
    ("model", "report"),
    [
        (Timer, {"timers set again": 1}),
        (ActivityTask, {"activities asked for again": 1, "activities published": 1}),
    ],
)
def test_what_was_lost_is_asked_for_again(
    engine: Engine, clock: StandingClock, journey: None, model: Any, report: dict[str, int]
) -> None:
    handle = engine.start("main")
    engine.turns()
    if model is ActivityTask:
        clock.move(6)
        engine.turns()
    assert model.objects.count() == 1
    model.objects.all().delete()

    assert recover() == report
    assert model.objects.count() == 1
    assert_settled()
    clock.move(6)
    engine.go()
    assert handle.result(0) == 7
    assert invariants.problems() == []


def test_an_activity_that_was_left_behind_is_not_asked_for_again(
    engine: Engine, clock: StandingClock, journey: None
) -> None:
    engine.start("leave")
    engine.turns()
    clock.move(2)
    engine.turns()
    ActivityTask.objects.all().delete()
    Message.objects.all().delete()

    assert_settled()


def test_leases_of_dead_and_unknown_workers_are_given_back(
    engine: Engine, clock: StandingClock, journey: None
) -> None:
    engine.start("main")
    engine.turns()
    clock.move(6)
    engine.turns()
    assert engine.begin() is not None
    engine.die()
    Run.objects.update(owner_id=uuid7())
    clock.move(60)

    report = recover()

    assert report == {"dead workers": 2, "runs given back": 1, "attempts given up": 1}
    assert not Worker.objects.exists()
    assert_settled()


def test_due_activities_are_published_whenever_that_was_last_done(
    engine: Engine, clock: StandingClock, journey: None
) -> None:
    engine.start("main")
    engine.turns()
    clock.move(6)
    engine.turns()
    clock.move(1)

    assert recover() == {"activities published": 1}
    assert_settled()


def test_what_is_overdue_is_fired(engine: Engine, clock: StandingClock, script: Register) -> None:
    limited = kit.act.with_options(schedule_to_close_timeout=dt.timedelta(seconds=10))

    @script
    async def main(me: kit.Scripted) -> None:
        await limited.execute("step", 1)

    engine.start("main")
    engine.turns()
    clock.move(11)

    assert recover() == {"overdue activities timed out": 1}
    assert_settled()


def test_a_schedule_is_what_its_events_say(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(remaining_actions=5, overlap="allow_all", note="first")
    minutes(clock, engine, 2)
    schedule.pause("for a while")
    schedule.trigger()
    engine.tick()
    schedule.update(lambda told: msgspec.structs.replace(told, overlap=OverlapPolicy.SKIP))
    before = Schedule.objects.get()
    assert (before.remaining_actions, before.started_count, before.version) == (3, 3, 2)
    assert recover() == {}

    Schedule.objects.update(
        paused=False, note="", remaining_actions=9, started_count=0, version=7, config="{}"
    )

    assert recover() == {"schedules repaired": 1}
    after = Schedule.objects.get()
    for name in ("paused", "note", "remaining_actions", "started_count", "version", "config"):
        assert getattr(after, name) == getattr(before, name), name
    assert recover() == {}
    schedule.resume()
    minutes(clock, engine, 1)
    assert schedule.describe().started_count == 3  # skipped: three are open


def test_a_chain_that_is_torn_is_named(
    engine: Engine, script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    @script
    async def main(me: kit.Scripted, rounds: int) -> None:
        if rounds:
            workflow.continue_as_new("main", rounds - 1)

    engine.start("main", 2, id="chain")
    engine.go()
    _, second, third = Run.objects.filter(workflow_id="chain").order_by("first_seq")
    assert recover() == {}

    Run.objects.filter(id=second.id).update(first_seq=second.first_seq + 1)
    Run.objects.filter(id=third.id).update(chain_position=9)
    with pytest.raises(CommandError, match="torn_chains: 2 runs"):
        call_command("recover_workflows", "--json")

    report = json.loads(capsys.readouterr().out)
    assert report["torn_chains"] == sorted([str(second.id), str(third.id)])


def test_a_history_with_a_gap_is_named_and_left_alone(
    engine: Engine, clock: StandingClock, journey: None, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = run_to_the_end(engine, clock, "main")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM aion_event WHERE seq = 2")

    with pytest.raises(CommandError, match=str(handle.run_id)) as refused:
        call_command("recover_workflows")

    assert refused.value.returncode == 1
    assert "projections repaired" in capsys.readouterr().out


# --- what others should have said ----------------------------------------------------------------


@pytest.fixture
def relatives(script: Register) -> None:
    @script
    async def child(me: kit.Scripted) -> str:
        await workflow.wait_condition(lambda: me.notes)
        return f"said {me.notes[0]}"

    @script
    async def parent(me: kit.Scripted) -> Any:
        return await workflow.execute_child_workflow(kit.Scripted, "child", id="the-child")

    @script
    async def sender(me: kit.Scripted) -> str:
        await workflow.get_external_workflow_handle("the-receiver").signal("note", "hello")
        return "sent"


def test_a_parent_whose_child_was_not_heard_is_told(
    engine: Engine, clock: StandingClock, relatives: None
) -> None:
    handle = engine.start("parent")
    engine.turns()
    client.get_workflow_handle("the-child").signal("note", "bye")
    while Run.objects.get(workflow_id="the-child").closed_at is None:
        engine.turn()
        Message.objects.filter(kind="ChildWorkflowCompleted").delete()
    assert_nothing_is_pending()

    assert recover() == {"answers given again": 1}
    assert_settled()
    engine.go()
    assert handle.result(0) == "said bye"


def test_a_parent_whose_child_is_open_is_left_alone(
    engine: Engine, clock: StandingClock, relatives: None
) -> None:
    engine.start("parent")
    engine.turns()

    assert_settled()


def test_a_sender_whose_answer_was_lost_is_answered(
    engine: Engine, clock: StandingClock, relatives: None
) -> None:
    engine.start("child", id="the-receiver")
    engine.turns()
    handle = engine.start("sender")
    while Run.objects.get(workflow_id="the-receiver").closed_at is None:
        engine.turn()
        Message.objects.filter(kind="ExternalRequestDelivered").delete()
    assert_nothing_is_pending()

    assert recover() == {"answers given again": 1}
    assert_settled()
    engine.go()
    assert handle.result(0) == "sent"


def assert_nothing_is_pending() -> None:
    assert [Message.objects.count(), Timer.objects.count(), ActivityTask.objects.count()] == [0] * 3


@pytest.mark.parametrize("model", [Message, Timer, ActivityTask])
def test_what_is_parked_for_no_reason_goes_back_into_the_queue(
    engine: Engine, clock: StandingClock, journey: None, model: Any
) -> None:
    handle = engine.start("main")
    if model is not Message:
        engine.turns()
    if model is ActivityTask:
        clock.move(6)
        engine.turns()
    column = "paused" if model is ActivityTask else "parked"
    assert model.objects.update(**{column: True}) == 1

    report = recover()

    assert report.pop("activities published", 1) == 1
    assert report == {"runs put back into the queue": 1}
    assert_settled()
    engine.go()
    clock.move(6)
    engine.go()
    assert handle.result(0) == 7


def test_what_is_paused_or_held_stays_parked(
    engine: Engine, clock: StandingClock, journey: None, script: Register
) -> None:
    engine.start("main").pause()
    engine.start("main", start_delay=dt.timedelta(hours=1)).signal("note", "early")
    engine.go()
    held = engine.start("listen")
    held.signal("note", "x")
    Run.objects.filter(id=held.run_id).update(held_until=clock.read() + dt.timedelta(hours=1))
    Message.objects.filter(run_id=held.run_id).update(parked=True)

    assert_settled()


# --- only some, and how far it is ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "repaired"),
    [
        ((), 3),
        (("--workflow-id", "two"), 1),
        (("--type", "kit.Scripted"), 2),
        (("--query", 'WorkflowId STARTS_WITH "t"'), 2),
        (("--query", 'WorkflowId STARTS_WITH "t"', "--type", "kit.greet"), 1),
        (("--workflow-id", "nobody"), 0),
    ],
)
def test_filters_limit_what_is_repaired(
    engine: Engine, clock: StandingClock, journey: None, options: tuple[str, ...], repaired: int
) -> None:
    engine.start("fail", id="one")
    engine.start("fail", id="two")
    client.start_workflow(kit.greet, "ada", id="three")
    engine.go()
    Run.objects.update(status="terminated")

    assert recover(*options).get("projections repaired", 0) == repaired
    assert recover(*options) == {}
    assert Run.objects.filter(status="terminated").count() == 3 - repaired


def test_a_query_that_cannot_be_read_is_wrong_usage(engine: Engine) -> None:
    with pytest.raises(CommandError) as refused:
        recover("--query", "WorkflowId =")

    assert refused.value.returncode == 2


@pytest.mark.parametrize("size", [1, 2, 500])
def test_batches_come_by_every_run(
    engine: Engine,
    clock: StandingClock,
    journey: None,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aion_engine.runtime.recovery._EVENTS", 2 * size)
    monkeypatch.setattr("aion_engine.runtime.recovery._BATCH", size)
    for _ in range(3):
        engine.start("fail")
        engine.start("listen")
    engine.go()
    Run.objects.update(status="terminated")
    Message.objects.all().delete()
    seen: list[tuple[str, int, int]] = []

    report = Recovery(progress=lambda *each: seen.append(each)).run()

    assert report["projections repaired"] == 6
    assert {what: (done, total) for what, done, total in seen} == {
        "comparing": (6, 6),
        "looking for what was lost": (3, 3),
    }
    assert_settled()


def test_more_leases_than_one_look_takes_are_all_given_back(
    engine: Engine, clock: StandingClock, journey: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aion_engine.runtime.giving_up._MOST", 1)
    for _ in range(3):
        engine.start("main")
    engine.turns()
    clock.move(6)
    engine.turns()
    while engine.begin() is not None:
        pass
    engine.die()
    clock.move(60)

    assert recover() == {"dead workers": 1, "attempts given up": 3}
    assert_settled()
