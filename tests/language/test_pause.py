"""Paused runs: in every state they stand still, and go on with what has waited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aion import client, workflow
from aion.client import WorkflowHandle
from aion.core.errors import ResultTimeout, RunClosed, WrongState
from aion.models import ActivityTask, Message, Timer
from tests.language.worlds import kinds, rest, same_when_lost, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted
from tests.support.rows import counts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scripts(script: Any, acting: Any) -> None:
    @acting
    def work() -> str:
        return "worked"

    @script
    async def main(me: Scripted) -> list[Any]:
        """Goes through each state: an activity, a note, a timer, a child."""
        seen: list[Any] = [await kit.act.execute("work")]
        await workflow.wait_condition(lambda: me.notes)
        seen += me.notes
        await asyncio.sleep(10)
        seen.append(await workflow.execute_child_workflow(Scripted, "child", id="child"))
        return seen

    @script
    async def child(me: Scripted) -> str:
        await workflow.wait_condition(lambda: me.notes)
        return "grown up"


RESULT = ["worked", 1, "grown up"]


def stand_still(engine: Engine, clock: StandingClock, handle: WorkflowHandle) -> None:
    """Whatever happens, a paused run's history does not grow."""
    before = handle.fetch_history()
    for _ in range(3):
        engine.go()
        clock.move(30)
        engine.tick()
    assert handle.fetch_history() == before
    assert str(handle.describe().status) == "paused"
    assert not Message.objects.filter(run_id=handle.run_id, parked=False).exists()


def paused(handle: WorkflowHandle) -> None:
    handle.pause("lunch")
    assert kinds(handle)[-1] == "WorkflowPaused"


# --- in every state -------------------------------------------------------------------------------


