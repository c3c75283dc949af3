"""Local activities: run inside the worker that owns the run, outcomes committed in groups."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.db import DatabaseError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from aion import ActivityError, ApplicationError, RetryPolicy, activity, client, workflow
from aion.core.ids import uuid7
from aion.models import ActivityTask, Run
from aion.store import owners, turns, workers
from aion_engine.runtime import local_activities
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine, running_worker
from tests.support.rows import kinds_of, mailbox_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]
QUICK = RetryPolicy(initial_interval=dt.timedelta(milliseconds=20), maximum_attempts=3, jitter=0.0)


def closed(handle: client.WorkflowHandle) -> bool:
    return not handle.describe().status.is_open


@pytest.fixture
def here(script: Register) -> None:
    @script
    async def main(me: kit.Scripted, count: int = 1, limit: float = 0) -> Any:
        given: dict[str, Any] = {"local": True, "retry": QUICK}
        if limit:
            given["start_to_close_timeout"] = dt.timedelta(seconds=limit)
        local = kit.act.with_options(**given)
        try:
            return await asyncio.gather(*(local.execute("work", each) for each in range(count)))
        except ActivityError as error:
            return [getattr(error.cause, "kind", str(error.cause)), error.attempt]


pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("here")]


def test_an_outcome_is_one_event_and_needs_no_row(engine: Engine, acting: Register) -> None:
    seen: list[activity.ActivityInfo] = []

    @acting
    def work(number: int) -> int:
        seen.append(activity.info())
        return number

    handle = engine.start("main", 3)
    engine.turns()

    assert handle.result(0) == [0, 1, 2]
    assert kinds_of(handle.run_id) == ["WorkflowStarted"] + ["ActivityCompleted"] * 3 + [
        "WorkflowCompleted"
    ]
    assert ActivityTask.objects.count() == 0
    assert {(info.is_local, info.attempt, info.workflow_id) for info in seen} == {
        (True, 1, handle.workflow_id)
    }


def test_a_run_is_owned_while_its_activity_runs(engine: Engine, acting: Register) -> None:
    go_on = threading.Event()

    @acting
    def work(number: int) -> None:
        assert go_on.wait(10)

    engine.start("main")
    engine.loop.step()
    assert Run.objects.get().owner_id == engine.worker.id

    other = Engine()
    kit_signal(1)
    assert other.turn().turns == 0
    go_on.set()
    engine.turns()

    assert Run.objects.get().owner_id is None
    other.close()


def kit_signal(value: Any) -> None:
    client.get_workflow_handle(Run.objects.get().workflow_id).signal("note", value)


def test_failures_are_tried_again_in_memory(engine: Engine, acting: Register) -> None:
    attempts: list[int] = []

    @acting
    def work(number: int) -> str:
        attempts.append(activity.info().attempt)
        if len(attempts) < 3:
            raise ValueError
        return "done"

    handle = engine.start("main")
    engine.turns_until(lambda: closed(handle))

    assert (handle.result(0), attempts) == (["done"], [1, 2, 3])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ApplicationError("never", non_retryable=True), ["never", 1]),
        (ApplicationError("thrice"), ["thrice", 3]),
    ],
)
def test_failures_may_be_final(
    error: Exception, expected: list[Any], engine: Engine, acting: Register
) -> None:
    @acting
    def work(number: int) -> None:
        raise error

    handle = engine.start("main")
    engine.turns_until(lambda: closed(handle))

    assert handle.result(0) == expected


def test_an_attempt_over_time_is_given_up_and_its_late_outcome_ignored(
    engine: Engine, acting: Register
) -> None:
    late = threading.Event()
    told: list[bool] = []

    @acting
    def work(number: int) -> int:
        if activity.info().attempt == 1:
            told.append(activity.wait_for_cancelled(10))
            assert late.wait(10)
        return activity.info().attempt

    handle = engine.start("main", 1, 0.1)
    engine.turns_until(lambda: closed(handle))
    late.set()
    engine.turns()

    assert (handle.result(0), told) == ([2], [True])
    assert kinds_of(handle.run_id).count("ActivityCompleted") == 1


def test_a_timeout_that_was_the_last_fails_the_activity(engine: Engine, acting: Register) -> None:
    go_on = threading.Event()

    @acting
    def work(number: int) -> None:
        go_on.wait(10)

    handle = engine.start("main", 1, 0.05)
    engine.turns_until(lambda: closed(handle))
    go_on.set()

    assert handle.result(0) == ["start_to_close", 3]
    assert "ActivityTimedOut" in kinds_of(handle.run_id)


def test_a_coroutine_runs_here_too(engine: Engine, script: Register, acting: Register) -> None:
    @acting
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    @script
    async def other(me: kit.Scripted) -> Any:
        return await kit.aact.execute_local("work")

    handle = engine.start("other")
    engine.turns()

    assert handle.result(0) == "done"


def test_an_attempt_that_ends_by_what_ends_processes_has_failed(
    engine: Engine, acting: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    @acting
    def work(number: int) -> int:
        if activity.info().attempt == 1:
            raise SystemExit(3)
        return activity.info().attempt

    handle = engine.start("main")
    engine.turns_until(lambda: closed(handle))

    assert handle.result(0) == [2]


def test_an_activity_that_cancels_itself_has_failed(engine: Engine, acting: Register) -> None:
    @acting
    def work(number: int) -> int:
        if activity.info().attempt == 1:
            raise asyncio.CancelledError
        return activity.info().attempt

    handle = engine.start("main")
    engine.turns_until(lambda: closed(handle))

    assert handle.result(0) == [2]


def test_the_end_of_the_run_stops_its_activities(engine: Engine, acting: Register) -> None:
    entered = threading.Event()
    told: list[bool] = []

    @acting
    def work(number: int) -> None:
        entered.set()
        told.append(activity.wait_for_cancelled(10))

    handle = engine.start("main")
    engine.loop.step()
    assert entered.wait(10)
    handle.cancel()
    engine.turns()

    assert handle.describe().status == "cancelled"
    assert told == [True]


def test_an_activity_that_the_workflow_gave_up_is_told(
    engine: Engine, script: Register, acting: Register
) -> None:
    entered = threading.Event()
    told: list[bool] = []

    @acting
    def work() -> None:
        entered.set()
        told.append(activity.wait_for_cancelled(1))

    @script
    async def other(me: kit.Scripted) -> None:
        task = kit.act.with_options(local=True).start("work")
        await workflow.wait_condition(lambda: bool(me.notes))
        task.cancel()
        await workflow.wait_condition(lambda: len(me.notes) > 1)

    handle = engine.start("other")
    engine.loop.step()
    assert entered.wait(10)
    handle.signal("note", 1)
    engine.loop.step()
    engine.loop.local.wait_settled(10)

    assert told == [True]


# --- groups, losses, errors -----------------------------------------------------------------------


def test_outcomes_of_many_runs_share_a_commit(
    engine: Engine, acting: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(4)
    batches: list[int] = []
    write = turns.write

    def counting(writes: turns.TurnWrites, **given: Any) -> None:
        batches.append(len(writes.runs))
        write(writes, **given)

    monkeypatch.setattr(turns, "write", counting)

    @acting
    def work(number: int) -> None:
        together.wait(10)

    for _ in range(4):
        engine.start("main")
    engine.loop.step()
    eventually(lambda: engine.loop.local.outcome_count == 4)
    engine.loop.step()

    assert batches == [4, 4]
    assert set(Run.objects.values_list("status", flat=True)) == {"completed"}


def test_a_database_error_keeps_outcomes_for_the_next_batch(
    engine: Engine, acting: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    @acting
    def work(number: int) -> int:
        calls.append(number)
        return number

    handle = engine.start("main", 2)
    engine.loop.step()
    eventually(lambda: engine.loop.local.outcome_count == 2)
    write = turns.write

    def failing(*args: Any, **kwargs: Any) -> None:
        write(*args, **kwargs)
        raise DatabaseError("the connection is gone")

    monkeypatch.setattr(turns, "write", failing)
    for _ in range(3):
        with pytest.raises(DatabaseError):
            engine.loop.step()
    monkeypatch.setattr(turns, "write", write)
    assert kinds_of(handle.run_id) == ["WorkflowStarted"]
    engine.turns()

    assert handle.result(0) == [0, 1]
    assert sorted(calls) == [0, 1]


@pytest.mark.django_db(transaction=True)
def test_a_turn_whose_commit_succeeded_unseen_begins_its_activities(
    engine: Engine, acting: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks behind the commit: the run is owned, and its activities were handed to nobody."""

    @acting
    def work(number: int) -> int:
        return number

    handle = engine.start("main", 2)
    commit = BaseDatabaseWrapper._commit

    def commit_and_break(self: BaseDatabaseWrapper) -> None:
        commit(self)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", commit_and_break)
    engine.loop._guarded_step()
    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", commit)
    assert Run.objects.get().owner_id == engine.worker.id
    assert not engine.loop.local.runs()
    engine.turns_until(lambda: closed(handle))

    assert handle.result(0) == [0, 1]
    assert kinds_of(handle.run_id).count("ActivityCompleted") == 2


