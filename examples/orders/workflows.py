"""The life of an order, as one function that may take days and survives every crash."""

from __future__ import annotations

from datetime import timedelta

from aion import ActivityError, workflow
from examples.orders import activities


@workflow.defn
class OrderWorkflow:
    """Reserve, charge, wait for an approval, ship, tell the customer; or undo it all."""

    @workflow.init
    def __init__(self, number: str, patience: timedelta = timedelta(days=2)) -> None:
        self.stage = "placed"
        self.approved_by: str | None = None

    @workflow.run
    async def run(self, number: str, patience: timedelta = timedelta(days=2)) -> str:
        """Give how the order ended; `patience` is how long it waits to be approved."""
        try:
            self.stage = "reserving stock"
            await activities.reserve_stock.execute(number)
            self.stage = "charging the card"
            await activities.charge_card.execute(number)
            self.stage = "waiting for approval"
            await workflow.wait_condition(lambda: self.approved_by, timeout=patience)
        except (ActivityError, TimeoutError):
            self.stage = "being undone"
            await activities.refund_card.execute(number)
            await activities.refuse_order.execute(number)
            self.stage = "refused"
            return self.stage

        self.stage = "shipping"
        tracking_number = await activities.ship_order.execute(number)
        await activities.send_receipt.execute(number, f"Your parcel: {tracking_number}")
        self.stage = "shipped"
        return self.stage

    @workflow.signal
    def approve(self, by: str) -> None:
        """Let the order go out. It may come early: it is kept until it is needed."""
        self.approved_by = by

    @workflow.query
    def status(self) -> str:
        """Say where the order stands."""
        return self.stage
