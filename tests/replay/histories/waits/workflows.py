"""Time: timers of zero, cancelled ones, conditions with and without a timeout, moments, values of chance."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from aion import workflow
from tests.support.recording import World, work


@workflow.defn(name="histories.waits.Conditions")
class Conditions:
    def __init__(self) -> None:
        self.count = 0

    @workflow.run
    async def run(self) -> list[str]:
        seen = []
        for wanted, timeout in ((0, 5), (1, 0), (1, 5), (2, 5), (3, None)):
            try:
                await workflow.wait_condition(lambda w=wanted: self.count >= w, timeout=timeout)
            except TimeoutError:
                seen.append(f"{wanted}: too late at {workflow.time():.0f}")
            else:
                seen.append(f"{wanted}: at {workflow.time():.0f}")
        return seen

    @workflow.signal
    def more(self) -> None:
        self.count += 1


@workflow.defn(name="histories.waits.Timers")
async def timers() -> list[Any]:
    seen: list[Any] = []
    await asyncio.sleep(0)
    await workflow.sleep(0)
    alarm = workflow.Timer(20, summary="alarm")
    await workflow.sleep(timedelta(seconds=3), summary="a nap")
    alarm.cancel()
    await workflow.sleep_until(workflow.now() + timedelta(seconds=4))
    try:
        await workflow.with_timeout(work.execute("slow"), 2)
    except TimeoutError:
        seen.append("too slow")
    seen.append(workflow.time())
    dice = workflow.random("dice")
    seen += [dice.randint(1, 6), workflow.random().random(), dice.randbytes(3).hex()]
    seen += [str(workflow.uuid4()), str(workflow.uuid7()), workflow.side_effect(lambda: "taken")]
    await work.execute("between")
    seen += [dice.randint(1, 6), str(workflow.uuid4()), workflow.side_effect(lambda: [1, None])]
    return seen


def story(world: World) -> None:
    handle = world.start("conditions", Conditions)
    world.turns(5)
    for _ in range(2):
        handle.signal("more")
    world.turns(1)
    handle.signal("more")
    world.turns()

    world.start("timers", timers)
    for seconds in (3, 4, 2):
        world.turns(seconds)
    world.go()
