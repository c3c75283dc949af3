"""Things that happen at once: gather, wait, as_completed, TaskGroup, race, map_concurrent, Saga."""

from __future__ import annotations

import asyncio
from typing import Any

from aion import workflow
from tests.support.recording import World, work


@workflow.defn(name="histories.together.Fans")
async def fans() -> list[Any]:
    seen: list[Any] = [
        await asyncio.gather(*(work.execute(name) for name in "abc")),
        await asyncio.gather(work.execute("d"), _raise(), return_exceptions=True),
    ]
    seen[1] = [type(each).__name__ for each in seen[1]]
    tasks = [asyncio.create_task(work.execute(name), name=name) for name in "efg"]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    seen.append([sorted(task.get_name() for task in done), len(pending)])
    seen += [await each for each in asyncio.as_completed(pending)]
    async with asyncio.TaskGroup() as group:
        members = [group.create_task(work.execute(name)) for name in "hi"]
    seen.append([task.result() for task in members])
    seen.append(await workflow.map_concurrent(lambda n: work.execute(str(n)), range(5), limit=2))
    return seen


async def _raise() -> None:
    await asyncio.sleep(1)
    raise ValueError


@workflow.defn(name="histories.together.Races")
async def races() -> list[Any]:
    seen: list[Any] = [await workflow.race(work.execute("quick"), _late("never"))]
    try:
        async with asyncio.TaskGroup() as group:
            for seconds in (9, 8, 7):
                group.create_task(asyncio.sleep(seconds))
            group.create_task(_raise())
    except* ValueError:
        seen.append("the group failed")
    try:
        async with workflow.Saga() as saga:
            for step in ("one", "two"):
                saga.add(work.execute, f"undo {step}")
                seen.append(await work.execute(step))
            await _raise()
    except ValueError:
        seen.append("undone")
    return seen


async def _late(name: str) -> str:
    await workflow.sleep(100)
    return await work.execute(name)


def story(world: World) -> None:
    world.start("fans", fans)
    world.go()
    world.go(1)
    world.start("races", races)
    world.go()
    world.go(1)
    world.go(1)
