"""Children: every outcome, every cancellation type, retries, and handles."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from aion import ChildWorkflowError, RetryPolicy, client, workflow
from tests.support.recording import World, work

TWICE = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(seconds=3), jitter=0.0)


@workflow.defn(name="histories.children.Child")
class Child:
    """Ends as it is told to."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @workflow.run
    async def run(self, name: str, fails_until: int = 0) -> str:
        if workflow.info().attempt <= fails_until:
            raise ValueError(name)
        try:
            await workflow.wait_condition(lambda: self.told)
        except asyncio.CancelledError:
            await work.execute(f"tidy {name}")
            raise
        if self.told[0] == "fail":
            raise ValueError(name)
        return f"{name} {self.told[0]}"

    @workflow.signal
    def tell(self, what: str) -> None:
        self.told.append(what)


async def outcome(awaitable: Any) -> str:
    try:
        return str(await awaitable)
    except ChildWorkflowError as error:
        return f"{type(error.cause).__name__} {getattr(error.cause, 'type', '')}"
    except asyncio.CancelledError:
        return "given up"


@workflow.defn(name="histories.children.Outcomes")
async def outcomes() -> list[str]:
    started = [
        await workflow.start_child_workflow(
            Child, name, id=name, run_timeout=timedelta(seconds=60), memo={"of": name}
        )
        for name in ("completes", "fails", "is-cancelled", "is-terminated", "is-late", "is-told")
    ]
    taken = await workflow.start_child_workflow(Child, "taken", id="completes")
    unnamed = await workflow.start_child_workflow(Child, "unnamed", 1)
    await started[-1].signal("tell", "by its parent")
    await started[2].cancel()
    return await asyncio.gather(*map(outcome, [*started, taken, unnamed]))


@workflow.defn(name="histories.children.Cancellations")
async def cancellations() -> list[str]:
    tasks = {
        kind: asyncio.create_task(
            outcome(
                workflow.execute_child_workflow(
                    Child,
                    kind,
                    id=f"given-up-{kind}",
                    cancellation_type=kind,
                    parent_close_policy="abandon",
                )
            )
        )
        for kind in ("wait", "try", "abandon")
    }
    await workflow.sleep(1)
    for task in tasks.values():
        task.cancel()
    return [f"{kind} {await task}" for kind, task in tasks.items()]


@workflow.defn(name="histories.children.Retried")
async def retried() -> list[str]:
    begun = await workflow.start_child_workflow(Child, "again", 1, id="again", retry=TWICE)
    other = await workflow.start_child_workflow(Child, "in vain", 2, id="in-vain", retry=TWICE)
    return [await outcome(begun), await outcome(other)]


@workflow.defn(name="histories.children.Requested")
async def requested() -> str:
    task = asyncio.create_task(
        outcome(
            workflow.execute_child_workflow(
                Child,
                "asked",
                id="asked",
                cancellation_type="wait_requested",
                parent_close_policy="abandon",
            )
        )
    )
    await workflow.sleep(1)
    task.cancel()
    return await task


def story(world: World) -> None:
    world.start("outcomes", outcomes)
    child = client.get_workflow_handle
    child("completes").signal("tell", "well")
    child("fails").signal("tell", "fail")
    child("is-terminated").terminate("no more")
    world.go()
    world.go(60)
    world.keep("child-that-was-cancelled", child("is-cancelled"))
    world.keep("child-that-was-late", child("is-late"))
    world.keep("child-that-was-terminated", child("is-terminated"))

    world.start("cancellations", cancellations)
    world.go(1)
    for kind in ("abandon",):
        child(f"given-up-{kind}").terminate()
    world.go()

    world.start("retried", retried)
    world.go(3)
    child("again").signal("tell", "after all")
    world.go(3)

    world.start("requested", requested)
    world.go(1)
