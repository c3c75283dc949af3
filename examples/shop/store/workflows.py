"""The life of an order: one function, which may take days and survives every crash."""

from __future__ import annotations

from datetime import timedelta

from aion import ActivityError, workflow
from store import activities


@workflow.defn
class Fulfilment:
    """Take stock, charge, wait for an approval of large orders, ship, tell the customer."""

    @workflow.init
    def __init__(self, order_id: int, email: str, large: bool = False) -> None:
        self.approved_by = ""

    @workflow.run
    async def run(self, order_id: int, email: str, large: bool = False) -> str:
        try:
            await activities.take_stock.execute(order_id)
        except ActivityError:
            await activities.set_state.execute(order_id, "refused")
            return "refused"
        if large and not await self.is_approved(order_id):
            await activities.put_back.execute(order_id)
            await activities.set_state.execute(order_id, "refused")
            return "refused"
        payment = await activities.charge.execute(order_id)
        await activities.set_state.execute(order_id, "shipped", payment)
        await activities.send_receipt.execute(email, f"Order {order_id} is on its way")
        return "shipped"

    async def is_approved(self, order_id: int) -> bool:
        """Wait for somebody to approve, for three days at most."""
        await activities.set_state.execute(order_id, "approval")
        try:
            await workflow.wait_condition(lambda: self.approved_by, timeout=timedelta(days=3))
        except TimeoutError:
            return False
        return True

    @workflow.signal
    def approve(self, by: str) -> None:
        self.approved_by = by
