"""Updates: messages that are answered. A validator refuses what must not even be recorded.

account = client.start_workflow(Account, 100, id="account-7")
account.execute_update(Account.withdraw, 30)           # 70
account.execute_update(Account.withdraw, 300)          # raises UpdateRefused
account.execute_update(Account.withdraw, 30, id="w1")  # repeat it safely: the same id has one effect
"""

from __future__ import annotations

from aion import ApplicationError, workflow


@workflow.defn
class Account:
    @workflow.init
    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.reserved = 0
        self.closed = False

    @workflow.run
    async def run(self, balance: int) -> int:
        await workflow.wait_condition(lambda: self.closed)
        # An async handler may still be at work; do not close over its head.
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.balance

    @workflow.update
    def withdraw(self, amount: int) -> int:
        self.balance -= amount
        return self.balance

    @withdraw.validator  # may read, and refuse by raising; a refused update leaves no trace
    def check_amount(self, amount: int) -> None:
        if amount <= 0:
            raise ValueError("an amount is positive")
        if amount > self.balance - self.reserved:
            raise ValueError(f"only {self.balance - self.reserved} left")

    @workflow.update
    async def transfer(self, to: str, amount: int) -> int:
        """Handlers may take their time, and use all that a workflow may."""
        self.reserved += amount
        try:
            await workflow.get_external_workflow_handle(to).signal(Account.receive, amount)
        except ApplicationError as error:
            # An error in a handler is the answer of this update; the workflow goes on.
            raise ApplicationError(f"no account {to!r}") from error
        finally:
            self.reserved -= amount
        self.balance -= amount
        return self.balance

    @transfer.validator
    def check_transfer(self, to: str, amount: int) -> None:
        self.check_amount(amount)

    @workflow.signal
    def receive(self, amount: int) -> None:
        self.balance += amount

    @workflow.signal
    def close(self) -> None:
        self.closed = True
