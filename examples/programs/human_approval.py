"""A person decides: the workflow waits for days, reminds, and decides by itself when nobody does."""

from __future__ import annotations

from datetime import timedelta

from aion import activity, workflow


@activity.defn
def send_mail(to: str, subject: str) -> None:
    """Send a mail: here the logger is the post office."""
    activity.logger.info("Mail to %s: %s", to, subject)


@workflow.defn
class ExpenseReport:
    @workflow.init
    def __init__(self, amount: int, approver: str) -> None:
        self.decision = ""
        self.decided_by = ""

    @workflow.run
    async def run(self, amount: int, approver: str) -> str:
        if amount < 50:
            return "approved by rule"
        await send_mail.execute(approver, f"Please decide about {amount}")
        if not await self._decided_within(timedelta(days=3)):
            await send_mail.execute(approver, f"A reminder: {amount} waits for you")
        if not await self._decided_within(timedelta(days=4)):
            return "refused: nobody decided within a week"
        return f"{self.decision} by {self.decided_by}"

    async def _decided_within(self, time: timedelta) -> bool:
        try:
            await workflow.wait_condition(lambda: bool(self.decision), timeout=time)
        except TimeoutError:
            return False
        return True

    @workflow.update
    def decide(self, approve: bool, by: str) -> str:
        self.decision, self.decided_by = ("approved" if approve else "refused"), by
        return self.decision

    @decide.validator
    def only_once(self, approve: bool, by: str) -> None:
        if self.decision:
            raise ValueError(f"{self.decided_by} was quicker")

    @workflow.query
    def status(self) -> str:
        return self.decision or "waiting"