@pytest.fixture
def fork(engine: Engine, script: Register, acting: Register) -> client.WorkflowHandle:
    """A run with an activity under way, which waits for one that a signal will begin; it was sent."""
    done = threading.Event()

    @acting
    def wait() -> bool:
        return done.wait(10)

    @acting
    def end() -> None:
        done.set()

    @script
    async def fork(me: kit.Scripted) -> Any:
        local = kit.act.with_options(local=True, retry=QUICK)
        waiting = local.start("wait")
        await workflow.wait_condition(lambda: bool(me.notes))
        await local.execute("end")
        return await waiting

    handle = engine.start("fork")
    engine.loop.step()
    handle.signal("note", 1)
    return handle


@pytest.mark.django_db(transaction=True)
def test_what_a_turn_asked_for_unseen_does_not_wait_for_other_activities_of_the_run(
    engine: Engine, fork: client.WorkflowHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = BaseDatabaseWrapper._commit

    def commit_and_break(self: BaseDatabaseWrapper) -> None:
        commit(self)
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as broken:
        broken.setattr(BaseDatabaseWrapper, "_commit", commit_and_break)
        engine.loop._guarded_step()
    assert kinds_of(fork.run_id) == ["WorkflowStarted", "SignalReceived"]
    engine.turns_until(lambda: closed(fork))

    assert fork.result(0) is True


@pytest.mark.django_db(transaction=True)
def test_what_a_turn_asked_for_begins_when_the_database_is_lost_behind_its_commit(
    engine: Engine, fork: client.WorkflowHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = uuid7()  # a run that is not there any more
    engine.loop._outcomes[stranger] = []
    lost = owners.lost

    def losing(run_ids: Any, worker_id: Any) -> Any:
        if stranger in run_ids:
            raise OperationalError("server closed the connection unexpectedly")
        return lost(run_ids, worker_id)

    with monkeypatch.context() as broken:
        broken.setattr(owners, "lost", losing)
        engine.loop._guarded_step()
    engine.turns_until(lambda: closed(fork))

    assert fork.result(0) is True


def test_a_local_activity_at_which_the_engine_fails_is_run_again(
    engine: Engine, acting: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    @acting
    def work(number: int) -> int:
        return number

    with monkeypatch.context() as broken:
        broken.setattr(local_activities, "ActivityCompleted", mock.Mock(side_effect=MemoryError))
        broken.setattr(local_activities, "failure_from", mock.Mock(side_effect=MemoryError))
        handle = engine.start("main")
        engine.loop.step()
        assert engine.loop.local.wait_settled(10)
    engine.loop._next_count = 0.0
    engine.turns_until(lambda: closed(handle), timeout=5)

    assert handle.result(0) == [0]


@pytest.mark.django_db(transaction=True)
def test_a_paused_run_of_a_worker_is_not_woken_again_and_again(
    engine: Engine, acting: Register
) -> None:
    go_on = threading.Event()

    @acting
    def work(number: int) -> int:
        assert go_on.wait(10)
        return number

    handle = engine.start("main")
    engine.loop.step()
    handle.pause()
    go_on.set()
    eventually(lambda: engine.loop.local.outcome_count)
    for _ in range(3):
        engine.loop._next_count = 0.0
        engine.loop.step()

    assert sum(1 for each in mailbox_of(handle.run_id) if each == "wake") <= 1
    handle.resume()
    engine.turns()
    assert handle.result(0) == [0]


def test_a_run_taken_over_by_another_worker_is_left_to_it(
    engine: Engine, clock: StandingClock, acting: Register
) -> None:
    go_on = threading.Event()
    workers_seen: list[int] = []

    @acting
    def work(number: int) -> int:
        workers_seen.append(len(workers_seen))
        if len(workers_seen) == 1:
            assert go_on.wait(10)
            return 1
        return 2

    handle = engine.start("main")
    engine.loop.step()
    eventually(lambda: workers_seen)
    workers.give_back_runs([engine.worker.id], now=clock.at)  # the others think that it is dead
    other = Engine()
    other.turns()
    go_on.set()
    eventually(lambda: engine.loop.local.outcome_count)
    history = handle.fetch_history()
    engine.turns()

    assert handle.result(0) == [2]
    assert handle.fetch_history() == history
    other.close()


def test_a_dead_workers_activity_is_run_again(
    engine: Engine, clock: StandingClock, acting: Register
) -> None:
    go_on = threading.Event()
    calls: list[int] = []

    @acting
    def work(number: int) -> int:
        calls.append(number)
        if len(calls) == 1:
            go_on.wait(10)
        return number

    handle = engine.start("main")
    engine.loop.step()
    eventually(lambda: calls)
    other = Engine()
    clock.move(16)
    report = other.tick()
    other.turns()
    go_on.set()

    assert (report.dead_workers, report.runs_given_back) == (1, 1)
    assert (handle.result(0), calls) == ([0], [0, 0])
    other.close()


def test_an_outcome_that_meets_broken_code_is_kept(
    engine: Engine, clock: StandingClock, script: Register, acting: Register
) -> None:
    calls: list[int] = []

    @acting
    def work() -> str:
        calls.append(1)
        return "done"

    broken = [True]

    @script
    async def other(me: kit.Scripted) -> Any:
        result = await kit.act.execute_local("work")
        if broken:
            import random

            random.random()
        return result

    handle = engine.start("other")
    engine.turns()
    assert handle.describe().problem is not None
    broken.clear()
    clock.move(11)
    engine.tick()
    engine.turns()

    assert handle.result(0) == "done"
    assert calls == [1]


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_shuts_down_leaves_its_activities_to_the_next(
    script: Register, acting: Register
) -> None:
    begun: list[float] = []

    @acting
    async def work() -> str:
        begun.append(time.monotonic())
        if len(begun) == 1:
            await asyncio.sleep(30)
        return "done"

    @script
    async def other(me: kit.Scripted) -> Any:
        return await kit.aact.execute_local("work")

    with running_worker(activity_threads=0):
        handle = client.start_workflow(kit.Scripted, "other")
        eventually(lambda: begun)
    with running_worker(activity_threads=0):
        assert handle.result(10) == "done"
