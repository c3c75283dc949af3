"""Transactional activities: their writes and their outcome are one commit, or neither is there."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from aion import ActivityError, RetryPolicy, activity
from aion.core.failures import Failure
from aion.core.ids import uuid7
from aion.models import ActivityTask, Message
from aion.store import activities, sweeping, workers
from tests.sample.models import Effect
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine, in_thread
from tests.support.rows import kinds_of, mailbox_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]
QUICK = RetryPolicy(initial_interval=dt.timedelta(milliseconds=20), maximum_attempts=4, jitter=0.0)


def effects() -> int:
    return Effect.objects.count()


def write_effect() -> None:
    Effect.objects.create(key=str(activity.info().attempt))


# --- remote ---------------------------------------------------------------------------------------


@pytest.fixture
def booked(script: Register) -> None:
    @script
    async def main(me: kit.Scripted) -> Any:
        return await kit.booking.execute("book")


@pytest.mark.usefixtures("booked")
def test_writes_and_outcome_are_there_together(engine: Engine, acting: Register) -> None:
    @acting
    def book() -> int:
        write_effect()
        return 7

    handle = engine.start("main")
    engine.go()

    assert (handle.result(0), effects()) == (7, 1)


def take_row_away() -> None:
    ActivityTask.objects.all().delete()


def give_to_another() -> None:
    ActivityTask.objects.update(owner_id=uuid7())


def begin_the_next_attempt() -> None:
    ActivityTask.objects.update(attempt=2)


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("lose", [take_row_away, give_to_another, begin_the_next_attempt])
def test_the_writes_of_a_stale_attempt_are_rolled_back(
    lose: Callable[[], None], engine: Engine, acting: Register
) -> None:
    @acting
    def book() -> None:
        write_effect()
        lose()

    handle = engine.start("main")
    engine.turns()
    before = list(ActivityTask.objects.values("id", "attempt"))
    engine.act()

    assert effects() == 0
    assert Message.objects.count() == 0
    assert list(ActivityTask.objects.values("id", "attempt")) == before  # rolled back, too
    assert handle.describe().status == "running"


@pytest.mark.usefixtures("booked")
def test_the_writes_of_a_failed_attempt_are_rolled_back_and_the_retry_counts(
    engine: Engine, clock: StandingClock, acting: Register
) -> None:
    @acting
    def book() -> str:
        write_effect()
        if activity.info().attempt < 3:
            raise ValueError
        return "booked"

    handle = engine.start("main")
    for _ in range(3):
        engine.go()
        clock.move(60)

    assert handle.result(0) == "booked"
    assert list(Effect.objects.values_list("key", flat=True)) == ["3"]


@pytest.mark.usefixtures("booked")
def test_a_result_that_cannot_be_stored_rolls_the_writes_back(
    engine: Engine, acting: Register
) -> None:
    @acting
    def book() -> Any:
        write_effect()
        return object()

    handle = engine.start("main")
    engine.go()

    assert effects() == 0
    assert kinds_of(handle.run_id)[-2:] == ["ActivityFailed", "WorkflowFailed"]


@pytest.mark.usefixtures("booked")
def test_an_attempt_that_goes_on_elsewhere_keeps_no_writes(
    engine: Engine, acting: Register
) -> None:
    """The transaction ends with the function; the outcome that will come later cannot be in it."""

    @acting
    def book() -> None:
        write_effect()
        activity.raise_complete_async()

    engine.start("main")
    engine.go()

    assert effects() == 0
    assert ActivityTask.objects.get().state == "external"


@pytest.mark.postgres
@pytest.mark.usefixtures("booked")
@pytest.mark.django_db(transaction=True)
def test_the_row_may_be_lost_to_another_process_meanwhile(engine: Engine, acting: Register) -> None:
    @acting
    def book() -> int:
        write_effect()
        if activity.info().attempt == 1:
            in_thread(give_up).done()
        return activity.info().attempt

    def give_up() -> None:
        attempt = sweeping.owned_by([engine.worker.id], limit=1)[0]
        failure = Failure(type="WorkerLost", message="given up")
        activities.reschedule(attempt, failure, next_attempt_at=START, now=START)

    handle = engine.start("main")
    engine.go()

    assert handle.result(0) > 1, "the first attempt does not count"
    assert list(Effect.objects.values_list("key", flat=True)) == [str(handle.result(0))]


# --- local ----------------------------------------------------------------------------------------


@pytest.fixture
def booked_here(script: Register) -> None:
    @script
    async def main(me: kit.Scripted, limit: float = 0) -> Any:
        given = {"start_to_close_timeout": dt.timedelta(seconds=limit)} if limit else {}
        try:
            return await kit.booking.with_options(local=True, retry=QUICK, **given).execute("book")
        except ActivityError as error:
            return [type(error.cause).__name__, error.attempt]


local = [
    pytest.mark.usefixtures("booked_here"),
    pytest.mark.django_db(transaction=True),
]


def marked(function: Any) -> Any:
    for mark in local:
        function = mark(function)
    return function


@marked
def test_a_local_outcome_is_committed_with_the_writes(engine: Engine, acting: Register) -> None:
    @acting
    def book() -> int:
        write_effect()
        return 7

    handle = engine.start("main")
    engine.loop.step()
    eventually(effects)
    assert mailbox_of(handle.run_id) == ["ActivityCompleted"]
    engine.turns()

    assert (handle.result(0), effects()) == (7, 1)
    assert kinds_of(handle.run_id) == ["WorkflowStarted", "ActivityCompleted", "WorkflowCompleted"]


@marked
def test_a_local_failure_rolls_back_and_is_tried_again(engine: Engine, acting: Register) -> None:
    @acting
    def book() -> str:
        write_effect()
        if activity.info().attempt < 3:
            raise ValueError
        return "booked"

    handle = engine.start("main")
    engine.turns_until(lambda: not handle.describe().status.is_open)

    assert handle.result(0) == "booked"
    assert list(Effect.objects.values_list("key", flat=True)) == ["3"]


@marked
def test_a_local_commit_of_unknown_outcome_that_succeeded_is_not_repeated(
    engine: Engine, acting: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks behind the commit: what the worker sees is an error, and the writes are there."""
    lost = lose_answers_to_commits(monkeypatch, 1)

    @acting
    def book() -> int:
        write_effect()
        return 7

    handle = engine.start("main")
    engine.loop.step()
    eventually(lost.is_set)
    # The next try comes before a turn has folded the outcome.
    eventually(lambda: engine.loop.local.release_due() is None and not engine.loop.local.busy)
    engine.turns_until(lambda: not handle.describe().status.is_open)

    assert (handle.result(0), effects()) == (7, 1)
    assert kinds_of(handle.run_id) == ["WorkflowStarted", "ActivityCompleted", "WorkflowCompleted"]


