"""Cancel requests: cleanup in `finally`, what is shielded, what refuses, and runs that end from outside."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aion import workflow
from tests.support.recording import World, work


@workflow.defn(name="histories.cancelled.Tidy")
async def tidy() -> None:
    try:
        await workflow.sleep(1000)
    finally:
        await work.execute(f"tidy: {workflow.cancel_reason()}")
        await workflow.sleep(5)


@workflow.defn(name="histories.cancelled.Shielded")
async def shielded() -> list[str]:
    seen = []
    try:
        await workflow.shielded(work.execute("to its end"))
    except asyncio.CancelledError:
        seen.append("cancelled behind it")
    inner = asyncio.create_task(work.execute("on its own"))
    try:
        await asyncio.shield(inner)
    finally:
        seen.append(await inner)
    return seen


@workflow.defn(name="histories.cancelled.Stubborn")
async def stubborn() -> str:
    for _ in range(2):
        try:
            await workflow.sleep(10)
        except asyncio.CancelledError:
            await work.execute("shrug")
    return "slept all the same"


@workflow.defn(name="histories.cancelled.Sleeper")
async def sleeper() -> None:
    await asyncio.gather(workflow.sleep(1000), work.execute("never"))


def story(world: World) -> None:
    handle = world.start("tidy", tidy)
    handle.cancel("closing time")
    world.go()
    handle.cancel("again")
    world.go(5)

    handle = world.start("shielded", shielded)
    handle.cancel()
    world.go()

    handle = world.start("stubborn", stubborn)
    handle.cancel("please")
    world.go()
    handle.cancel("please, please")
    world.go(10)

    world.start("terminated", sleeper).terminate("now")
    world.start("timed-out", sleeper, run_timeout=timedelta(seconds=30))
    world.turns(30)
