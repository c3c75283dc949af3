"""The workflows that are measured."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aion import workflow
from benchmarks.app.activities import remote_step, step


@workflow.defn(name="benchmarks.trivial")
async def trivial(number: int) -> int:
    return number


@workflow.defn(name="benchmarks.sequential_steps")
async def sequential_steps(count: int) -> int:
    for number in range(count):
        await step.execute(number)
    return count


@workflow.defn(name="benchmarks.parallel_steps")
async def parallel_steps(count: int) -> int:
    return len(await asyncio.gather(*(step.execute(number) for number in range(count))))


@workflow.defn(name="benchmarks.remote_steps")
async def remote_steps(count: int) -> int:
    for number in range(count):
        await remote_step.execute(number)
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
