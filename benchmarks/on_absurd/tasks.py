"""The tasks that are measured."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from absurd_sdk import Absurd, AsyncAbsurd

Params = dict[str, Any]


def register(absurd: AsyncAbsurd) -> None:
    """Make the tasks known to a worker."""
    absurd.register_task("trivial")(_trivial)
    absurd.register_task("steps")(_steps)
    absurd.register_task("interrupted")(_interrupted)
    absurd.register_task("answer")(_answer)
    absurd.register_task("alarm")(_alarm)


def register_plain(absurd: Absurd) -> None:
    """Make the one task known that is measured in its synchronous form."""
    absurd.register_task("steps")(_plain_steps)


def _plain_steps(params: Params, context: Any) -> int:
    for number in range(params["count"]):
        context.step("step", lambda number=number: number)
    return int(params["count"])


async def _trivial(params: Params, context: Any) -> int:
    return 1


async def _step(context: Any, number: int) -> None:
    async def step() -> int:
        return number

    await context.step("step", step)


async def _steps(params: Params, context: Any) -> int:
    for number in range(params["count"]):
        await _step(context, number)
    return int(params["count"])


async def _interrupted(params: Params, context: Any) -> int:
    """Wait after some steps as long as the file BENCHMARKS_BLOCK is there."""
    for number in range(params["done"]):
        await _step(context, number)
    path = os.environ.get("BENCHMARKS_BLOCK")
    while path and Path(path).exists():  # noqa: ASYNC110  # there is nobody to tell
        await asyncio.sleep(0.02)
    for number in range(params["done"], params["count"]):
        await _step(context, number)
    return int(params["count"])


async def _answer(params: Params, context: Any) -> Any:
    return await context.await_event(params["name"])


async def _alarm(params: Params, context: Any) -> float:
    await context.sleep_until("sleep", params["at"])

    async def lateness() -> float:
        return time.time() - float(params["at"])

    return float(await context.step("late", lateness))
