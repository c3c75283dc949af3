"""The query `__stack_trace`: for each task the lines of the user's code, and what it waits for."""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import Any

import pytest

from aion import workflow
from tests.support.driver import Driver

act = workflow.execute_activity


async def on_activity() -> None:
    await act("charge")  # here


async def on_local_activity() -> None:
    await workflow.execute_local_activity("price")  # here


async def on_sleep() -> None:
    await workflow.sleep(60, summary="cool down")  # here


async def on_asyncio_sleep() -> None:
    await asyncio.sleep(60)  # here


async def on_child() -> None:
    await workflow.execute_child_workflow("Shipping", id="ship-7")  # here


async def on_external() -> None:
    await workflow.get_external_workflow_handle("other").signal("hello")  # here


async def on_condition() -> None:
    await workflow.wait_condition(lambda: False)  # here


async def on_condition_with_timeout() -> None:
    await workflow.wait_condition(lambda: False, timeout=60)  # here


async def on_receive() -> None:
    await workflow.receive("paid", timeout=60)  # here


async def on_task() -> None:
    task = asyncio.create_task(inner(), name="inner")
    await task  # here


async def on_gather() -> None:
    tasks = [asyncio.create_task(inner(), name=name) for name in ("left", "right")]
    await asyncio.gather(*tasks)  # here


async def on_queue() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    await queue.get()  # here


async def on_deep() -> None:
    await on_activity()  # outer


async def inner() -> None:
    await act("nested")


CASES: dict[Any, str] = {
    on_activity: r"activity charge \(id 1\)",
    on_local_activity: r"activity price \(id 1\)",
    on_sleep: r"timer 1 \(until 2030-01-01T12:01:00\+00:00, cool down\)",
    on_asyncio_sleep: r"timer 1 \(until 2030-01-01T12:01:00\+00:00\)",
    on_child: r"child workflow Shipping \(id ship-7\)",
    on_external: r"the answer of another workflow",
    on_condition: r"a condition",
    on_condition_with_timeout: r"a condition",
    on_receive: r"signal paid",
    on_task: r"task inner",
    on_gather: r"tasks left, right",
    on_queue: r"asyncio's Queue\.get",
}


def line_of(function: Any, mark: str = "# here") -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(n for n, line in enumerate(lines) if mark in line)


def trace_of(function: Any) -> str:
    run = Driver(function).start()
    try:
        found: str = run.query("__stack_trace")
        return found
    finally:
        run.instance.close()


def part(trace: str, task: str) -> list[str]:
    (found,) = [each for each in trace.split("\n\n") if each.startswith(f"{task}:")]
    return found.splitlines()[1:]


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_file_line_and_what_is_awaited(function: Any) -> None:
    lines = part(trace_of(function), "run")

    assert lines[0].strip() == f"{__file__}:{line_of(function)} in {function.__name__}"
    assert re.fullmatch(rf"waits for {CASES[function]}", lines[-1].strip())
    assert len(lines) == 2


def test_the_lines_go_from_the_outside_in() -> None:
    lines = [line.strip() for line in part(trace_of(on_deep), "run")]

    assert lines == [
        f"{__file__}:{line_of(on_deep, '# outer')} in on_deep",
        f"{__file__}:{line_of(on_activity)} in on_activity",
        "waits for activity charge (id 1)",
    ]


def test_each_nested_task_says_its_own() -> None:
    trace = trace_of(on_gather)

    assert part(trace, "left")[-1].strip() == "waits for activity nested (id 1)"
    assert part(trace, "right")[-1].strip() == "waits for activity nested (id 2)"


def test_it_is_the_same_after_a_replay() -> None:
    for function in CASES:
        run = Driver(function).start()
        before = run.query("__stack_trace")
        run.crash()
        assert run.query("__stack_trace") == before
        run.instance.close()


def test_handlers_are_tasks_too() -> None:
    @workflow.defn(name="stack.Handling")
    class Handling:
        @workflow.run
        async def run(self) -> None:
            await workflow.receive("end")

        @workflow.signal
        async def help(self) -> None:
            await act("help")

    run = Driver(Handling).start()
    run.signal("help")

    assert part(run.query("__stack_trace"), "signal-help")[-1].strip() == (
        "waits for activity help (id 1)"
    )
    run.instance.close()
