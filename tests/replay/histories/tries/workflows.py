"""A run that is tried again, from its first attempt to its last."""

from __future__ import annotations

from datetime import timedelta

from aion import RetryPolicy, workflow
from tests.language.worlds import chain
from tests.support.recording import World, work

THRICE = RetryPolicy(maximum_attempts=3, initial_interval=timedelta(seconds=2), jitter=0.0)


@workflow.defn(name="histories.tries.Flaky")
async def flaky() -> list[str]:
    attempt = workflow.info().attempt
    began = workflow.now()
    done = await work.execute(f"attempt {attempt}")
    await workflow.sleep(1)
    if attempt < 3:
        raise ValueError(f"attempt {attempt}")
    return [done, str(workflow.now() - began), str(workflow.get_last_failure())]


def story(world: World) -> None:
    world.start("flaky", flaky, retry=THRICE)
    for _ in range(12):
        world.go(1)
    for number, run in enumerate(chain("flaky"), 1):
        world.keep(f"attempt-{number}", run)
    del world.kept["flaky"]
