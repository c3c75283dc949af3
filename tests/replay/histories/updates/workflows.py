"""Updates: with validators, asynchronous, failing, late and dynamic, answered in the turn of the close."""

from __future__ import annotations

from typing import Any

from aion import ApplicationError, workflow
from tests.support.recording import World, work


@workflow.defn(name="histories.updates.Account")
class Account:
    def __init__(self) -> None:
        self.balance = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.balance >= 10)
        workflow.set_update_handler("late", self.deposit_later)
        workflow.set_update_handler(None, lambda name, args: [name, *args])
        await workflow.wait_condition(lambda: self.balance >= 100)
        return self.balance

    @workflow.update
    def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @deposit.validator  # type: ignore[attr-defined]
    def check(self, amount: int) -> None:
        if amount <= 0:
            raise ValueError("an amount is positive")

    @workflow.update
    async def earn(self, amount: int) -> list[Any]:
        done = await work.execute(f"earn {amount}")
        self.balance += amount
        return [done, self.balance]

    @workflow.update
    async def fail(self) -> None:
        await work.execute("fail")
        raise ApplicationError("no money", type="Broke")

    async def deposit_later(self, amount: int) -> int:
        await workflow.sleep(5)
        self.balance += amount
        return self.balance


def story(world: World) -> None:
    handle = world.start("account", Account)
    for name, args in (("deposit", [5]), ("deposit", [-5]), ("earn", [6]), ("fail", [])):
        handle.start_update(name, *args, wait_for="")
    world.go()
    handle.start_update("late", 1, wait_for="")
    handle.start_update("whatever", 7, wait_for="")
    world.turns()
    world.turns(5)
    handle.start_update("deposit", 100, wait_for="")
    handle.start_update("deposit", 1, wait_for="")  # refused: the code has ended
    world.turns()
