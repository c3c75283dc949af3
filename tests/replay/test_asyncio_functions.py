"""`wait_for` and `as_completed`, which act alike on every Python version."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

import pytest

from aion import workflow
from tests.support.driver import Driver

Play = Callable[..., Driver]
act = workflow.execute_activity


def test_wait_for_without_timeout_awaits(play: Play) -> None:
    async def patient() -> str:
        return str(await asyncio.wait_for(act("work"), None))

    run = play(patient)
    run.complete(1, "done")

    assert run.result == "done"
    assert "TimerStarted" not in run.kinds


def test_wait_for_gives_the_result_in_time(play: Play) -> None:
    async def patient() -> str:
        return str(await asyncio.wait_for(act("work"), timeout=5))

    run = play(patient)
    run.complete(1, "done")

    assert run.result == "done"
    assert "TimerCancelled" in run.kinds


def test_wait_for_starts_the_timer_in_front_of_what_it_waits_for(play: Play) -> None:
    async def patient() -> str:
        return str(await asyncio.wait_for(act("work"), 5))

    assert play(patient).kinds[1:] == ["TimerStarted", "ActivityScheduled"]


@pytest.mark.parametrize("timeout", [0, -1])
def test_wait_for_without_time_takes_only_what_is_there(play: Play, timeout: float) -> None:
    async def hasty() -> list[str]:
        found = []
        done = asyncio.get_running_loop().create_future()
        done.set_result("there")
        found.append(await asyncio.wait_for(done, timeout))
        try:
            await asyncio.wait_for(act("work"), timeout)
        except TimeoutError as error:
            found.append(type(error.__cause__).__name__)
        return found

    run = play(hasty)

    assert run.result == ["there", "CancelledError"]
    assert run.kinds == ["WorkflowStarted", "WorkflowCompleted"]


def test_wait_for_without_time_waits_for_cleanup(play: Play) -> None:
    async def hasty() -> list[str]:
        seen: list[str] = []

        async def careful() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await act("cleanup")
                seen.append("clean")

        task = asyncio.create_task(careful())
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(task, 0)
        except TimeoutError:
            seen.append("timeout")
        return seen

    run = play(hasty)
    run.complete(1)

    assert run.result == ["clean", "timeout"]


def test_wait_for_passes_errors_on(play: Play) -> None:
    async def failing() -> str:
        async def child() -> None:
            raise ValueError("mine")

        try:
            await asyncio.wait_for(child(), 5)
        except ValueError as error:
            return str(error)
        return "fine"

    assert play(failing).result == "mine"


def test_as_completed_gives_results_in_the_order_of_completion(play: Play) -> None:
    async def racing() -> list[str]:
        return [await each for each in asyncio.as_completed([act(name) for name in "abc"])]

    run = play(racing)
    for activity_id, result in [(3, "c"), (1, "a"), (2, "b")]:
        run.complete(activity_id, result)

    assert run.result == ["c", "a", "b"]


def test_as_completed_starts_in_the_order_given(play: Play) -> None:
    async def racing() -> None:
        for each in asyncio.as_completed([act(f"a{number}") for number in range(40)]):
            await each

    run = play(racing)

    assert [name for name, _ in run.activities.values()] == [f"a{number}" for number in range(40)]


def test_as_completed_raises_errors_and_timeouts_where_they_are_awaited(play: Play) -> None:
    async def racing() -> list[str]:
        found = []
        for each in asyncio.as_completed([act(name) for name in "abc"], timeout=5):
            try:
                found.append(str(await each))
            except Exception as error:
                found.append(type(error).__name__)
        return found

    run = play(racing)
    run.fail(2, ValueError("no"))
    run.fire()

    assert run.result == ["ActivityError", "TimeoutError", "TimeoutError"]


def test_as_completed_cancels_its_timer(play: Play) -> None:
    async def racing() -> list[str]:
        return [await each for each in asyncio.as_completed([act("a")], timeout=5)]

    run = play(racing)
    run.complete(1, "A")

    assert run.result == ["A"]
    assert "TimerCancelled" in run.kinds


def test_as_completed_may_be_iterated_asynchronously(play: Play) -> None:
    async def racing() -> list[str]:
        tasks = [asyncio.create_task(act(name), name=name) for name in "ab"]
        return [task.get_name() async for task in asyncio.as_completed(tasks)]

    run = play(racing)
    run.complete(2)
    run.complete(1)

    assert run.result == ["b", "a"]


def test_as_completed_counts_what_is_given_twice_once(play: Play) -> None:
    async def racing() -> int:
        task = asyncio.create_task(act("a"))
        return len([await each for each in asyncio.as_completed([task, task])])

    run = play(racing)
    run.complete(1)

    assert run.result == 1


def test_as_completed_wants_an_iterable(play: Play) -> None:
    async def confused() -> str:
        coroutine = asyncio.sleep(0)
        try:
            asyncio.as_completed(coroutine)  # type: ignore[arg-type]
        except TypeError as error:
            await coroutine
            return str(error)
        return "fine"

    assert "iterable" in play(confused).result


def test_other_loops_get_the_originals() -> None:
    async def ordinary() -> list[object]:
        async def late(seconds: float, value: int) -> int:
            await asyncio.sleep(seconds)
            return value

        found: list[object] = [await asyncio.wait_for(late(0, 1), 5)]
        found += [
            await each for each in asyncio.as_completed([late(0.02, 3), late(0, 2)], timeout=5)
        ]
        try:
            await asyncio.wait_for(late(5, 4), timeout=0.01)
        except TimeoutError:
            found.append("timeout")
        return found

    assert asyncio.run(ordinary()) == [1, 2, 3, "timeout"]


def test_the_shadows_look_like_the_originals() -> None:
    assert inspect.iscoroutinefunction(asyncio.wait_for)
    assert asyncio.wait_for is asyncio.tasks.wait_for
    assert list(inspect.signature(asyncio.wait_for).parameters) == ["fut", "timeout"]
    assert asyncio.as_completed is asyncio.tasks.as_completed
    assert asyncio.as_completed.__name__ == "as_completed"
