"""Paused runs make no turn; what reached them meanwhile is folded when they go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from aion import client, workflow
from aion.models import ActivityTask, Message, Timer
from aion.operations.pause import pause, resume
from tests.sample.models import Effect
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import kinds_of

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]


@pytest.fixture
def work(script: Register, acting: Register) -> None:
    """Waits for an activity, a note and a timer."""

    @acting
    def step() -> str:
        return "done"

    @script
    async def main(me: kit.Scripted) -> list[Any]:
        result = await kit.act.execute("step")
        await workflow.wait_condition(lambda: bool(me.notes))
        await workflow.sleep(30)
        return [result, *me.notes]


@pytest.mark.usefixtures("work")
def test_a_paused_run_makes_no_turn_and_goes_on_with_what_waited(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("main")
    engine.turns()
    running = engine.begin()
    assert running is not None
    pause(handle.workflow_id, reason="lunch")
    paused = handle.fetch_history()
    engine.perform(running)
    handle.signal("note", 1)
    for _ in range(3):
        engine.go()
        clock.move(60)
        engine.tick()

    assert handle.describe().status == "paused"
    assert handle.fetch_history() == paused
    assert not Message.objects.filter(parked=False).exists()

    resume(handle.workflow_id)
    engine.go()
    assert Timer.objects.get().parked is False
    clock.move(30)
    engine.go()

    assert handle.result(0) == ["done", 1]
    assert kinds_of(handle.run_id).count("WorkflowPaused") == 1  # type: ignore[arg-type]
    assert kinds_of(handle.run_id).count("WorkflowResumed") == 1  # type: ignore[arg-type]


@pytest.mark.usefixtures("work")
def test_activities_of_a_paused_run_are_not_begun(engine: Engine) -> None:
    handle = engine.start("main")
    engine.turns()
    pause(handle.workflow_id)

    assert engine.act() is False
    assert ActivityTask.objects.get().paused is True

    resume(handle.workflow_id)
    assert engine.act() is True


def test_a_timer_of_a_paused_run_fires_when_it_goes_on(
    engine: Engine, clock: StandingClock, script: Register
) -> None:
    @script
    async def main(me: kit.Scripted) -> str:
        await workflow.sleep(30)
        return "slept"

    handle = engine.start("main")
    engine.turns()
    pause(handle.workflow_id)
    clock.move(60)
    engine.turns()
    assert handle.describe().status == "paused"

    resume(handle.workflow_id)
    engine.turns()

    assert handle.result(0) == "slept"


def test_a_paused_run_may_be_queried_and_terminated(engine: Engine) -> None:
    handle = client.start_workflow(kit.Waiting)
    engine.turns()
    pause(handle.workflow_id)

    assert handle.query("got") == []
    handle.terminate()
    engine.turns()
    assert handle.describe().status == "terminated"


@pytest.mark.parametrize("kind", ["plain", "transactional"])
@pytest.mark.django_db(transaction=True)
def test_a_local_activity_in_flight_is_not_lost_by_a_pause(
    kind: str, settings: Any, script: Register, acting: Register
) -> None:
    settings.AION = {**settings.AION, "LOCAL_THREADS": 1}
    entered, go_on = threading.Event(), threading.Event()
    engine = Engine()

    @acting
    def hold() -> str:
        entered.set()
        assert go_on.wait(10)
        return "held"

    @acting
    def book() -> str:
        Effect.objects.create(key="book")
        return "booked"

    @script
    async def main(me: kit.Scripted) -> list[Any]:
        first = kit.act.with_options(local=True).start("hold")
        if kind == "plain":
            return [await first]
        second = kit.booking.with_options(local=True).start("book")
        return [await first, await second]

    handle = engine.start("main")
    engine.loop.step()
    assert entered.wait(10)
    pause(handle.workflow_id)
    go_on.set()
    engine.loop.local.wait_settled(10)
    engine.turns()
    assert handle.describe().status == "paused"
    resume(handle.workflow_id)
    try:
        engine.turns_until(lambda: not handle.describe().status.is_open)
        assert handle.result(0) == (["held"] if kind == "plain" else ["held", "booked"])
        assert Effect.objects.count() == (0 if kind == "plain" else 1)
    finally:
        engine.close()