def lose_answers_to_commits(monkeypatch: pytest.MonkeyPatch, count: int) -> threading.Event:
    """Let commits of local activities succeed and look as if they had not; the event is set when all have."""
    commit = BaseDatabaseWrapper._commit
    left = [None] * count
    lost = threading.Event()

    def commit_and_break(self: BaseDatabaseWrapper) -> None:
        commit(self)
        if left and threading.current_thread().name == "aion-local":
            left.pop()
            if not left:
                lost.set()
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", commit_and_break)
    return lost


@marked
def test_a_run_goes_on_when_the_turn_that_folded_a_local_outcome_succeeded_unseen(
    engine: Engine, acting: Register, script: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop knows the activity still, and must not think that it is under way."""

    @acting
    def book() -> None:
        write_effect()

    @script
    async def twice(me: kit.Scripted) -> str:
        for _ in range(2):
            await kit.booking.with_options(local=True, retry=QUICK).execute("book")
        return "both"

    handle = engine.start("twice")
    engine.loop.step()
    eventually(lambda: mailbox_of(handle.run_id) and not engine.loop.local.busy)
    commit = BaseDatabaseWrapper._commit

    def commit_and_break(self: BaseDatabaseWrapper) -> None:
        commit(self)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", commit_and_break)
    engine.loop._guarded_step()
    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", commit)
    assert kinds_of(handle.run_id) == ["WorkflowStarted", "ActivityCompleted"]
    engine.turns_until(lambda: not handle.describe().status.is_open, timeout=5)

    assert (handle.result(0), effects()) == ("both", 2)


@marked
def test_a_local_activity_is_run_again_when_a_reopening_undid_its_unread_outcome(
    engine: Engine, acting: Register
) -> None:
    @acting
    def book() -> int:
        write_effect()
        return effects()

    handle = engine.start("main")
    engine.loop.step()
    eventually(lambda: mailbox_of(handle.run_id) and not engine.loop.local.busy)
    handle.terminate()
    handle.reopen()
    engine.loop.step()
    engine.loop._next_count = 0.0
    engine.turns_until(lambda: not handle.describe().status.is_open, timeout=5)

    assert handle.result(0) == 2


@marked
def test_a_local_outcome_that_waits_in_the_mailbox_has_no_timeout(
    engine: Engine, acting: Register
) -> None:
    """A paused run may leave it there for long, and the loop would not sleep."""

    @acting
    def book() -> None:
        write_effect()

    handle = engine.start("main", 60)
    engine.loop.step()
    eventually(lambda: mailbox_of(handle.run_id) and not engine.loop.local.busy)
    handle.pause()

    assert engine.loop.local.release_due() is None


@marked
def test_a_local_activity_of_a_terminated_run_keeps_no_writes(
    engine: Engine, acting: Register, settings: Any
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    @acting
    def book() -> None:
        entered.set()
        assert go_on.wait(10)
        write_effect()

    handle = engine.start("main")
    engine.loop.step()
    assert entered.wait(10)
    terminating = in_thread(
        handle.terminate
    )  # waits for the function on SQLite, with its one writer
    if not _one_writer():
        terminating.done()
    go_on.set()
    terminating.done()
    engine.loop.local.wait_settled(10)
    engine.turns()

    assert effects() == (1 if _one_writer() else 0)
    assert handle.describe().status == "terminated"
    assert Message.objects.count() == 0


def _one_writer() -> bool:
    from django.db import connection

    return connection.vendor == "sqlite"


@pytest.mark.postgres
@marked
def test_a_local_activity_that_lost_its_run_is_run_again(engine: Engine, acting: Register) -> None:
    calls: list[int] = []

    @acting
    def book() -> str:
        write_effect()
        calls.append(1)
        if len(calls) == 1:
            in_thread(lambda: workers.give_back_runs([engine.worker.id], now=START)).done()
        return "booked"

    handle = engine.start("main")
    # Where the turn came before the job let go, the loop finds the run forgotten: a third of the lease.
    engine.turns_until(lambda: not handle.describe().status.is_open, timeout=20)

    assert handle.result(0) == "booked"
    assert effects() == 1


@pytest.mark.postgres
@marked
def test_an_attempt_that_passed_its_timeout_keeps_no_writes(
    engine: Engine, acting: Register
) -> None:
    first, second = threading.Event(), threading.Event()

    @acting
    def book() -> int:
        attempt = activity.info().attempt
        write_effect()
        if attempt == 1:
            assert first.wait(10)
        else:
            first.set()
            assert second.wait(10)
        return attempt

    handle = engine.start("main", 0.3)
    engine.turns_until(first.is_set)
    with contextlib.suppress(AssertionError):
        eventually(effects, timeout=0.2)  # within the time that the second attempt has
    second.set()
    engine.turns_until(lambda: not handle.describe().status.is_open)
    engine.loop.local.wait_settled(10)

    assert handle.result(0) >= 2  # on a busy machine the second may be too slow as well
    assert list(Effect.objects.values_list("key", flat=True)) == [str(handle.result(0))]
