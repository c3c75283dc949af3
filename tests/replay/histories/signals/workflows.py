"""Signals: to handlers, kept for late and dynamic ones, and received in the order of their arrival."""

from __future__ import annotations

from typing import Any

from aion import workflow
from tests.support.recording import World, work


@workflow.defn(name="histories.signals.Handlers")
class Handlers:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    @workflow.run
    async def run(self) -> list[Any]:
        await workflow.wait_condition(lambda: len(self.seen) >= 2)
        workflow.set_signal_handler("late", self.late)
        await workflow.wait_condition(lambda: len(self.seen) >= 4)
        workflow.set_signal_handler(None, lambda name, args: self.seen.append([name, *args]))
        await workflow.wait_condition(lambda: len(self.seen) >= 7)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.seen

    @workflow.signal
    def plain(self, text: str) -> None:
        self.seen.append(text)

    @workflow.signal
    async def working(self, text: str) -> None:
        self.seen.append(await work.execute(text))

    async def late(self, text: str) -> None:
        self.seen.append(await work.execute(f"late {text}"))


@workflow.defn(name="histories.signals.Receiving")
async def receiving() -> list[Any]:
    got: list[Any] = []
    try:
        await workflow.receive("mail", timeout=10)
    except TimeoutError:
        got.append("nothing")
    got.append(await workflow.receive("mail", timeout=10))
    got.append(await workflow.receive("other"))
    got.append(await work.execute("read"))
    got.append(await workflow.receive("mail"))
    return got


def story(world: World) -> None:
    handle = world.start("handlers", Handlers)
    handle.signal("late", "a")
    handle.signal("nobody", 1)
    handle.signal("plain", "b")
    handle.signal("plain")  # does not fit, and is dropped
    world.turns()
    handle.signal("working", "c")
    handle.signal("late", "d")
    world.go()
    handle.signal("whoever", 2)
    handle.signal("plain", "e")
    handle.signal("working", "f")
    world.go()

    handle = world.start("receiving", receiving)
    world.turns(10)
    handle.signal("other", "o")
    handle.signal("mail", "first")
    handle.signal("mail", "second")
    world.go(5)
