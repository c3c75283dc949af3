"""What operators do: pause and resume, reopen, reset to a place and to the first event."""

from __future__ import annotations

import asyncio
from typing import Any

from aion import RetryPolicy, workflow
from tests.language.worlds import chain
from tests.support.recording import World, work

ONCE = RetryPolicy(maximum_attempts=1)


@workflow.defn(name="histories.operators.Steps")
class Steps:
    """Takes steps, with a timer on the way, a child, a message to nobody, and chance."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @workflow.run
    async def run(self, fails_until: int = 0) -> list[Any]:
        first = await work.execute("first")
        nap = asyncio.create_task(workflow.sleep(50))
        await workflow.wait_condition(lambda: self.notes)
        seen = [first, str(workflow.uuid4())]
        child = await workflow.start_child_workflow(leaf, parent_close_policy="abandon")
        seen.append(await child)
        seen.append(await work.with_options(retry=ONCE).execute("second", fails_until))
        try:
            await workflow.get_external_workflow_handle("nobody").signal("note", "x")
        except Exception as error:
            seen.append(getattr(error, "type", ""))
        await nap
        return [*seen, *self.notes]

    @workflow.signal
    def note(self, text: str) -> None:
        self.notes.append(text)


@workflow.defn(name="histories.operators.Leaf")
async def leaf() -> str:
    return "a leaf"


@workflow.defn(name="histories.operators.Mended")
class Mended:
    """Fails by itself, on a signal, until better code is deployed."""

    @workflow.run
    async def run(self) -> str:
        await work.execute("begin")
        if await workflow.receive("go") == "wrong" and not MENDED:
            raise ValueError("wrong")
        return await work.execute("end")


MENDED = True


def story(world: World) -> None:
    paused(world)
    reopened(world)
    reset(world)


def paused(world: World) -> None:
    handle = world.start("paused", Steps)
    handle.pause("for a while")
    handle.signal("note", "while it was paused")
    world.go(60)
    handle.resume("go on")
    world.go(50)


def reopened(world: World) -> None:
    handle = world.start("terminated-and-reopened", Steps)
    world.go()
    handle.terminate("by mistake")
    handle.reopen("it was one")
    handle.signal("note", "n")
    world.go()
    world.go(50)

    deploy(mended=False)
    try:
        handle = world.start("failed-and-reopened", Mended)
        world.go()
        handle.signal("go", "wrong")
        world.go()
    finally:
        deploy(mended=True)
    handle.reopen("deployed better code")
    world.go()

    handle = world.start("cancelled-and-reopened", Steps)
    world.go()
    handle.cancel("never mind")
    world.go()
    handle.reopen("do mind")
    handle.signal("note", "n")
    world.go()
    world.go(50)


def deploy(*, mended: bool) -> None:
    global MENDED
    MENDED = mended


def reset(world: World) -> None:
    handle = world.start("was-reset", Steps)
    world.go()
    handle.signal("note", "n")
    world.go()
    world.go(50)
    again = handle.reset(5, "from the first step")
    world.go()
    world.go(50)
    start = again.fetch_history()[0].seq
    again.reset(start, "all of it", reapply_signals=False).signal("note", "m")
    world.go()
    world.go(50)
    _, second, third = chain("was-reset")
    world.keep("reset", second)
    world.keep("reset-to-the-start", third)
