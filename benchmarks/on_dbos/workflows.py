"""The workflows that are measured."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dbos import DBOS


@DBOS.step()
def step(number: int) -> int:
    return number


@DBOS.step()
async def step_async(number: int) -> int:
    return number


@DBOS.step()
def tell_time() -> float:
    return time.time()


@DBOS.step()
def blocked_step(number: int) -> int:
    """Do not end as long as the file BENCHMARKS_BLOCK is there."""
    path = os.environ.get("BENCHMARKS_BLOCK")
    while path and Path(path).exists():
        time.sleep(0.02)
    return number


@DBOS.workflow()
def trivial(number: int) -> int:
    return number


@DBOS.workflow()
async def trivial_async(number: int) -> int:
    return number


@DBOS.workflow()
def sequential_steps(count: int) -> int:
    for number in range(count):
        step(number)
    return count


@DBOS.workflow()
async def sequential_steps_async(count: int) -> int:
    for number in range(count):
        await step_async(number)
    return count


@DBOS.workflow()
def interrupted(done: int, count: int) -> int:
    for number in range(done):
        step(number)
    blocked_step(done)
    for number in range(done + 1, count):
        step(number)
    return count


@DBOS.workflow()
def children(count: int) -> int:
    handles = [DBOS.start_workflow(sequential_steps, 1) for _ in range(count)]
    return sum(handle.get_result() for handle in handles)


@DBOS.workflow()
def answer() -> int:
    return int(DBOS.recv("ask", timeout_seconds=600))


@DBOS.workflow()
def alarm(at: float) -> float:
    DBOS.sleep(at - time.time())
    return tell_time() - at


@DBOS.workflow()
def sleeper() -> None:
    DBOS.sleep(86_400)
