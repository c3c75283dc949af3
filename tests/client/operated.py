"""A run that waits for one activity, for tests that operate it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from aion import ActivityError, RetryPolicy, activity, client
from aion.client import ActivityHandle, PendingActivity
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

Register = Callable[[Any], Any]
SLOW = RetryPolicy(initial_interval=dt.timedelta(minutes=10), maximum_attempts=3, jitter=0.0)


class World:
    """A run that waits for one activity, and what its attempts did."""

    def __init__(self, engine: Engine, clock: StandingClock) -> None:
        self.engine = engine
        self.clock = clock
        self.calls: list[int] = []
        self.problem: Exception | None = None
        self.options: dict[str, Any] = {"retry": SLOW}
        self.during: Callable[[], Any] = lambda: None
        self.handle: client.WorkflowHandle

    def start(self, **options: Any) -> ActivityHandle:
        self.options |= options
        self.handle = self.engine.start("main", id="main")
        self.engine.turns()
        return self.handle.activity("1")

    @property
    def shown(self) -> PendingActivity:
        [one] = self.handle.describe().pending_activities
        return one

    def move(self, **duration: float) -> None:
        self.clock.move(dt.timedelta(**duration).total_seconds())

    def result(self) -> Any:
        self.engine.go()
        return self.handle.result(0)


@pytest.fixture
def world(engine: Engine, clock: StandingClock, script: Register, acting: Register) -> World:
    made = World(engine, clock)

    @acting
    def work() -> int:
        made.calls.append(activity.info().attempt)
        made.during()
        if made.problem is not None:
            raise made.problem
        return len(made.calls)

    @script
    async def main(me: kit.Scripted) -> Any:
        try:
            return await kit.act.with_options(**made.options).execute("work")
        except ActivityError as error:
            name = getattr(error.cause, "type", type(error.cause).__name__)
            return [name, str(error.cause), error.attempt]

    return made


def failing(world: World, **options: Any) -> ActivityHandle:
    """Its first attempt has failed, and the second is due in ten minutes."""
    world.problem = ValueError("no")
    handle = world.start(**options)
    assert world.engine.act()
    return handle
