"""Attempts in one message: each runs once, in order; long ones hold nobody up; lost answers lose none."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from django.db import OperationalError, connection

from aion.core.ports import Handover
from aion.models import ActivityTask
from aion.operations import activity_outcome, bell
from aion.operations.bell import SeldomRinging
from aion.store import activities, finishing
from aion.store.attempts import Attempt
from aion_engine.runtime import bundles, celery_activities, execution
from aion_engine.runtime.bundles import Bundle, Watcher, size_of
from aion_engine.runtime.durations import LONG, Durations
from aion_engine.runtime.here import Here
from aion_engine.runtime.identity import new_worker
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.locks import locked_activity
from tests.support.rows import insert_activity, mailbox_of, quiet_run
from tests.support.waiting import eventually

Register = Callable[[Any], Any]
DONE = ["ActivityStarted", "ActivityCompleted"]


class Dispatcher:
    """Keeps what is handed over."""

    def __init__(self) -> None:
        self.handed_over: list[Handover] = []

    def publish(self, handovers: list[Handover]) -> None:
        self.handed_over += handovers


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    fresh = Here()
    fresh.become(new_worker("celery"))
    monkeypatch.setattr(celery_activities, "here", fresh)
    monkeypatch.setattr(bundles, "here", fresh)
    return fresh


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take nothing for long on a busy machine."""
    monkeypatch.setattr(bundles, "LONG", 60.0)


@pytest.fixture
def dispatcher(monkeypatch: pytest.MonkeyPatch) -> Dispatcher:
    made = Dispatcher()
    given = type(bundles.settings).port

    def port(self: Any, name: str) -> Any:
        return made if name == "DISPATCHER" else given(self, name)

    monkeypatch.setattr(type(bundles.settings), "port", port)
    return made


@pytest.fixture
def ran(acting: Register) -> list[int]:
    """What the activity `note` was called with."""
    seen: list[int] = []

    @acting
    def note(number: int) -> int:
        seen.append(number)
        return number

    return seen


def asked(count: int, name: str = "note") -> list[uuid.UUID]:
    """The rows of so many activities, of a run each."""
    inputs = [kit.act.signature.encode((name, each), {}, what="it") for each in range(count)]
    return [insert_activity(quiet_run(), input=msgspec.Raw(each)) for each in inputs]


def deliver(task_ids: list[uuid.UUID], attempt: int = 1) -> None:
    """What a worker does with a message."""
    references = [part for each in task_ids for part in (str(each), attempt)]
    celery_activities.run_activity(*references)


def runs_of(task_ids: list[uuid.UUID]) -> list[uuid.UUID]:
    found = ActivityTask.objects.in_bulk(task_ids)
    return [found[each].run_id for each in task_ids]


@pytest.mark.django_db(transaction=True)
def test_all_of_a_message_run_in_their_order(ran: list[int]) -> None:
    rows = asked(5)
    runs = runs_of(rows)

    deliver(rows)

    assert ran == [0, 1, 2, 3, 4]
    assert [mailbox_of(each) for each in runs] == [DONE] * 5
    assert not ActivityTask.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("gone", ["done", "taken", "retried", "paused"])
def test_what_is_not_there_to_be_begun_is_left_out(ran: list[int], gone: str) -> None:
    rows = asked(4)
    changed = ActivityTask.objects.filter(id=rows[2])
    match gone:
        case "done":
            changed.delete()
        case "taken":
            changed.update(state="running", owner_id=uuid.uuid4())
        case "retried":
            changed.update(attempt=2)
        case "paused":
            changed.update(paused=True)

    deliver(rows)

    assert ran == [0, 1, 3]


@pytest.mark.django_db(transaction=True)
def test_what_changes_after_the_look_is_left_out_too(acting: Register) -> None:
    seen = []

    @acting
    def note(number: int) -> None:
        seen.append(number)
        ActivityTask.objects.filter(id=rows[1]).update(paused=True)

    rows = asked(3)
    deliver(rows)

    assert seen == [0, 2]
    assert ActivityTask.objects.get().state == "scheduled"


@pytest.mark.django_db(transaction=True)
def test_the_next_one_begins_behind_a_failure_and_a_lost_row(acting: Register) -> None:
    seen = []

    @acting
    def note(number: int) -> None:
        seen.append(number)
        if number == 0:
            raise ValueError("no")
        if number == 1:
            ActivityTask.objects.filter(id=rows[1]).update(attempt=2, state="scheduled")

    rows = asked(4)
    deliver(rows)

    assert seen == [0, 1, 2, 3]
    assert set(ActivityTask.objects.values_list("id", "attempt")) == {(rows[0], 2), (rows[1], 2)}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("written", [True, False])
