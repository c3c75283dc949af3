"""A cancel request: delivered once, readable, and up to the code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aion import workflow
from aion.core.events import ActivityCancelRequested, CancelRequested, WorkflowCancelled
from tests.support.driver import Driver

Play = Callable[..., Driver]
act = workflow.execute_activity


def test_a_cancel_that_is_let_through_ends_the_run_as_cancelled(play: Play) -> None:
    async def obedient() -> None:
        await asyncio.sleep(60)

    run = play(obedient)
    run.cancel("no longer needed")

    last = run.events[-1]
    assert isinstance(last, WorkflowCancelled)
    assert last.reason == "no longer needed"
    assert run.kinds[-3:] == ["CancelRequested", "TimerCancelled", "WorkflowCancelled"]


def test_cleanup_in_finally_may_use_activities(play: Play) -> None:
    async def tidy() -> None:
        try:
            await act("work")
        finally:
            await act("refund")

    run = play(tidy)
    run.cancel()
    assert list(run.activities) == ["2"]
    run.complete(2)

    assert run.kinds[-1] == "WorkflowCancelled"


def test_a_cancel_may_be_swallowed(play: Play) -> None:
    async def stubborn() -> str:
        try:
            await act("work")
        except asyncio.CancelledError:
            return f"went on after: {workflow.cancel_reason()}"
        return "undisturbed"

    run = play(stubborn)
    run.cancel("please")

    assert run.result == "went on after: please"


def test_a_second_cancel_changes_nothing(play: Play) -> None:
    async def slow_to_stop() -> str:
        try:
            await act("work")
        except asyncio.CancelledError:
            await act("cleanup")
        return "clean"

    run = play(slow_to_stop)
    run.cancel("first")

    assert run.arrive(CancelRequested(reason="second")) == []
    run.complete(2)
    assert run.result == "clean"


def test_a_shielded_task_survives_a_cancel(play: Play) -> None:
    async def shielding() -> str:
        task = asyncio.create_task(act("precious"))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            return str(await task)
        return "undisturbed"

    run = play(shielding)
    run.cancel()
    assert "ActivityCancelRequested" not in run.kinds
    run.complete(1, "saved")

    assert run.result == "saved"


def test_a_cancel_reaches_the_tasks_of_a_group_in_order(play: Play) -> None:
    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            for name in "abc":
                tasks.create_task(act(name))

    run = play(group)
    run.cancel()

    asked = [event.key for event in run.events if isinstance(event, ActivityCancelRequested)]
    assert asked == [("1",), ("2",), ("3",)]
    assert run.kinds[-1] == "WorkflowCancelled"


def test_the_reason_is_none_without_a_request(play: Play) -> None:
    async def calm() -> str | None:
        return workflow.cancel_reason()

    assert play(calm).result is None


def test_every_cancelled_wait_raises_cancelled_error(play: Play) -> None:
    async def waits() -> list[str]:
        async def one(awaitable: object) -> str:
            try:
                await awaitable  # type: ignore[misc]
            except BaseException as error:
                return type(error).__name__
            return "nothing"

        tasks = [
            asyncio.create_task(one(each))
            for each in (
                asyncio.sleep(60),
                act("remote"),
                workflow.execute_local_activity("local"),
                workflow.wait_condition(lambda: False),
                workflow.wait_condition(lambda: False, timeout=60),
                workflow.sleep(60),
                asyncio.Event().wait(),
                asyncio.gather(asyncio.sleep(60), act("more")),
                asyncio.wait_for(asyncio.sleep(60), 70),
            )
        ]
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()
        return list(await asyncio.gather(*tasks))

    run = play(waits)
    run.fire()

    assert set(run.result) == {"CancelledError"}
    assert not run.timers


def test_every_timeout_raises_timeout_error(play: Play) -> None:
    async def waits() -> list[str]:
        async def one(awaitable: object) -> str:
            try:
                await awaitable  # type: ignore[misc]
            except Exception as error:
                return type(error).__qualname__
            return "nothing"

        async def timed() -> None:
            async with asyncio.timeout(5):
                await act("slow")

        forever = workflow.wait_condition
        return list(
            await asyncio.gather(
                one(timed()),
                one(asyncio.wait_for(act("slow"), 5)),
                one(forever(lambda: False, timeout=5)),
                one(forever(lambda: False, timeout=0)),
                one(asyncio.wait_for(act("slow"), 0)),
            )
        )

    run = play(waits)
    while run.timers:
        run.fire()

    assert run.result == ["TimeoutError"] * 5


def test_the_first_step_sees_a_cancel_that_comes_right_behind_the_start(play: Play) -> None:
    async def quick() -> str:
        seen.append("started")
        await act("work")
        return "done"

    seen: list[str] = []
    run = play(quick)
    run.cancel("at once")

    assert seen == ["started"]
    assert run.kinds[-1] == "WorkflowCancelled"


def test_cancelled_error_without_a_request_fails_the_run(play: Play) -> None:
    async def confused() -> None:
        raise asyncio.CancelledError

    run = play(confused)

    assert "nobody asked" in str(run.error)


def test_an_activity_cancelled_from_outside_raises_in_the_code(play: Play) -> None:
    async def surprised() -> str:
        try:
            await act("work")
        except asyncio.CancelledError as error:
            return f"cancelled: {error}"
        return "done"

    run = play(surprised)
    run.cancelled(1, "by an operator")

    assert run.result == "cancelled: by an operator"
