"""Plain functions: everything that waits, handlers that wait, a cancel and its clean-up, a new run."""

from __future__ import annotations

import asyncio

from aion import ChildWorkflowError, client, workflow
from tests.support.recording import World, work


@workflow.defn(name="histories.plain.Child")
def child(name: str) -> str:
    workflow.sleep(2)
    if name == "bad":
        raise ValueError(name)
    return f"{name} grew up"


@workflow.defn(name="histories.plain.Shop")
class Shop:
    @workflow.init
    def __init__(self, round: int = 1) -> None:
        self.log: list[str] = []
        self.open = True

    @workflow.run
    def run(self, round: int = 1) -> list[str]:
        self.log.append(work.execute("begin"))
        first, second = work.start("left"), work.start("right")
        self.log += [workflow.wait(first), workflow.wait(second)]
        self.log += workflow.map_concurrent(self.grow, ["good", "bad"], limit=2)
        with workflow.Saga() as saga:
            saga.add(work.execute, "never undone")
            workflow.sleep(3)
        try:
            self.log.append(workflow.receive("mail", timeout=5, type=str))
        except TimeoutError:
            self.log.append("no mail")
        if round == 1:
            workflow.continue_as_new(2)
        try:
            workflow.wait_condition(lambda: not self.open)
        except asyncio.CancelledError:
            self.log.append(workflow.shielded(work.start("tidy")))
        workflow.wait_condition(workflow.all_handlers_finished)
        return self.log

    def grow(self, name: str) -> str:
        try:
            return str(workflow.execute_child_workflow(child, name, id=f"child-{name}"))
        except ChildWorkflowError as error:
            return f"{name}: {error.cause}"

    @workflow.signal
    def serve(self, name: str) -> None:
        self.log.append(work.execute(f"serve {name}"))

    @workflow.update
    def order(self, name: str) -> str:
        workflow.sleep(1)
        return str(work.execute(f"order {name}"))


def story(world: World) -> None:
    first = world.start("round-1", Shop)
    first.signal("serve", "ann")
    first.start_update("order", "tea", id="tea", wait_for="")
    world.go()
    world.go(2)
    world.go(3)
    first.signal("mail", "a letter")
    world.go()
    second = world.keep("round-2", client.get_workflow_handle("round-1"))
    world.go(2)
    world.go(3)
    second.start_update("order", "milk", id="milk", wait_for="")
    world.go(5)
    second.cancel("enough")
    world.turns()
    world.go(1)
