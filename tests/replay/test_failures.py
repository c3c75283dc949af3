"""What an exception that leaves workflow code means for the run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from aion import ApplicationError, workflow
from aion.core.errors import (
    ForbiddenInWorkflow,
    NonDeterminismError,
    WorkflowCodeError,
)
from aion.core.events import WorkflowFailed
from tests.support.driver import Driver

Play = Callable[..., Driver]
act = workflow.execute_activity


def failure_of(run: Driver) -> WorkflowFailed:
    event = run.events[-1]
    assert isinstance(event, WorkflowFailed)
    return event


def test_an_ordinary_exception_fails_the_run(play: Play) -> None:
    async def failing() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    failure = failure_of(play(failing)).failure

    assert (failure.type, failure.message) == ("ValueError", "outer")
    assert "in failing" in failure.traceback
    assert failure.cause is not None
    assert failure.cause.type == "KeyError"


def test_an_application_error_keeps_type_and_details(play: Play) -> None:
    async def failing() -> None:
        raise ApplicationError("no stock", {"sku": 7}, type="OutOfStock", non_retryable=True)

    error = play(failing).error

    assert isinstance(error, ApplicationError)
    assert error.type == "OutOfStock"
    assert error.details == ({"sku": 7},)


def test_a_failed_activity_that_nobody_catches_fails_the_run(play: Play) -> None:
    async def failing() -> None:
        await act("work")

    run = play(failing)
    run.fail(1, ValueError("no"))

    assert failure_of(run).failure.kind == "activity"


def test_an_exception_group_fails_the_run_with_its_leaves(play: Play) -> None:
    async def failing() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(act("a"))
            tasks.create_task(act("b"))

    run = play(failing)
    run.fail(2, ValueError("no"))

    failure = failure_of(run).failure
    assert failure.type == "ExceptionGroup"
    assert failure.cause is not None
    assert failure.cause.kind == "activity"


class Unexpected(Exception):
    pass


def test_types_listed_in_hold_on_hold_the_run(play: Play) -> None:
    @workflow.defn(hold_on=[Unexpected])
    async def holding() -> None:
        raise Unexpected("look at me")

    with pytest.raises(Unexpected, match="look at me"):
        play(holding)


def test_a_held_type_inside_of_a_group_holds_the_run(play: Play) -> None:
    @workflow.defn(hold_on=[Unexpected])
    async def holding() -> None:
        raise ExceptionGroup("several", [ValueError("a"), ExceptionGroup("b", [Unexpected("c")])])

    with pytest.raises(ExceptionGroup, match="several"):
        play(holding)


def test_a_mistake_in_workflow_code_holds_the_run(play: Play) -> None:
    async def mistaken() -> None:
        raise WorkflowCodeError("not like this")

    with pytest.raises(WorkflowCodeError, match="not like this"):
        play(mistaken)


@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), type("Odd", (BaseException,), {})()]
)
def test_what_ends_processes_holds_the_run_instead(play: Play, error: BaseException) -> None:
    async def leaving() -> None:
        raise error

    with pytest.raises(WorkflowCodeError, match=type(error).__name__) as held:
        play(leaving)
    assert held.value.__cause__ is error


def test_system_exit_in_a_task_holds_the_run(play: Play) -> None:
    async def leaving() -> None:
        async def child() -> None:
            raise SystemExit

        task = asyncio.create_task(child())
        await act("work")
        await task

    with pytest.raises(WorkflowCodeError, match="SystemExit"):
        play(leaving)


def test_system_exit_in_a_signal_handler_holds_the_run(play: Play) -> None:
    @workflow.defn
    class Leaving:
        @workflow.run
        async def run(self) -> None:
            await act("work")

        @workflow.signal
        def leave(self) -> None:
            raise SystemExit

    run = play(Leaving)

    with pytest.raises(WorkflowCodeError, match="SystemExit"):
        run.signal("leave")


def test_a_keyboard_interrupt_goes_through(play: Play) -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(interrupted)


def test_the_run_that_was_held_goes_on_with_fixed_code(play: Play) -> None:
    async def broken() -> str:
        await act("work")
        raise WorkflowCodeError("not like this")

    async def fixed() -> str:
        return str(await act("work"))

    run = play(broken)
    with pytest.raises(WorkflowCodeError):
        run.complete(1, "done")
    run.instance.close()
    run.instance, run.held = run.replay(fixed), False
    run.definition = run.instance.definition
    run.complete(1, "done")

    assert run.result == "done"


def test_an_error_in_init_fails_the_run(play: Play) -> None:
    @workflow.defn
    class Fragile:
        @workflow.init
        def __init__(self, number: int) -> None:
            self.inverse = 1 / number

        @workflow.run
        async def run(self, number: int) -> float:
            return self.inverse

    assert play(Fragile, 2).result == 0.5
    assert "division" in str(play(Fragile, 0).error)


def test_input_that_does_not_fit_fails_the_run(play: Play) -> None:
    async def typed(number: int) -> int:
        return number

    assert "number" in str(play(typed, "seven").error)


def test_a_result_that_cannot_be_stored_fails_the_run(play: Play) -> None:
    async def odd() -> object:
        return object()

    assert failure_of(play(odd)).failure.type == "PayloadUnserializable"


def test_the_first_end_counts(play: Play) -> None:
    @workflow.defn
    class Twice:
        @workflow.run
        async def run(self) -> str:
            await act("work")
            return "done"

        @workflow.signal
        def fail(self) -> None:
            raise ValueError("too late")

    from aion.core.events import ActivityCompleted, SignalReceived

    run = play(Twice)
    run.arrive(ActivityCompleted(activity_id="1"), SignalReceived(name="fail"))

    assert run.result == "done"


def test_code_that_reads_the_wall_clock_is_held_before_it_runs(play: Play) -> None:
    import datetime as dt

    ran: list[int] = []

    async def impure() -> str:
        ran.append(1)
        return str(dt.datetime.now(dt.UTC))

    with pytest.raises(ForbiddenInWorkflow, match=r"test_failures\.py:\d+: .*workflow\.now"):
        play(impure)
    assert ran == []


def test_a_swallowed_mismatch_still_holds_the_run(play: Play) -> None:
    async def without() -> None:
        await act("work")

    async def swallowing() -> None:
        with contextlib.suppress(Exception):
            workflow.side_effect(lambda: 1)
        await act("work")

    run = play(without)

    with pytest.raises(NonDeterminismError, match="side effect"):
        run.replay(swallowing)
