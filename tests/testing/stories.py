"""What the tests of the kit test."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aion import RetryPolicy, activity, workflow

HOURLY = RetryPolicy(
    initial_interval=timedelta(hours=1), backoff_coefficient=1.0, maximum_attempts=5, jitter=0.0
)
sent: list[str] = []


@activity.defn(name="stories.charge", retry=HOURLY, start_to_close_timeout=timedelta(minutes=5))
def charge(customer: str, amount: int) -> str:
    sent.append(f"{customer} {amount}")
    return f"receipt of {customer}"


@activity.defn(name="stories.charge_locally", retry=HOURLY, local=True)
def charge_locally(customer: str) -> str:
    sent.append(customer)
    return f"local {customer}"


@activity.defn(name="stories.acharge", retry=HOURLY)
async def acharge(customer: str) -> str:
    await asyncio.sleep(0)
    return f"async {customer}"


@activity.defn(name="stories.ask", start_to_close_timeout=timedelta(days=2), retry=HOURLY)
def ask() -> str:
    sent.append(activity.info().task_token)
    activity.raise_complete_async()


@workflow.defn(name="stories.Subscription")
class Subscription:
    """Charges once a day for so many days, unless it is stopped."""

    @workflow.init
    def __init__(self, customer: str, days: int = 30) -> None:
        self.stopped = ""
        self.amount = 5
        self.charged = 0

    @workflow.run
    async def run(self, customer: str, days: int = 30) -> int:
        for _ in range(days):
            await charge.execute(customer, self.amount)
            self.charged += 1
            if await self._is_stopped(timedelta(days=1)):
                break
        return self.charged

    async def _is_stopped(self, within: timedelta) -> bool:
        try:
            await workflow.wait_condition(lambda: self.stopped, timeout=within)
        except TimeoutError:
            return False
        return True

    @workflow.signal
    def stop(self, why: str) -> None:
        self.stopped = why

    @workflow.query
    def so_far(self) -> int:
        return self.charged

    @workflow.update
    async def change(self, amount: int) -> int:
        await workflow.sleep(60)
        before, self.amount = self.amount, amount
        return before


@workflow.defn(name="stories.each_kind")
async def each_kind(customer: str) -> list[str]:
    return [
        await charge.execute(customer, 1),
        await charge_locally.execute(customer),
        await acharge.execute(customer),
    ]


@workflow.defn(name="stories.by_name")
async def by_name(customer: str) -> str:
    answer: str = await workflow.execute_activity("stories.elsewhere", customer)
    return answer


@workflow.defn(name="stories.asking")
async def asking() -> str:
    return await ask.execute()


@workflow.defn(name="stories.waits_for_nobody")
async def waits_for_nobody() -> None:
    await workflow.receive("never")


@workflow.defn(name="stories.broken")
async def broken() -> float:
    import time

    return time.time()


@workflow.defn(name="stories.restless")
async def restless() -> None:
    workflow.continue_as_new()


@workflow.defn(name="stories.slow_local")
async def slow_local(customer: str) -> str:
    return await charge_locally.execute(customer)
