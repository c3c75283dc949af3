"""Activities: remote and local, their outcomes, and what cancelling them means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest

from aion import activity, workflow
from aion.core.errors import (
    ActivityError,
    ApplicationError,
    ForbiddenInWorkflow,
    PayloadUndecodable,
    PayloadUnserializable,
)
from aion.core.events import ActivityScheduled, ActivityTimedOut
from aion.core.failures import failure_from
from tests.support.driver import Driver

Play = Callable[..., Driver]


@activity.defn(name="tests.add", start_to_close_timeout=timedelta(seconds=5))
def add(a: int, b: int = 1) -> int:
    return a + b


@activity.defn(name="tests.tags")
async def tags(order: int) -> set[str]:
    return {str(order)}


def test_an_activity_gives_its_typed_result(play: Play) -> None:
    async def typed() -> list[str]:
        found = await tags.execute(7)
        assert isinstance(found, set)
        return sorted(found)

    run = play(typed)
    run.complete(1, ["b", "a"])

    assert run.result == ["a", "b"]


def test_scheduling_records_type_input_and_options(play: Play) -> None:
    async def options() -> int:
        fast = add.with_options(task_queue="fast", heartbeat_timeout=timedelta(seconds=1))
        return await fast.execute(2, b=3)

    run = play(options)

    scheduled = run.events[1]
    assert isinstance(scheduled, ActivityScheduled)
    assert scheduled.activity_type == "tests.add"
    assert bytes(scheduled.input) == b'{"args":[2],"kwargs":{"b":3}}'
    assert scheduled.task_queue == "fast"
    assert scheduled.start_to_close_timeout == timedelta(seconds=5)
    run.complete(1, 5)


def test_ids_count_from_one_over_remote_and_local(play: Play) -> None:
    async def several() -> int:
        first = add.start(1)
        second = workflow.start_local_activity(add, 2)
        third = add.start(3)
        return sum(await asyncio.gather(first, second, third))

    run = play(several)

    assert list(run.activities) == ["1", "3"]
    assert list(run.locals) == ["2"]
    assert run.run(lambda name, args: args[0]).result == 6


def test_a_local_activity_has_no_event_but_its_outcome(play: Play) -> None:
    async def local() -> int:
        return await add.execute_local(1)

    run = play(local)
    assert run.kinds == ["WorkflowStarted"]
    run.complete(1, 2)

    assert run.kinds == ["WorkflowStarted", "ActivityCompleted", "WorkflowCompleted"]
    assert run.events[1].activity_type == "tests.add"  # type: ignore[attr-defined]


def test_a_local_activity_is_pending_again_after_a_crash(play: Play) -> None:
    async def local() -> int:
        return await add.execute_local(1)

    run = play(local)
    run.crash()

    assert list(run.locals) == ["1"]
    run.complete(1, 2)
    assert run.result == 2


def test_a_failure_is_raised_with_its_cause(play: Play) -> None:
    async def failing() -> str:
        try:
            await add.execute(1)
        except ActivityError as error:
            cause = cast("ApplicationError", error.cause)
            return f"{error.activity_type} {error.activity_id} {cause.type}: {cause}"
        return "fine"

    run = play(failing)
    run.fail(1, ValueError("bad"))

    assert run.result == "tests.add 1 ValueError: bad"


def test_a_timeout_is_an_activity_error_caused_by_a_timeout(play: Play) -> None:
    from aion.core import errors

    async def slow() -> str:
        try:
            await add.execute(1)
        except ActivityError as error:
            cause = cast("errors.TimeoutError", error.cause)
            return f"{isinstance(cause, TimeoutError)} {cause.kind}"
        return "fine"

    run = play(slow)
    failure = failure_from(errors.TimeoutError("too slow", kind="start_to_close"))
    run.arrive(ActivityTimedOut(activity_id="1", failure=failure))

    assert run.result == "True start_to_close"


def test_a_result_that_does_not_fit_is_raised_where_it_is_awaited(play: Play) -> None:
    async def surprised() -> str:
        try:
            await add.execute(1)
        except PayloadUndecodable as error:
            return error.field
        return "fine"

    run = play(surprised)
    run.complete(1, {"not": "a number"})

    assert "result" in run.result


def test_arguments_are_checked_where_the_call_is_made(play: Play) -> None:
    async def wrong() -> list[str]:
        found = []
        for args in [(), (1, 2, 3), (object(),)]:
            try:
                await workflow.execute_activity(add, *args)
            except (TypeError, PayloadUnserializable) as error:
                found.append(type(error).__name__)
        return found

    run = play(wrong)

    assert run.result == ["TypeError", "TypeError", "PayloadUnserializable"]
    assert run.kinds == ["WorkflowStarted", "WorkflowCompleted"]


def test_calling_an_activity_directly_holds_the_run(play: Play) -> None:
    async def direct() -> int:
        return add(1)

    with pytest.raises(ForbiddenInWorkflow, match="execute"):
        play(direct)


def test_an_outcome_that_nobody_waits_for_leaves_no_event(play: Play) -> None:
    async def abandoning() -> str:
        future = add.with_options(cancellation_type=activity.CancellationType.ABANDON).start(1)
        await asyncio.sleep(1)
        future.cancel()
        await asyncio.sleep(1)
        return "done"

    run = play(abandoning)
    run.fire()

    assert run.complete(1, 2) == []
    run.fire()
    assert run.kinds.count("ActivityCompleted") == 0


# --- cancellation types ---------------------------------------------------------------------------


def _cancels_after_a_second(kind: activity.CancellationType) -> Callable[[], object]:
    async def cancelling() -> str:
        task = asyncio.create_task(add.with_options(cancellation_type=kind).execute(1))
        await asyncio.sleep(1)
        task.cancel()
        try:
            return f"result {await task}"
        except asyncio.CancelledError:
            return "cancelled"

    return cancelling


def test_try_tells_the_activity_and_stops_waiting(play: Play) -> None:
    run = play(_cancels_after_a_second(activity.CancellationType.TRY))
    run.fire()

    assert run.kinds[-2:] == ["ActivityCancelRequested", "WorkflowCompleted"]
    assert run.result == "cancelled"


def test_abandon_stops_waiting_and_tells_nobody(play: Play) -> None:
    run = play(_cancels_after_a_second(activity.CancellationType.ABANDON))
    run.fire()

    assert "ActivityCancelRequested" not in run.kinds
    assert run.result == "cancelled"


def test_wait_waits_for_the_activity_to_confirm(play: Play) -> None:
    run = play(_cancels_after_a_second(activity.CancellationType.WAIT))
    run.fire()
    assert run.kinds[-1] == "ActivityCancelRequested"
    run.cancelled(1, "asked to")

    assert run.result == "cancelled"


def test_wait_may_still_get_a_result(play: Play) -> None:
    run = play(_cancels_after_a_second(activity.CancellationType.WAIT))
    run.fire()
    run.complete(1, 2)

    assert run.result == "result 2"


def test_wait_asks_only_once(play: Play) -> None:
    async def insistent() -> str:
        options = {"cancellation_type": activity.CancellationType.WAIT}
        future = workflow.start_activity(add, 1, **options)
        for _ in range(3):
            await asyncio.sleep(1)
            future.cancel()
        try:
            await future
        except asyncio.CancelledError as error:
            return str(error)
        return "fine"

    run = play(insistent)
    for _ in range(3):
        run.fire()
    run.cancelled(1, "asked to")

    assert run.kinds.count("ActivityCancelRequested") == 1
    assert run.result == "asked to"


@pytest.mark.parametrize("kind", list(activity.CancellationType))
def test_started_and_cancelled_at_once_leaves_nothing(
    play: Play, kind: activity.CancellationType
) -> None:
    async def fickle() -> str:
        add.with_options(cancellation_type=kind).start(1).cancel()
        workflow.start_local_activity(add, 1).cancel()
        task = asyncio.create_task(add.with_options(cancellation_type=kind).execute(2))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return "nothing happened"

    run = play(fickle)

    if kind is activity.CancellationType.ABANDON:
        assert run.kinds == ["WorkflowStarted", *["ActivityScheduled"] * 2, "WorkflowCompleted"]
    else:
        assert run.kinds == ["WorkflowStarted", "WorkflowCompleted"]
    assert not run.locals


def test_a_cancelled_local_activity_is_forgotten(play: Play) -> None:
    async def impatient() -> str:
        try:
            async with asyncio.timeout(1):
                await add.execute_local(1)
        except TimeoutError:
            return "late"
        return "in time"

    run = play(impatient)
    assert list(run.locals) == ["1"]
    run.fire()

    assert not run.locals
    assert run.result == "late"
