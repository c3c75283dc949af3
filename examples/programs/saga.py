"""Booking a trip out of steps that no transaction spans: what was done is undone when a later step fails."""

from __future__ import annotations

from datetime import timedelta

from aion import ApplicationError, RetryPolicy, activity, workflow

PROMPT = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(seconds=1))


@activity.defn(retry=PROMPT)
def book(what: str, traveller: str) -> str:
    if what == "flight to the moon":
        raise ApplicationError("no such flight", non_retryable=True)
    return f"{what} for {traveller}"


# An undo is tried for as long as it takes: nothing could clean up behind it.
@activity.defn(retry=RetryPolicy(maximum_attempts=0))
def cancel_booking(booking: str) -> None:
    activity.logger.info("Cancelled: %s", booking)


@workflow.defn
class Trip:
    @workflow.init
    def __init__(self, traveller: str, wishes: list[str]) -> None:
        self.bookings: list[str] = []

    @workflow.run
    async def run(self, traveller: str, wishes: list[str]) -> list[str]:
        # The saga undoes the last booking first, also when the trip is cancelled.
        async with workflow.Saga() as saga:
            for wish in wishes:
                booking = await book.execute(wish, traveller)
                saga.add(self._undo, booking)
                self.bookings.append(booking)
        return self.bookings

    async def _undo(self, booking: str) -> None:
        await cancel_booking.execute(booking)
        self.bookings.remove(booking)

    @workflow.query
    def booked(self) -> list[str]:
        return self.bookings