def test_before_its_first_turn(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("main")
    paused(handle)
    stand_still(engine, clock, handle)
    assert kinds(handle) == ["WorkflowStarted", "WorkflowPaused"]
    handle.resume()
    engine.go()

    assert kinds(handle)[2:5] == ["WorkflowResumed", "ActivityScheduled", "ActivityStarted"]


def test_before_a_delayed_start(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("main", start_delay=timedelta(seconds=20))
    paused(handle)
    stand_still(engine, clock, handle)
    handle.resume()
    engine.go()

    assert "ActivityCompleted" in kinds(handle)


def test_a_delayed_start_that_is_still_to_come_after_the_pause(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("main", start_delay=timedelta(seconds=500))
    paused(handle)
    stand_still(engine, clock, handle)
    handle.resume()
    engine.go()
    assert kinds(handle) == ["WorkflowStarted", "WorkflowPaused", "WorkflowResumed"]
    rest(engine, clock)

    assert "ActivityCompleted" in kinds(handle)


def test_activities_are_not_handed_over(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("main")
    engine.turns()
    paused(handle)
    assert engine.begin() is None
    stand_still(engine, clock, handle)
    handle.resume()
    engine.go()

    assert "ActivityCompleted" in kinds(handle)


def test_the_result_of_a_running_activity_waits(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("main")
    engine.turns()
    running = engine.begin()
    assert running is not None
    paused(handle)
    engine.perform(running)
    stand_still(engine, clock, handle)
    handle.resume()
    engine.turns()

    assert kinds(handle)[-2:] == ["ActivityStarted", "ActivityCompleted"]


def test_an_attempt_that_fails_while_paused_is_tried_again_after(
    engine: Engine, clock: StandingClock, acting: Any
) -> None:
    calls: list[int] = []

    @acting
    def work() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("first")
        return "worked"

    handle = engine.start("main")
    engine.turns()
    running = engine.begin()
    assert running is not None
    paused(handle)
    engine.perform(running)
    stand_still(engine, clock, handle)
    assert len(calls) == 1
    handle.resume()
    rest(engine, clock)

    assert len(calls) == 2
    assert "ActivityCompleted" in kinds(handle)


def test_signals_timers_and_children_wait(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("main")
    engine.go()
    paused(handle)
    handle.signal("note", 1)
    stand_still(engine, clock, handle)
    handle.resume()
    engine.go()
    paused(handle)
    assert Timer.objects.count() == 1
    stand_still(engine, clock, handle)
    handle.resume()
    engine.go()
    assert status("child") == "running"
    paused(handle)
    client.get_workflow_handle("child").signal("note", 1)
    stand_still(engine, clock, handle)
    assert status("child") == "completed"
    handle.resume()
    engine.go()

    assert handle.result(0) == RESULT
    assert kinds(handle).count("WorkflowPaused") == 3


def test_updates_and_cancel_requests_wait(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        workflow.set_update_handler("add", lambda n: n + 1)
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            return "cleaned up"
        return "?"

    handle = engine.start("main")
    engine.turns()
    paused(handle)
    update = handle.start_update("add", 1, wait_for="")
    handle.cancel()
    stand_still(engine, clock, handle)
    with pytest.raises(ResultTimeout):
        update.result(0)
    handle.resume()
    engine.turns()

    assert (update.result(0), handle.result(0)) == (2, "cleaned up")


def test_a_held_run_can_be_paused_and_goes_on_when_both_are_over(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> None:
        asyncio.get_running_loop().run_in_executor(None, print)

    handle = engine.start("main")
    engine.turns()
    assert handle.describe().problem_count == 1
    paused(handle)

    @script
    async def main(me: Scripted) -> str:  # noqa: F811
        return "mended"

    stand_still(engine, clock, handle)
    handle.resume()
    rest(engine, clock)
    clock.move(1000)
    engine.tick()
    engine.turns()

    assert handle.result(0) == "mended"


@pytest.mark.parametrize("kind", ["run_timeout", "execution_timeout"])
def test_deadlines_pass_as_always(engine: Engine, clock: StandingClock, kind: str) -> None:
    handle = engine.start("main", **{kind: timedelta(seconds=60)})
    engine.turns()
    paused(handle)
    clock.move(60)
    engine.turns()

    assert str(handle.describe().status) == "timed_out"


# --- what may be done to a paused run -------------------------------------------------------------


def test_queries_are_answered_and_change_nothing(engine: Engine) -> None:
    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    paused(handle)
    before = counts()

    assert handle.query("read") == [1]
    assert counts() == before


def test_it_may_be_terminated(engine: Engine) -> None:
    handle = engine.start("main")
    engine.turns()
    paused(handle)
    handle.signal("note", 1)
    handle.terminate("enough")
    engine.turns()

    assert str(handle.describe().status) == "terminated"
    assert (ActivityTask.objects.count(), Message.objects.count()) == (0, 0)


WRONG: dict[str, tuple[Callable[[WorkflowHandle], Any], type[Exception]]] = {
    "pause twice": (lambda handle: (handle.pause(), handle.pause()), WrongState),
    "resume": (lambda handle: handle.resume(), WrongState),
    "pause closed": (lambda handle: (handle.terminate(), handle.pause()), RunClosed),
    "resume closed": (lambda handle: (handle.terminate(), handle.resume()), RunClosed),
    "release": (lambda handle: handle.release(), WrongState),
    "reopen": (lambda handle: handle.reopen(), WrongState),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_the_state_is_refused(engine: Engine, what: str) -> None:
    handle = engine.start("main")
    engine.turns()
    act, error = WRONG[what]

    with pytest.raises(error):
        act(handle)


def test_pausing_and_resuming_at_once_changes_nothing_but_the_notes(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("main")
    for _ in range(3):
        handle.pause()
        handle.resume()
        engine.turns()
    handle.signal("note", 1)
    rest(engine, clock)
    client.get_workflow_handle("child").signal("note", 1)
    rest(engine, clock)

    assert handle.result(0) == RESULT
    assert kinds(handle).count("ActivityScheduled") == 1


def test_a_paused_parent_does_not_stop_its_child(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("main")
    engine.go()
    handle.signal("note", 1)
    rest(engine, clock)
    client.get_workflow_handle("child").pause()
    paused(handle)
    client.get_workflow_handle("child").resume()
    client.get_workflow_handle("child").signal("note", 1)
    engine.turns()

    assert status("child") == "completed"
    assert str(handle.describe().status) == "paused"


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        handle = engine.start("main", id="main")
        for _ in range(3):
            handle.pause()
            engine.go()
            handle.signal("note", 1)
            handle.resume()
            engine.turns()
            engine.act()
        rest(engine, clock)
        client.get_workflow_handle("child").signal("note", 1)
        rest(engine, clock)
        assert handle.result(0)[0] == "worked"

    same_when_lost(story, clock)
