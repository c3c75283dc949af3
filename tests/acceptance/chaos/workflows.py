"""The workload: each workflow is about one thing that must not be lost, and its result tells if it was.

They end by themselves, or when their story says so (`stories.py`); what sleeps for an `ENDLESS` while ends
only if somebody ends it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aion import ApplicationError, RetryPolicy, workflow
from tests.acceptance.chaos import activities

ENDLESS = timedelta(days=30)


def account() -> str:
    return workflow.random().choice(activities.ACCOUNTS)


@workflow.defn(name="chaos.sale")
class Sale:
    """Each kind of step, signals, updates, a child, a timer."""

    @workflow.init
    def __init__(self, payments: int, pause: float) -> None:
        self.paid: list[int] = []
        self.added: list[int] = []

    @workflow.run
    async def run(self, payments: int, pause: float) -> list[list[int]]:
        await activities.book_here.execute(account(), 1)
        await asyncio.gather(
            activities.note.execute(1),
            activities.book.execute(account(), 10),
            activities.stumble.execute(1),
            activities.count.execute(3),
        )
        await workflow.wait_condition(lambda: len(set(self.paid)) >= payments)
        for amount in self.paid:
            await activities.book.execute(account(), amount)
        await workflow.execute_child_workflow(steps, 3, pause)
        await workflow.sleep(pause)
        await activities.note_here.execute(2)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return [sorted(self.paid), sorted(self.added)]

    @workflow.signal
    def pay(self, amount: int) -> None:
        self.paid.append(amount)

    @workflow.update
    async def add(self, amount: int) -> int:
        booked = await activities.book.execute(account(), amount)
        self.added.append(booked)
        return booked

    @add.validator
    def check(self, amount: int) -> None:
        if amount <= 0:
            raise ValueError("an amount is positive")


@workflow.defn(name="chaos.steps")
async def steps(count: int, pause: float) -> int:
    """Local steps and timers one after the other: a run that somebody owns nearly all the time."""
    total = 0
    for number in range(count):
        total += await activities.note_here.execute(number)
        total += await activities.book_here.execute(account(), number)
        await workflow.sleep(pause / count)
    return total


@workflow.defn(name="chaos.inbox")
async def inbox(expected: int, read: list[int]) -> list[int]:
    """Read items two at a time and go on as a new run with what was read so far."""
    for _ in range(2):
        if len(read) < expected:
            read.append(await workflow.receive("item", type=int))
            await activities.book_here.execute(account(), 1)
    if len(read) < expected:
        workflow.continue_as_new(expected, read)
    return sorted(read)


@workflow.defn(name="chaos.sitter")
async def sitter(seconds: float) -> str:
    """A child that is to be terminated, or cancelled and cleans up, or left alone."""
    try:
        await workflow.sleep(seconds if seconds else ENDLESS)
    except asyncio.CancelledError:
        await activities.book.execute(account(), 5)
        raise
    return "slept"


@workflow.defn(name="chaos.family")
class Family:
    """A parent that ends in one of many ways, with a child for each policy."""

    @workflow.run
    async def run(self, ending: str, pause: float) -> str:
        if ending == "over":
            return "over"
        for policy, seconds in (
            (workflow.ParentClosePolicy.TERMINATE, 0.0),
            (workflow.ParentClosePolicy.REQUEST_CANCEL, 0.0),
            (workflow.ParentClosePolicy.ABANDON, pause),
        ):
            await workflow.start_child_workflow(
                sitter,
                seconds,
                id=f"{workflow.info().workflow_id}-{policy.value}",
                parent_close_policy=policy,
            )
        await activities.note.execute(1)
        await workflow.sleep(pause)
        match ending:
            case "return":
                return "returned"
            case "fail":
                raise ApplicationError("meant to fail", type="Meant")
            case "continue":
                workflow.continue_as_new("over", pause)
        await workflow.sleep(ENDLESS)  # cancelled, terminated or timed out from outside
        return "never"


@workflow.defn(name="chaos.counter")
async def counter(expected: int) -> list[int]:
    """What couriers bring: each piece once."""
    return sorted([await workflow.receive("take", type=int) for _ in range(expected)])


@workflow.defn(name="chaos.courier")
async def courier(to: str, pieces: list[int]) -> int:
    """Bring pieces to another run, some of them at once."""
    await activities.note_here.execute(len(pieces))
    receiver = workflow.get_external_workflow_handle(to)
    await asyncio.gather(*(receiver.signal("take", piece) for piece in pieces))
    return len(pieces)


@workflow.defn(
    name="chaos.stubborn",
    retry=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=5),
)
async def stubborn(failures: int) -> int:
    """A run that is tried again as a new one."""
    await activities.book_here.execute(account(), 1)
    if workflow.info().attempt <= failures:
        raise RuntimeError("tried again")
    return workflow.info().attempt


@workflow.defn(name="chaos.question")
async def question() -> str:
    """A step that is completed from elsewhere."""
    return await activities.ask.execute(workflow.info().workflow_id)


@workflow.defn(name="chaos.clockwork")
async def clockwork(pause: float) -> str:
    """What schedules start."""
    await activities.book.execute(account(), 1)
    await workflow.sleep(pause)
    return workflow.info().workflow_id
