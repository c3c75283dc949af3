"""Doing several things at once: race, map, timeouts, sagas, timers."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from aion import ActivityError, ApplicationError, RetryPolicy, workflow
from aion.client import WorkflowHandle
from aion.models import ActivityTask, Timer
from tests.language.worlds import failure_of, kinds, rest, same_when_lost
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db

ONCE = RetryPolicy(maximum_attempts=1)


@pytest.fixture(autouse=True)
def done(acting: Any) -> list[str]:
    """What the activities have done."""
    seen: list[str] = []

    @acting
    def work(name: str) -> str:
        seen.append(name)
        if name.startswith("bad"):
            raise ApplicationError(name, type="Bad")
        return name

    return seen


def work(name: str) -> Any:
    return kit.act.with_options(retry=ONCE).execute("work", name)


async def slept(seconds: float, value: Any = None) -> Any:
    await asyncio.sleep(seconds)
    return value


async def failing(seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise ApplicationError("no", type="Late")


def ran(engine: Engine, clock: StandingClock, script: Any, main: Any) -> WorkflowHandle:
    script(main)
    handle = engine.start("main")
    rest(engine, clock)
    return handle


# --- race -----------------------------------------------------------------------------------------


def test_the_first_outcome_wins_and_the_others_are_cancelled(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    async def main(me: Scripted) -> list[Any]:
        first = await workflow.race(slept(9, "a"), slept(2, "b"), slept(5, "c"))
        return [first, workflow.now().second]

    handle = ran(engine, clock, script, main)

    assert handle.result(0) == ["b", 2]
    assert kinds(handle).count("TimerCancelled") == 2
    assert Timer.objects.count() == 0


def test_an_error_may_be_the_first(engine: Engine, clock: StandingClock, script: Any) -> None:
    async def main(me: Scripted) -> None:
        await workflow.race(slept(9), failing(1))

    error = failure_of(ran(engine, clock, script, main))

    assert getattr(error, "type", "") == "Late"


def test_of_two_that_end_together_the_first_argument_wins(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    async def main(me: Scripted) -> str:
        async def when(value: str) -> str:
            await workflow.wait_condition(lambda: me.notes)
            return value

        return await workflow.race(when("a"), when("b"))

    script(main)
    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == "a"


def test_a_race_that_is_cancelled_cancels_all(
    engine: Engine, clock: StandingClock, script: Any, done: list[str]
) -> None:
    async def main(me: Scripted) -> None:
        await workflow.race(slept(50), slept(60), work("x"))

    script(main)
    handle = engine.start("main")
    engine.turns()
    handle.cancel()
    rest(engine, clock)

    assert str(handle.describe().status) == "cancelled"
    assert (Timer.objects.count(), ActivityTask.objects.count(), done) == (0, 0, [])


@pytest.mark.parametrize("what", ["race", "map", "sleep until"])
def test_bad_arguments(engine: Engine, clock: StandingClock, script: Any, what: str) -> None:
    async def main(me: Scripted) -> None:
        match what:
            case "race":
                await workflow.race()
            case "map":
                await workflow.map_concurrent(slept, [1], limit=0)
            case _:
                await workflow.sleep_until(dt.datetime(2030, 1, 1))

    error = failure_of(ran(engine, clock, script, main))

    assert getattr(error, "type", "") == "ValueError"


# --- map ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_results_keep_the_order_and_no_more_than_the_limit_run(
    engine: Engine, clock: StandingClock, script: Any, limit: int
) -> None:
    async def main(me: Scripted) -> list[Any]:
        running = most = 0

        async def one(number: int) -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(6 - number)
            running -= 1
            return number * number

        return [await workflow.map_concurrent(one, range(6), limit=limit), most]

    handle = ran(engine, clock, script, main)

    assert handle.result(0) == [[0, 1, 4, 9, 16, 25], min(limit, 6)]


def test_the_first_error_stops_the_rest(
    engine: Engine, clock: StandingClock, script: Any, done: list[str]
) -> None:
    async def main(me: Scripted) -> None:
        await workflow.map_concurrent(work, ["a", "bad", "c", "d", "e"], limit=2)

    handle = ran(engine, clock, script, main)

    assert isinstance(failure_of(handle), ActivityError)
    assert "e" not in done


def test_nothing_to_do(engine: Engine, clock: StandingClock, script: Any) -> None:
    async def main(me: Scripted) -> list[Any]:
        return await workflow.map_concurrent(slept, [], limit=3)

    assert ran(engine, clock, script, main).result(0) == []


# --- timeouts -------------------------------------------------------------------------------------


def test_an_outcome_in_time_leaves_no_timer(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    async def main(me: Scripted) -> str:
        return await workflow.with_timeout(work("quick"), dt.timedelta(hours=1))

    handle = ran(engine, clock, script, main)

    assert handle.result(0) == "quick"
    assert Timer.objects.count() == 0


def test_what_takes_too_long_is_cancelled_and_raises_timeout_error(
    engine: Engine, clock: StandingClock, script: Any, done: list[str]
) -> None:
    async def main(me: Scripted) -> list[Any]:
        try:
            await workflow.with_timeout(work("slow"), 5)
        except TimeoutError:
            return ["late", workflow.now().second]
        return ["?"]

    script(main)
    handle = engine.start("main")
    engine.turns()
    clock.move(5)
    engine.turns()
    rest(engine, clock)

    assert handle.result(0) == ["late", 5]
    assert done == []


def test_a_moment_with_a_zone(engine: Engine, clock: StandingClock, script: Any) -> None:
    moment = START + dt.timedelta(days=40)

    async def main(me: Scripted) -> list[str]:
        zone = dt.timezone(dt.timedelta(hours=9))
        await workflow.sleep_until(moment.astimezone(zone))
        first = workflow.now()
        await workflow.sleep_until(moment)
        return [first.isoformat(), workflow.now().isoformat()]

    handle = ran(engine, clock, script, main)

    assert handle.result(0) == [moment.isoformat()] * 2
    assert kinds(handle).count("TimerStarted") == 1


# --- sagas ----------------------------------------------------------------------------------------


async def booking(*steps: str) -> str:
    async with workflow.Saga() as saga:
        for step in steps:
            await work(step)
            saga.add(work, f"undo {step}")
    return "booked"


def test_a_saga_that_succeeds_undoes_nothing(
    engine: Engine, clock: StandingClock, script: Any, done: list[str]
) -> None:
    async def main(me: Scripted) -> str:
        return await booking("car", "hotel")

    assert ran(engine, clock, script, main).result(0) == "booked"
    assert done == ["car", "hotel"]


def test_a_failure_undoes_what_was_done_last_first(
    engine: Engine, clock: StandingClock, script: Any, done: list[str]
) -> None:
    async def main(me: Scripted) -> str:
        return await booking("car", "hotel", "bad flight", "train")

    handle = ran(engine, clock, script, main)

    assert done == ["car", "hotel", "bad flight", "undo hotel", "undo car"]
    assert isinstance(failure_of(handle), ActivityError)


def test_an_undo_that_fails_does_not_stop_the_others(
    engine: Engine, clock: StandingClock, script: Any, done: list[str]
) -> None:
    async def main(me: Scripted) -> list[str]:
        try:
            async with workflow.Saga() as saga:
                for name in ("one", "bad two", "three"):
                    saga.add(work, name)
                raise ApplicationError("no", type="First")
        except ApplicationError as error:
            return [error.type, *error.__notes__]
        return []

    handle = ran(engine, clock, script, main)

    assert done == ["three", "bad two", "one"]
    kind, note = handle.result(0)
    assert kind == "First"
    assert note.startswith("An undo failed as well: ActivityError")


def test_a_cancel_undoes_and_a_second_cancel_does_not_interrupt_it(
    engine: Engine, clock: StandingClock, script: Any, done: list[str]
) -> None:
    async def main(me: Scripted) -> None:
        async with workflow.Saga() as saga:
            saga.add(work, "undo")
            saga.add(slept, 30)
            await asyncio.sleep(1000)

    script(main)
    handle = engine.start("main")
    engine.turns()
    for _ in range(2):
        handle.cancel("enough")
        engine.turns()
        clock.move(1)
    rest(engine, clock)

    assert str(handle.describe().status) == "cancelled"
    assert done == ["undo"]


def test_an_instance_that_is_dropped_undoes_nothing(
    engine: Engine, clock: StandingClock, script: Any, done: list[str]
) -> None:
    async def main(me: Scripted) -> str:
        async with workflow.Saga() as saga:
            saga.add(work, "undo")
            await workflow.wait_condition(lambda: me.notes)
        return "fine"

    script(main)
    handle = engine.start("main")
    engine.turns()
    engine.loop.turns.cache.clear()
    handle.signal("note", 1)
    rest(engine, clock)

    assert (handle.result(0), done) == ("fine", [])


# --- timers ---------------------------------------------------------------------------------------


def test_a_timer_can_be_asked_awaited_and_cancelled(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    async def main(me: Scripted) -> list[Any]:
        short, long = workflow.Timer(5, summary="short"), workflow.Timer(dt.timedelta(hours=1))
        before = short.fired
        await short
        seen = [before, short.fired, long.fired, short.cancel(), long.cancel(), long.cancel()]
        try:
            await long
        except asyncio.CancelledError:
            seen.append("cancelled")
        return [*seen, long.fired]

    handle = ran(engine, clock, script, main)

    assert handle.result(0) == [False, True, False, False, True, True, "cancelled", False]
    assert kinds(handle).count("TimerCancelled") == 1


def test_who_gives_up_awaiting_a_timer_does_not_cancel_it(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    async def main(me: Scripted) -> list[Any]:
        timer = workflow.Timer(10)
        try:
            await workflow.with_timeout(timer, 3)
        except TimeoutError:
            pass
        await timer
        return [workflow.now().second, timer.fired]

    assert ran(engine, clock, script, main).result(0) == [10, True]


def test_the_same_history_when_instances_are_lost(
    clock: StandingClock, script: Any, done: list[str]
) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        timer = workflow.Timer(4)
        first = await workflow.race(timer, slept(9), work("x"))
        squares = await workflow.map_concurrent(lambda n: slept(n, n * n), range(5), limit=2)
        try:
            await booking("a", "b", "bad c")
        except ActivityError:
            squares.append("undone")
        try:
            await workflow.with_timeout(asyncio.gather(slept(50), slept(60)), 7)
        except TimeoutError:
            squares.append("late")
        return [first, timer.fired, *squares]

    def story(engine: Engine, clock: StandingClock) -> None:
        done.clear()
        handle = engine.start("main", id="main")
        rest(engine, clock)
        assert handle.result(0) == ["x", True, 0, 1, 4, 9, 16, "undone", "late"]

    same_when_lost(story, clock)