def test_an_outcome_whose_answer_is_lost_loses_neither_attempt(
    ran: list[int], monkeypatch: pytest.MonkeyPatch, *, written: bool
) -> None:
    """The statement may have counted or not; the one behind it runs once in both cases."""
    rows, losing = asked(3), [True]
    runs = runs_of(rows)
    real = finishing.sessions.at_once

    def at_once(sql: str, parameters: Any) -> Any:
        lost = losing and losing.pop()
        if not lost or written:
            found = real(sql, parameters)
        if lost:
            raise OperationalError("the answer is lost")
        return found

    monkeypatch.setattr(finishing.sessions, "at_once", at_once)
    monkeypatch.setattr(
        execution, "_PAUSES", (0.0, 0.0)
    )  # else the others are handed over meanwhile

    deliver(rows)

    assert ran == [0, 1, 2]
    assert [mailbox_of(each) for each in runs] == [DONE] * 3
    assert not ActivityTask.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_stops_asks_for_the_rest_to_be_handed_over(
    acting: Register, here: Here
) -> None:
    seen = []

    @acting
    def note(number: int) -> None:
        seen.append(number)
        here.announce_stop()

    rows = asked(3)
    deliver(rows)

    assert seen == [0]
    assert set(ActivityTask.objects.values_list("id", "published_at")) == {
        (rows[1], None),
        (rows[2], None),
    }


@pytest.mark.django_db(transaction=True)
def test_those_behind_a_long_one_are_handed_over_anew(
    acting: Register, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "LONG", LONG)
    seen = []

    @acting
    def note(number: int) -> None:
        seen.append(number)
        if number == 0:
            eventually(lambda: dispatcher.handed_over, what="they are handed over meanwhile")

    rows = asked(3)
    deliver(rows)

    assert seen == [0]
    assert [(each.task_id, each.attempt) for each in dispatcher.handed_over] == [
        (rows[1], 1),
        (rows[2], 1),
    ]
    assert set(ActivityTask.objects.values_list("id", "state")) == {
        (rows[1], "scheduled"),
        (rows[2], "scheduled"),
    }


def test_a_bundle_is_given_to_one_taker_only() -> None:
    rows: Any = list(range(2_000))
    bundle, taken = Bundle(rows), []

    def take() -> None:
        while (row := bundle.take()) is not None:
            taken.append(row)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    left = bundle.leave()
    for thread in threads:
        thread.join(10)

    assert sorted(taken + left) == rows


def test_what_a_broken_process_leaves_of_a_message_is_handed_over(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_over: list[Any] = []
    monkeypatch.setattr(bundles, "_hand_over", handed_over.extend)
    rows: Any = [1, 2]

    with pytest.raises(KeyboardInterrupt), Watcher().watching(Bundle(rows)):
        raise KeyboardInterrupt

    assert handed_over == rows


# --- how many travel together ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waiting", "backlog", "size"),
    [(1, False, 1), (15, False, 1), (16, False, 2), (1000, False, 16), (1, True, 16)],
)
def test_the_size_of_a_message(waiting: int, *, backlog: bool, size: int) -> None:
    assert size_of(waiting, backlog=backlog) == size


def test_a_type_is_long_after_it_was_so_twice_and_short_after_some_short_runs() -> None:
    durations = Durations()

    durations.note("render", LONG * 2)
    assert not durations.is_long("render")
    durations.note("render", LONG * 2)
    assert durations.is_long("render")
    assert not durations.is_long("note")

    for _ in range(100):
        durations.note("render", LONG * 2)
    for _ in range(16):
        durations.note("render", LONG / 2)
    assert not durations.is_long("render")


def test_rings_in_a_row_are_one_now_and_one_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []

    class Bell:
        def ring_loops(self, *, urgent: bool = True) -> None:
            rung.append(1)

    monkeypatch.setattr(bell, "the_bell", Bell)
    ringing = SeldomRinging(pause=60)

    with bell.seldom(ringing):
        for _ in range(5):
            ringing.ring()
        assert len(rung) == 1
    assert len(rung) == 2
    ringing.catch_up()
    assert len(rung) == 2, "nothing is owed"


# --- an outcome and the next beginning ------------------------------------------------------------


def an_attempt_and_the_next(clock: StandingClock) -> tuple[Attempt, finishing.Successor]:
    """Begin one of two activities; the other is to be begun with its outcome."""
    first, second = asked(2)
    owner = uuid.uuid4()
    attempt = activities.claim_attempt(first, 1, owner_id=owner, pid=1, now=clock.at)
    row = activities.find(second)
    assert attempt is not None
    assert row is not None
    return attempt, finishing.Successor(row, owner, 1, clock.at)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_result_does_not_wait_for_its_successors_row(clock: StandingClock) -> None:
    """A turn that takes both back would wait for the first, and hold the second: a deadlock."""
    attempt, successor = an_attempt_and_the_next(clock)

    with locked_activity(successor.row.id), short_patience():
        activity_outcome.complete(attempt, b"1", successor=successor)

    assert not successor.begun
    assert [task.id for task in ActivityTask.objects.all()] == [successor.row.id]
    assert ActivityTask.objects.get().state == "scheduled"


@contextmanager
def short_patience() -> Iterator[None]:
    """Let a statement of this connection fail that waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '2s'")
        yield
        cursor.execute("RESET lock_timeout")


@pytest.mark.django_db(transaction=True)
def test_a_result_begins_its_successor_in_the_same_statement_where_it_can(
    clock: StandingClock,
) -> None:
    attempt, successor = an_attempt_and_the_next(clock)

    activity_outcome.complete(attempt, b"1", successor=successor)

    now = ActivityTask.objects.get(id=successor.row.id)
    begun = now.state == "running"
    assert successor.begun is begun
    assert begun == (finishing.dialect().name == "postgresql")
    if begun:
        assert (now.owner_id, now.started_at, now.pid) == (successor.owner_id, clock.at, 1)
