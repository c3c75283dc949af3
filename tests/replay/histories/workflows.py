"""The workflows of the recorded histories. Change them only as code under open runs may change."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from aion import ApplicationError, activity, workflow

act, local = workflow.execute_activity, workflow.execute_local_activity


@activity.defn(name="histories.charge", start_to_close_timeout=timedelta(seconds=30))
def charge(order: int) -> str:
    return f"receipt-{order}"


@workflow.defn(name="histories.Activities")
async def activities(order: int) -> list[str]:
    receipt = await charge.execute(order)
    priced = await local("price", order)
    both = await asyncio.gather(act("ship", order), act("mail", order), return_exceptions=True)
    return [receipt, str(priced), *(type(one).__name__ for one in both)]


@workflow.defn(name="histories.Timers")
async def timers() -> list[str]:
    seen: list[str] = []

    async def nap(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append(name)

    await asyncio.gather(nap("slow", 30), nap("quick", 10), nap("none", 0))
    await workflow.sleep(timedelta(days=30), summary="a month")
    task = asyncio.create_task(nap("never", 60))
    await act("check")
    task.cancel()
    return [*seen, str(workflow.now())]


@workflow.defn(name="histories.Approval")
class Approval:
    def __init__(self) -> None:
        self.by: list[str] = []

    @workflow.run
    async def run(self, needed: int) -> list[str]:
        try:
            await workflow.wait_condition(
                lambda: len(self.by) >= needed,
                timeout=timedelta(days=2),
                timeout_summary="approval",
            )
        except TimeoutError:
            return ["too late", *self.by]
        await act("announce", self.by)
        return self.by

    @workflow.signal
    async def approve(self, name: str) -> None:
        await act("verify", name)
        self.by.append(name)


@workflow.defn(name="histories.Cancellation")
async def cancellation() -> str:
    booked: list[str] = []
    try:
        for name in ("flight", "hotel", "car"):
            await act(f"book-{name}", cancellation_type=workflow.CancellationType.WAIT)
            booked.append(name)
    except asyncio.CancelledError:
        for name in reversed(booked):
            await asyncio.shield(act(f"unbook-{name}"))
        raise
    return "booked"


@workflow.defn(name="histories.Timeouts")
async def timeouts() -> list[str]:
    seen: list[str] = []
    for seconds in (0, 10):
        try:
            seen.append(str(await asyncio.wait_for(act("slow"), seconds)))
        except TimeoutError:
            seen.append(f"late after {seconds}")
    async with asyncio.timeout(60) as limit:
        seen.append(str(await act("quick")))
        limit.reschedule(None)
    done, pending = await asyncio.wait(
        [asyncio.create_task(act(name), name=name) for name in "abc"],
        return_when=asyncio.FIRST_COMPLETED,
    )
    for task in pending:
        task.cancel()
    return seen + sorted(task.get_name() for task in done)


@workflow.defn(name="histories.Group")
async def group() -> list[str]:
    seen: list[str] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            for number in range(12):
                tasks.create_task(act(f"part-{number}"))
    except ExceptionGroup as failed:
        seen += [type(error).__name__ for error in failed.exceptions]
    for each in asyncio.as_completed([act("x"), local("y"), act("z")], timeout=60):
        seen.append(str(await each))
    return seen


@workflow.defn(name="histories.Chance")
async def chance() -> list[str]:
    flag = workflow.side_effect(lambda: "recorded in 2030")
    stream = workflow.random("dice")
    before = [flag, str(stream.randint(1, 6)), str(workflow.uuid4()), str(workflow.uuid7())]
    await act("work")
    second = workflow.side_effect(lambda: "again")
    return [*before, second, str(stream.random()), str(workflow.random().random())]


@workflow.defn(name="histories.Workers")
async def workers() -> list[int]:
    """Queue, semaphore, lock and event, as three workers share them."""
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    gate, lock, finished = asyncio.Semaphore(2), asyncio.Lock(), asyncio.Event()
    results: list[int] = []

    async def work() -> None:
        while True:
            number = await queue.get()
            async with gate:
                result = await act("square", number)
            async with lock:
                await asyncio.sleep(1)
                results.append(result)
            queue.task_done()
            if len(results) == 6:
                finished.set()

    team = [asyncio.create_task(work()) for _ in range(3)]
    for number in range(6):
        await queue.put(number)
    await finished.wait()
    for task in team:
        task.cancel()
    await asyncio.gather(*team, return_exceptions=True)
    return results


@workflow.defn(name="histories.Failing")
async def failing() -> None:
    try:
        await act("work")
    finally:
        await act("cleanup")


@workflow.defn(name="histories.Flaky")
async def flaky() -> str:
    attempt, before = workflow.info().attempt, workflow.get_last_failure()
    began = workflow.now()
    await act(f"attempt-{attempt}")
    await asyncio.sleep(5)
    if attempt == 1:
        raise ApplicationError("attempt 1")
    return f"{before}, again at {began:%H:%M:%S}"


@workflow.defn(name="histories.Counting")
async def counting() -> list[Any]:
    about = workflow.info()
    assert about.scheduled_at is not None
    rounds = 0
    while not workflow.continue_as_new_suggested():
        await act("work-of-a-round", [workflow.info().history_length])
        await asyncio.sleep(1)
        rounds += 1
    last = workflow.get_last_completion_result(int)
    failure = type(workflow.get_last_failure()).__name__
    return [last + 1, failure, rounds, workflow.info().history_length, about.cron]


@workflow.defn(name="histories.Scopes")
async def scopes() -> list[str]:
    seen: list[str] = []
    scope = workflow.cancel_scope()
    alarm = workflow.Timer(10, summary="alarm")

    async def watch() -> None:
        await alarm
        scope.cancel("too slow")

    async def close() -> None:
        await act("close")
        seen.append("closed")

    watcher = asyncio.create_task(watch())
    with scope:
        try:
            await act("slow", cancellation_type=workflow.CancellationType.TRY)
        finally:
            seen.append(str(await act("tidy")))
    await watcher
    seen.append(f"scope {scope.cancelled}")
    try:
        await workflow.shielded(close())
    except asyncio.CancelledError:
        seen.append("cancelled behind the shield")
    return seen


@workflow.defn(name="histories.Versions")
async def versions() -> list[bool]:
    taken = []
    for _ in range(3):
        await act("round")
        taken += [workflow.patched("once"), workflow.patched("each", per_call=True)]
    workflow.deprecate_patch("gone")
    workflow.deprecate_patch("gone too", per_call=True)
    other = workflow.get_external_workflow_handle("other")
    await other.signal("done", request_id="key")
    return taken
