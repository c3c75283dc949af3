"""Errors of tasks that nobody awaits: told once, never on replay, and listed in the stack trace."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from aion import workflow
from aion.core.errors import ForbiddenInWorkflow
from tests.support.driver import Driver

act = workflow.execute_activity


@pytest.fixture(autouse=True)
def _level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "aion.workflow")


async def broken(text: str = "boom") -> None:
    await act("before")
    raise ValueError(text)  # the place


def place() -> str:
    return f"test_task_errors.py:{broken.__code__.co_firstlineno + 2}"


def finish(run: Driver, name: str) -> None:
    """Complete the activity of this name."""
    (activity_id,) = [i for i, (each, _) in run.activities.items() if each == name]
    run.complete(activity_id)


def driven(code: Any) -> Driver:
    run = Driver(code).start()
    finish(run, "before")
    return run


async def forgetting() -> str:
    asyncio.create_task(broken(), name="clean-up")  # what this is about
    await act("after")
    await act("end")
    return "done"


def test_it_is_told_once_with_task_and_place(caplog: pytest.LogCaptureFixture) -> None:
    run = driven(forgetting)

    (record,) = caplog.records
    said = record.getMessage()
    assert "task clean-up (broken) failed: ValueError: boom at " in said
    assert place() in said
    assert "Nobody awaited it" in said
    run.crash()
    finish(run, "after")
    run.crash()
    finish(run, "end")
    assert run.result == "done"
    run.instance.close()
    assert len(caplog.records) == 1


def test_the_stack_trace_lists_it_also_after_a_replay(caplog: pytest.LogCaptureFixture) -> None:
    run = driven(forgetting)

    for _ in range(2):
        trace = run.query("__stack_trace")
        assert "Errors that nobody has awaited:\n  clean-up (broken) failed: ValueError" in trace
        assert place() in trace
        run.crash()


def test_what_is_awaited_later_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        task = asyncio.create_task(broken())
        await act("meanwhile")
        try:
            await task
        except ValueError as error:
            return str(error)
        return ""

    run = driven(main)
    finish(run, "meanwhile")

    assert run.result == "boom"
    run.instance.close()
    assert caplog.records == []


@pytest.mark.parametrize("how", ["gather", "wait", "group", "shield", "race"])
def test_what_asyncio_hands_on_is_no_news(caplog: pytest.LogCaptureFixture, how: str) -> None:
    async def main() -> str:
        try:
            match how:
                case "gather":
                    await asyncio.gather(broken(), act("b"))
                case "wait":
                    done, _ = await asyncio.wait(
                        [asyncio.create_task(broken()), asyncio.create_task(act("b"))],
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    done.pop().result()
                case "group":
                    async with asyncio.TaskGroup() as group:
                        group.create_task(broken())
                case "shield":
                    await asyncio.shield(broken())
                case "race":
                    await workflow.race(broken(), act("b"))
        except (ValueError, ExceptionGroup):
            return "handled"
        return ""

    run = driven(main)

    assert run.result == "handled"
    run.instance.close()
    assert caplog.records == []


@pytest.mark.parametrize("crashes", [False, True])
def test_what_the_code_holds_is_told_at_the_end(
    caplog: pytest.LogCaptureFixture, crashes: bool
) -> None:
    async def main() -> str:
        task = asyncio.create_task(broken())
        await act("after")
        return f"{task.done()}"

    run = driven(main)
    if crashes:
        run.crash()
    assert caplog.records == []

    finish(run, "after")

    assert run.result == "True"
    assert "failed: ValueError: boom" in caplog.records[0].getMessage()
    run.instance.close()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("crashes", [False, True])
def test_what_the_code_lets_go_of_is_told_then(
    caplog: pytest.LogCaptureFixture, crashes: bool
) -> None:
    async def main() -> None:
        task: Any = asyncio.create_task(broken())
        await act("after")
        assert task.done()
        task = None
        await act("later")

    run = driven(main)
    if crashes:
        run.crash()
    assert caplog.records == []
    finish(run, "after")

    assert len(caplog.records) == 1
    run.crash()
    assert len(caplog.records) == 1
    run.instance.close()


def test_a_cancelled_task_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        task = asyncio.create_task(act("a"))
        await act("b")
        task.cancel()
        await act("c")

    run = Driver(main).start()
    finish(run, "b")
    finish(run, "c")

    assert caplog.records == []
    run.instance.close()


def test_a_thrown_away_instance_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        task = asyncio.create_task(broken())
        await act("after")
        await task

    run = driven(main)
    run.instance.close()

    assert caplog.records == []


def test_a_mistake_in_a_task_holds_the_run_in_the_step_that_makes_it() -> None:
    async def mistake() -> None:
        await act("before")
        asyncio.get_running_loop().run_in_executor(None, print)

    async def main() -> None:
        asyncio.create_task(mistake())
        await act("after")

    run = Driver(main).start()

    with pytest.raises(ForbiddenInWorkflow):
        finish(run, "before")
