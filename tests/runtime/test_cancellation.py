"""Cancelling remote activities: told, waited for or left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from aion import activity, client, workflow
from aion.authoring.options import CancellationType
from aion.models import ActivityTask, Message
from aion_engine.runtime import stop_watch
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import kinds_of

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]
TRY, WAIT, ABANDON = CancellationType.TRY, CancellationType.WAIT, CancellationType.ABANDON


@pytest.fixture
def start(engine: Engine, script: Register) -> Callable[..., client.WorkflowHandle]:
    """Start a run that waits for one activity, and cancels that when it is sent a note."""

    def begin(kind: CancellationType) -> client.WorkflowHandle:
        @script
        async def main(me: kit.Scripted) -> Any:
            task = asyncio.ensure_future(
                kit.act.with_options(cancellation_type=kind).execute("work")
            )
            await workflow.wait_condition(lambda: bool(me.notes) or task.done())
            task.cancel()
            try:
                result = await task
            except asyncio.CancelledError:
                result = "cancelled"
            return [result, len(me.notes)]

        handle = engine.start("main")
        engine.turns()
        return handle

    return begin


Start = Callable[[CancellationType], client.WorkflowHandle]


@pytest.mark.parametrize("kind", [TRY, WAIT])
def test_an_activity_that_nobody_began_is_taken_back(
    kind: CancellationType, engine: Engine, start: Start
) -> None:
    handle = start(kind)
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == ["cancelled", 1]
    assert ActivityTask.objects.count() == 0
    kinds = kinds_of(handle.run_id)  # type: ignore[arg-type]
    assert kinds.count("ActivityCancelRequested") == 1
    assert kinds.count("ActivityCancelled") == (1 if kind is WAIT else 0)


def test_abandoning_what_nobody_began_lets_it_run_until_the_run_ends(
    engine: Engine, start: Start
) -> None:
    handle = start(ABANDON)
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == ["cancelled", 1]
    assert "ActivityCancelRequested" not in kinds_of(handle.run_id)  # type: ignore[arg-type]
    assert ActivityTask.objects.count() == 0


def test_try_does_not_wait_for_a_running_attempt(engine: Engine, start: Start) -> None:
    handle = start(TRY)
    assert engine.begin() is not None
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == ["cancelled", 1]


def test_wait_waits_until_the_attempt_confirms(
    engine: Engine, start: Start, acting: Register
) -> None:
    @acting
    def work() -> None:
        activity.heartbeat(1)

    handle = start(WAIT)
    running = engine.begin()
    assert running is not None
    handle.signal("note", 1)
    engine.turns()
    assert handle.describe().status == "running"
    assert ActivityTask.objects.get().cancel_requested is True

    engine.perform(running)
    engine.turns()

    assert handle.result(0) == ["cancelled", 1]
    assert "ActivityCancelled" in kinds_of(handle.run_id)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", ["a result", "a failure"])
def test_wait_takes_whatever_comes(
    outcome: str, engine: Engine, start: Start, acting: Register, clock: StandingClock
) -> None:
    @acting
    def work() -> str:
        if outcome == "a failure":
            raise ValueError
        return outcome

    handle = start(WAIT)
    running = engine.begin()
    assert running is not None
    handle.signal("note", 1)
    engine.turns()
    engine.perform(running)
    for _ in range(4):
        engine.go()
        clock.move(60)

    if outcome == "a result":
        assert handle.result(0) == [outcome, 1]
    else:
        assert handle.describe().status == "failed"


def test_a_worker_hears_of_a_cancel_without_heartbeats(
    engine: Engine, start: Start, acting: Register
) -> None:
    told: list[str | None] = []

    @acting
    def work() -> None:
        stop_watch_looks(engine, running)
        told.append(activity.cancel_reason())
        assert activity.is_cancelled()
        assert activity.wait_for_cancelled(0)

    handle = start(WAIT)
    running = engine.begin()
    assert running is not None
    handle.signal("note", 1)
    engine.turns()
    engine.perform(running)

    assert told == ["cancelled"]


def stop_watch_looks(engine: Engine, running: Any) -> None:
    """What the keeper does twice a second."""
    from aion_engine.runtime.keeper import Keeper

    keeper = Keeper(engine.worker, running=lambda: [running], ticks=False)
    running.begun = float("-inf")
    keeper._look_at_attempts()
    assert stop_watch.LOOK < 2


def test_a_retry_that_waits_is_taken_back(engine: Engine, start: Start, acting: Register) -> None:
    @acting
    def work() -> None:
        raise ValueError

    handle = start(WAIT)
    engine.act()
    assert ActivityTask.objects.get().attempt == 2
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == ["cancelled", 1]


def test_a_cancelled_attempt_that_fails_is_not_tried_again(
    engine: Engine, clock: StandingClock, start: Start, acting: Register
) -> None:
    attempts: list[int] = []

    @acting
    def work() -> None:
        attempts.append(activity.info().attempt)
        raise ValueError

    handle = start(WAIT)
    running = engine.begin()
    assert running is not None
    handle.signal("note", 1)
    engine.turns()
    engine.perform(running)
    for _ in range(4):
        clock.move(60)
        engine.go()

    assert attempts == [1]
    assert handle.describe().status == "failed"


def test_scheduled_and_cancelled_in_one_drain_leaves_nothing(
    engine: Engine, script: Register
) -> None:
    @script
    async def main(me: kit.Scripted) -> str:
        task = kit.act.start("work")
        task.cancel()
        timer = asyncio.ensure_future(workflow.sleep(5))
        timer.cancel()
        return "done"

    handle = engine.start("main")
    engine.turns()

    assert kinds_of(handle.run_id) == ["WorkflowStarted", "WorkflowCompleted"]  # type: ignore[arg-type]
    assert ActivityTask.objects.count() == Message.objects.count() == 0


def test_an_outcome_behind_the_cancel_leaves_no_event(
    engine: Engine, script: Register, acting: Register
) -> None:
    @acting
    def work() -> str:
        return "late"

    @script
    async def main(me: kit.Scripted) -> int:
        task = kit.act.start("work")
        await workflow.wait_condition(lambda: bool(me.notes))
        task.cancel()
        await workflow.wait_condition(lambda: len(me.notes) > 1)
        return len(me.notes)

    handle = engine.start("main")
    engine.turns()
    running = engine.begin()
    assert running is not None
    handle.signal("note", 1)
    engine.turns()
    engine.perform(running)
    engine.turns()
    handle.signal("note", 2)
    engine.turns()

    assert handle.result(0) == 2
    assert not {"ActivityStarted", "ActivityCompleted"} & set(kinds_of(handle.run_id))  # type: ignore[arg-type]


@pytest.mark.parametrize("first", ["fire", "cancel"])
def test_of_a_timers_fire_and_cancel_the_first_counts(
    first: str, engine: Engine, clock: StandingClock, script: Register
) -> None:
    @script
    async def main(me: kit.Scripted) -> str:
        try:
            await workflow.wait_condition(lambda: bool(me.notes), timeout=30)
        except TimeoutError:
            return "fired"
        return "cancelled"

    handle = engine.start("main")
    engine.turns()
    if first == "fire":
        clock.move(30)
        engine.turns()
    else:
        handle.signal("note", 1)
        engine.turns()
        clock.move(30)
        engine.turns()

    kinds = kinds_of(handle.run_id)  # type: ignore[arg-type]
    assert handle.result(0) == ("fired" if first == "fire" else "cancelled")
    assert (kinds.count("TimerFired"), kinds.count("TimerCancelled")) == (
        (1, 0) if first == "fire" else (0, 1)
    )
