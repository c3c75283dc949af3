"""The workflows that are measured."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aion import workflow
from benchmarks.app.activities import (
    blocked_step,
    remote_step,
    step,
    tell_time,
    tell_time_remotely,
)


@workflow.defn(name="benchmarks.trivial")
async def trivial(number: int) -> int:
    return number


@workflow.defn(name="benchmarks.sequential_steps")
async def sequential_steps(count: int) -> int:
    for number in range(count):
        await step.execute(number)
    return count


@workflow.defn(name="benchmarks.remote_steps")
async def remote_steps(count: int) -> int:
    for number in range(count):
        await remote_step.execute(number)
    return count


@workflow.defn(name="benchmarks.parallel_remote_steps")
async def parallel_remote_steps(count: int) -> int:
    return len(await asyncio.gather(*(remote_step.execute(number) for number in range(count))))


@workflow.defn(name="benchmarks.children")
async def children(count: int) -> int:
    started = (workflow.execute_child_workflow(sequential_steps, 1) for _ in range(count))
    return len(await asyncio.gather(*started))


@workflow.defn(name="benchmarks.first_activity")
async def first_activity() -> float:
    """Tell when the first remote activity began."""
    return await tell_time_remotely.execute()


@workflow.defn(name="benchmarks.answer")
async def answer() -> int:
    """Wait for one signal and return it."""
    return await workflow.receive("ask", type=int)


@workflow.defn(name="benchmarks.alarm")
async def alarm(at: float) -> float:
    """Sleep until then, in seconds since the epoch, and tell how much later it was."""
    await workflow.sleep(at - workflow.time())
    return await tell_time.execute() - at


@workflow.defn(name="benchmarks.sleeper")
async def sleeper() -> None:
    await workflow.sleep(timedelta(days=1))


@workflow.defn(name="benchmarks.interrupted")
async def interrupted(done: int, count: int) -> int:
    """Take some steps, then one at which a worker can be killed, then the others."""
    for number in range(done):
        await step.execute(number)
    await blocked_step.execute(done)
    for number in range(done + 1, count):
        await step.execute(number)
    return count


@workflow.defn(name="benchmarks.Answering")
class Answering:
    """Answers each signal by an activity, and goes on waiting, with a new timeout."""

    def __init__(self) -> None:
        self.questions: list[int] = []

    @workflow.run
    async def run(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self.questions, timeout=timedelta(days=1))
            remote_step.start(self.questions.pop(0))

    @workflow.signal
    def ask(self, number: int) -> None:
        self.questions.append(number)


@workflow.defn(name="benchmarks.Counting")
class Counting:
    """Counts signals, and waits for each with a timer of its own."""

    def __init__(self) -> None:
        self.waiting = 0

    @workflow.run
    async def run(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self.waiting, timeout=timedelta(days=1))
            self.waiting -= 1

    @workflow.signal
    def count(self) -> None:
        self.waiting += 1
