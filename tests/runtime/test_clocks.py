"""Clocks of machines differ: a history does not go back when one that is behind goes on with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aion import workflow
from aion.client import WorkflowHandle
from aion.models import Run
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

Begun = Callable[[], WorkflowHandle]


@pytest.fixture
def begun(engine: Engine, script: Any, clock: StandingClock) -> Begun:
    """Begins a run that waits for two notes, and sets the clock back a minute."""

    def begin() -> WorkflowHandle:
        handle = engine.start("waits")
        engine.turns()
        clock.move(-60)
        return handle

    @script
    async def waits(self: Any) -> None:
        await workflow.wait_condition(lambda: len(self.notes) >= 2)

    return begin


def _times_of(handle: WorkflowHandle) -> list[Any]:
    return [recorded.recorded_at for recorded in handle.fetch_history()]


@pytest.mark.parametrize("verb", ["terminate", "pause", "cancel"])
def test_a_clock_that_is_behind_does_not_write_into_the_past(
    verb: str, begun: Begun, engine: Engine
) -> None:
    handle = begun()

    getattr(handle, verb)()
    engine.turns()

    assert _times_of(handle) == sorted(_times_of(handle))
    assert len(_times_of(handle)) >= 2


def test_a_run_that_is_terminated_by_a_clock_behind_ends_after_it_began(begun: Begun) -> None:
    handle = begun()

    handle.terminate()

    run = Run.objects.get(id=handle.run_id)
    assert run.closed_at == _times_of(handle)[-1]
    assert run.closed_at >= run.started_at


def test_a_live_instance_remembers_the_time_of_notes(
    begun: Begun, engine: Engine, clock: StandingClock
) -> None:
    handle = begun()
    clock.move(120)
    handle.pause()
    handle.resume()
    engine.turns()  # nothing to fold: the instance that was rebuilt is kept
    clock.move(-120)

    handle.signal("note", 1)
    engine.turns()

    assert _times_of(handle) == sorted(_times_of(handle))
