"""Operators against workers: who comes first decides, and there is one outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from aion import client
from aion.core.errors import ActivityNotFound, StaleAttempt
from aion.core.failures import Failure
from aion.models import ActivityTask, Message
from aion.operations import activity_outcome
from aion.store import activities, pending
from tests.support import kit
from tests.support.engine import Engine, Thread, in_thread
from tests.support.waiting import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Register = Callable[[Any], Any]


@pytest.fixture
def handle(engine: Engine, script: Register, acting: Register) -> client.WorkflowHandle:
    """A run with one activity that is to be begun."""

    @acting
    def work() -> str:
        return "by the worker"

    @script
    async def main(me: kit.Scripted) -> Any:
        return await kit.act.execute("work")

    made = engine.start("main")
    engine.turns()
    return made


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@contextmanager
def uncommitted(action: Callable[[], Any]) -> Iterator[None]:
    """Something done in another connection, whose transaction commits at the end of the block."""
    done, commit = threading.Event(), threading.Event()

    def act() -> None:
        with transaction.atomic():
            action()
            done.set()
            assert commit.wait(20)

    thread = in_thread(act)
    assert done.wait(10)
    try:
        yield
    finally:
        commit.set()
        thread.done()


def behind(first: Callable[[], Any], second: Callable[[], Any]) -> Thread:
    """Do the second while the first is done and not committed."""
    with uncommitted(first):
        thread = in_thread(second)
        eventually(somebody_waits_for_a_lock)
    return thread


def test_a_claim_behind_a_pause_begins_nothing(
    engine: Engine, handle: client.WorkflowHandle
) -> None:
    claim = behind(handle.activity("1").pause, engine.begin)

    assert claim.done() is None
    assert ActivityTask.objects.get().state == "scheduled"


def test_a_pause_behind_a_claim_tells_the_attempt(
    engine: Engine, handle: client.WorkflowHandle
) -> None:
    behind(engine.begin, handle.activity("1").pause).done()

    row = ActivityTask.objects.get()
    assert (row.state, row.paused) == ("running", True)
    assert [held.reason for held in activities.held_by(engine.worker.id)] == ["paused"]


def test_a_worker_that_settles_behind_an_outcome_by_hand_is_dropped(
    engine: Engine, handle: client.WorkflowHandle
) -> None:
    running = engine.begin()
    assert running is not None

    settling = behind(
        lambda: handle.activity("1").complete("by hand"),
        lambda: activity_outcome.complete(running.attempt, b'"by the worker"'),
    )

    with pytest.raises(StaleAttempt):
        settling.done()
    engine.turns()
    assert handle.result(0) == "by hand"


def test_an_operator_behind_an_outcome_hears_of_it(
    engine: Engine, handle: client.WorkflowHandle
) -> None:
    running = engine.begin()
    assert running is not None

    operator = behind(
        lambda: activity_outcome.complete(running.attempt, b'"by the worker"'),
        lambda: handle.activity("1").complete("by hand"),
    )

    with pytest.raises(ActivityNotFound, match="waits to be folded"):
        operator.done()
    engine.turns()
    assert handle.result(0) == "by the worker"


def test_of_many_outcomes_at_once_one_is_recorded(
    engine: Engine, handle: client.WorkflowHandle
) -> None:
    running = engine.begin()
    assert running is not None
    go = threading.Barrier(6)

    def at_once(action: Callable[[], Any]) -> bool:
        go.wait(10)
        try:
            action()
        except (ActivityNotFound, StaleAttempt):
            return False
        return True

    actions: list[Callable[[], Any]] = [
        lambda: handle.activity("1").complete("a"),
        lambda: handle.activity("1").complete("b"),
        lambda: handle.activity("1").fail("c"),
        lambda: handle.activity("1").cancel(),
        lambda: activity_outcome.complete(running.attempt, b"1"),
        lambda: activity_outcome.complete(running.attempt, b"2"),
    ]
    threads = [in_thread(at_once, action) for action in actions]

    assert sum(thread.done() for thread in threads) == 1
    assert Message.objects.count() == 2  # the note and the outcome


def test_a_reset_before_the_last_failure_gives_another_attempt(
    engine: Engine, handle: client.WorkflowHandle
) -> None:
    ActivityTask.objects.update(attempt=3)
    running = engine.begin()
    assert running is not None
    failure = Failure(type="ValueError", message="no")

    failing = behind(
        handle.activity("1").reset, lambda: activity_outcome.fail(running.attempt, failure)
    )

    assert failing.done() is True
    row = ActivityTask.objects.get()
    assert (row.state, row.attempt, row.attempts_forgotten) == ("scheduled", 4, 3)


def test_a_reset_behind_the_last_failure_hears_of_it(
    engine: Engine, handle: client.WorkflowHandle
) -> None:
    ActivityTask.objects.update(attempt=3)
    running = engine.begin()
    assert running is not None
    failure = Failure(type="ValueError", message="no")

    reset = behind(
        lambda: activity_outcome.fail(running.attempt, failure), handle.activity("1").reset
    )

    with pytest.raises(ActivityNotFound):
        reset.done()


def test_all_of_a_type_passes_by_what_others_hold_and_takes_it_last(
    engine: Engine, handle: client.WorkflowHandle
) -> None:
    other = engine.start("main")
    engine.turns()
    held = ActivityTask.objects.order_by("id")[0]
    assert held.run_id == handle.run_id

    pausing = behind(
        lambda: pending.lock_one(held.run_id, "1"), lambda: client.pause_activity_type("kit.act")
    )

    assert pausing.done() == 2
    assert ActivityTask.objects.filter(paused=True).count() == 2
    assert other.describe().pending_activities[0].state == "paused"


def test_an_activity_of_a_run_that_is_paused_meanwhile_stays_paused(
    engine: Engine, handle: client.WorkflowHandle
) -> None:
    handle.activity("1").pause()

    behind(handle.activity("1").unpause, handle.pause).done()
    assert ActivityTask.objects.get().paused is True

    handle.activity("1").pause()
    handle.resume()
    behind(handle.pause, handle.activity("1").unpause).done()
    assert ActivityTask.objects.get().paused is True


@pytest.mark.parametrize("operation", ["resume", "pause"])
def test_an_attempt_that_fails_at_the_same_moment_is_not_left_as_its_run_was(
    operation: str, engine: Engine, handle: client.WorkflowHandle
) -> None:
    """It looks at the run before the operation is committed, and commits its row behind that."""
    running = engine.begin()
    assert running is not None
    if operation == "resume":
        handle.pause()

    def fail() -> None:
        assert activity_outcome.fail(running.attempt, Failure(type="ValueError", message="no"))

    with uncommitted(fail):
        operator = in_thread(getattr(handle, operation))
        eventually(lambda: somebody_waits_for_a_lock() or not operator.is_alive())
    operator.done()

    task = ActivityTask.objects.get()
    assert (task.state, task.paused) == ("scheduled", operation == "pause")
