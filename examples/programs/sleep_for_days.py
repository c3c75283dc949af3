"""Sleeping for a month: the timer is a row, and nothing waits in memory. Deploys do not matter."""

from __future__ import annotations

from datetime import timedelta

from aion import activity, workflow


@activity.defn
def send_invoice(customer: str, month: int) -> str:
    return f"invoice {month} for {customer}"


@workflow.defn
class Subscription:
    """Sends an invoice every thirty days, until the customer cancels."""

    @workflow.init
    def __init__(self, customer: str, months: int = 12) -> None:
        self.sent: list[str] = []
        self.ended = False

    @workflow.run
    async def run(self, customer: str, months: int = 12) -> list[str]:
        for month in range(1, months + 1):
            self.sent.append(await send_invoice.execute(customer, month))
            try:
                await workflow.wait_condition(lambda: self.ended, timeout=timedelta(days=30))
            except TimeoutError:
                continue  # a month has passed
            break
        return self.sent

    @workflow.signal
    def end(self) -> None:
        self.ended = True

    @workflow.query
    def invoices(self) -> list[str]:
        return self.sent


@workflow.defn
async def birthday(name: str, days: int) -> str:
    """`asyncio.sleep` is such a timer, too."""
    await workflow.sleep(timedelta(days=days), summary=f"{name}'s birthday")
    return f"{workflow.now():%d.%m.%Y}: happy birthday, {name}!"
