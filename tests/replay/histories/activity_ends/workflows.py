"""Activities: every outcome, every cancellation type, local ones, and one that is settled by hand."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from aion import ActivityError, RetryPolicy, workflow
from tests.support.recording import World, work

ONCE = RetryPolicy(maximum_attempts=1)
TWICE = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(seconds=1), jitter=0.0)


async def outcome(awaitable: Any) -> str:
    try:
        return str(await awaitable)
    except ActivityError as error:
        return f"{type(error.cause).__name__}: {error.cause}"
    except asyncio.CancelledError:
        return "cancelled"


@workflow.defn(name="histories.activities.Outcomes")
async def outcomes() -> list[str]:
    """Tried again, failed, never begun in time, never ended in time, and settled by hand."""
    late = work.with_options(schedule_to_start_timeout=timedelta(seconds=1), retry=ONCE)
    by_hand = work.with_options(task_queue="elsewhere", summary="to be settled")
    return [
        await outcome(work.with_options(retry=TWICE).execute("again", 1)),
        await outcome(work.with_options(retry=ONCE).execute("in vain", 1)),
        await outcome(late.execute("late")),
        await outcome(by_hand.execute("by hand")),
    ]


@workflow.defn(name="histories.activities.Cancellations")
async def cancellations() -> list[str]:
    tasks = {
        kind: asyncio.create_task(
            outcome(work.with_options(cancellation_type=kind.split()[0]).execute(kind))
        )
        for kind in ("wait", "try", "abandon", "wait in the queue")
    }
    await workflow.sleep(1)
    for task in tasks.values():
        task.cancel()
    return [f"{kind} {await task}" for kind, task in tasks.items()]


@workflow.defn(name="histories.activities.Local")
async def local() -> list[str]:
    here = work.with_options(local=True, retry=ONCE)
    seen = [await outcome(here.execute("here")), await outcome(here.execute("bad", 1))]
    both = await asyncio.gather(outcome(here.execute("one")), outcome(work.execute("two")))
    given_up = asyncio.create_task(outcome(here.execute("given up")))
    await asyncio.sleep(0)
    given_up.cancel()
    return [*seen, *both, await given_up]


def story(world: World) -> None:
    handle = world.start("outcomes", outcomes)
    for _ in range(3):  # two attempts of the first, one of the second
        world.engine.act()
        world.turns(1)
    world.clock.move(1)
    world.engine.tick()
    world.turns()
    handle.activity("4").complete("done by hand", reason="nobody came", by="ann")
    world.turns()

    world.start("cancellations", cancellations)
    begun = [world.engine.begin() for _ in range(3)]
    world.turns(1)
    for running in begun:
        assert running is not None
        world.engine.perform(running)
    world.turns()

    world.start("local", local)
    world.go()
