"""Reset runs: a new run goes on from a copy of a part of the history."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aion import ChildWorkflowError, client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.errors import InvalidArgument, RunNotFound, WrongState
from aion.core.pending import group_ends
from aion.models import Run
from tests.language.worlds import chain, found, kinds, rest, same_when_lost, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted
from tests.support.rows import counts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def done(script: Any, acting: Any) -> list[str]:
    """What the activities have done."""
    seen: list[str] = []

    @acting
    def work(name: str) -> str:
        seen.append(name)
        return f"{name} {seen.count(name)}"

    @script
    async def steps(me: Scripted) -> list[Any]:
        first = await kit.act.execute("work", "a")
        workflow.upsert_search_attributes({"stage": "working"})
        second = await asyncio.gather(kit.act.execute("work", "b"), kit.act.execute("work", "c"))
        await workflow.wait_condition(lambda: me.notes)
        workflow.upsert_search_attributes({"stage": "noted"})
        await asyncio.sleep(10)
        third = await workflow.execute_child_workflow(Scripted, "child", 1)
        return [first, *second, *me.notes, third]

    @script
    async def child(me: Scripted, value: int) -> int:
        await asyncio.sleep(5)
        return value

    return seen


def finished(engine: Engine, clock: StandingClock, workflow_id: str = "r") -> WorkflowHandle:
    handle = engine.start("steps", id=workflow_id)
    rest(engine, clock)
    handle.signal("note", "n")
    rest(engine, clock)
    assert handle.result(0) == ["a 1", "b 1", "c 1", "n", 1]
    return handle


def ends(handle: WorkflowHandle) -> list[int]:
    """Where a run may be reset to, besides its first event."""
    return group_ends(handle.fetch_history())[1:]


def test_a_closed_run_can_be_reset_to_the_end_of_each_group(
    engine: Engine, clock: StandingClock, done: list[str]
) -> None:
    for number in range(7):
        done.clear()
        handle = finished(engine, clock, f"r{number}")
        history = handle.fetch_history()
        places = group_ends(history)
        assert len(places) == 7
        done.clear()
        kept = [recorded for recorded in history if recorded.seq <= places[number]]
        place = places[number]
        new = handle.reset(place, "again")
        rest(engine, clock)

        assert new.result(0)[-2:] == ["n", 1]
        copied = new.fetch_history()
        assert copied[0].seq == history[-1].seq + 1
        assert [r.event for r in copied[: len(kept)]] == [r.event for r in kept]
        assert kinds(new)[len(kept)] == "WorkflowReopened"
        finished_before = {
            activity.activity_id
            for activity in (r.event for r in kept)
            if isinstance(activity, events.ActivityCompleted)
        }
        assert len(done) == 3 - len(finished_before)


def test_the_new_run_is_the_next_of_its_chain(engine: Engine, clock: StandingClock) -> None:
    handle = finished(engine, clock)
    new = handle.reset(ends(handle)[0])
    rest(engine, clock)

    assert (new.workflow_id, new.created) == ("r", True)
    assert new.run_id != handle.run_id
    assert new.describe().continued_from_run_id == handle.run_id
    assert [run.run_id for run in chain("r")] == [handle.run_id, new.run_id]
    assert str(handle.describe().status) == "completed"
    assert client.get_workflow_handle("r").describe().run_id == new.run_id


def test_an_open_run_is_terminated_and_its_mail_goes_over(
    engine: Engine, clock: StandingClock, done: list[str], script: Any
) -> None:
    @script
    async def send(me: Scripted) -> str:
        await workflow.get_external_workflow_handle("r").signal("note", "from a run")
        return "delivered"

    handle = engine.start("steps", id="r")
    rest(engine, clock)
    place = ends(handle)[0]
    handle.pause()
    handle.signal("note", "from outside")
    sender = engine.start("send")
    engine.turns()
    new = handle.reset(place, "try again")
    rest(engine, clock)

    assert str(handle.describe().status) == "terminated"
    assert new.result(0) == ["a 2", "b 2", "c 2", "from outside", "from a run", 1]
    assert sender.result(0) == "delivered"


@pytest.mark.parametrize("reapply", [True, False])
def test_later_signals_are_sent_again_unless_told_otherwise(
    engine: Engine, clock: StandingClock, reapply: bool
) -> None:
    handle = finished(engine, clock)
    new = handle.reset(ends(handle)[0], reapply_signals=reapply)
    rest(engine, clock)
    assert len(found(new, events.SignalReceived)) == int(reapply)
    if not reapply:
        new.signal("note", "another")
        rest(engine, clock)

    assert new.result(0)[3] == ("n" if reapply else "another")


def test_without_reapplying_a_waiting_sender_is_refused(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def send(me: Scripted) -> str:
        try:
            await workflow.get_external_workflow_handle("r").signal("note", "from a run")
        except Exception as error:
            return str(getattr(error, "type", error))
        return "delivered"

    handle = engine.start("steps", id="r")
    rest(engine, clock)
    handle.pause()
    sender = engine.start("send")
    engine.turns()
    handle.reset(ends(handle)[0], reapply_signals=False)
    rest(engine, clock)

    assert sender.result(0) == "RunNotFound"


def test_timers_keep_their_times(engine: Engine, clock: StandingClock, script: Any) -> None:
    @script
    async def main(me: Scripted) -> float:
        began = workflow.time()
        await asyncio.sleep(100)
        await kit.act.execute("work", "x")
        return workflow.time() - began

    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    clock.move(40)
    new = handle.reset(ends(handle)[0])
    rest(engine, clock)

    assert new.result(0) == 100.0


def test_what_is_shown_is_as_of_the_cut(engine: Engine, clock: StandingClock) -> None:
    handle = finished(engine, clock)
    assert handle.describe().search_attributes == {"stage": "noted"}
    new = handle.reset(ends(handle)[1], reapply_signals=False)

    assert new.describe().search_attributes == {"stage": "working"}
    new.terminate()


# --- children -------------------------------------------------------------------------------------


def test_an_open_child_that_is_awaited_reports_to_the_new_run(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        waiting = asyncio.ensure_future(
            workflow.execute_child_workflow(Scripted, "child", 7, id="child")
        )
        await workflow.wait_condition(lambda: me.notes)
        other = await workflow.start_child_workflow(Scripted, "child", 8)
        return [await waiting, await other]

    handle = engine.start("main", id="r")
    engine.turns()
    place = handle.fetch_history()[-1].seq
    handle.signal("note", 1)
    engine.turns()
    new = handle.reset(place)
    engine.turns()
    others = found(handle, events.ChildWorkflowStarted)
    assert status("child") == "running"
    assert str(client.get_workflow_handle(others[1].workflow_id).describe().status) == "terminated"
    rest(engine, clock)

    assert new.result(0) == [7, 8]
    started = found(new, events.ChildWorkflowStarted)
    assert started[0] == others[0]
    assert (started[1].run_id, started[1].workflow_id) != (others[1].run_id, others[1].workflow_id)
    assert Run.objects.filter(workflow_id="child").count() == 1


def test_default_ids_of_children_survive_the_copy(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        first = await workflow.execute_child_workflow(Scripted, "child", 1)
        await workflow.wait_condition(lambda: me.notes)
        return [first, await workflow.execute_child_workflow(Scripted, "child", 2)]

    handle = engine.start("main", id="r")
    rest(engine, clock)
    handle.signal("note", 1)
    rest(engine, clock)
    again = handle
    for _ in range(2):
        again = again.reset(ends(again)[1])
        rest(engine, clock)
        assert again.result(0) == [1, 2]
    ids = [event.run_id for run in chain("r") for event in found(run, events.ChildWorkflowStarted)]
    assert len(set(ids)) == 4  # the first is shared by all three histories


@pytest.mark.parametrize("policy", ["terminate", "abandon"])
def test_a_closed_child_that_was_awaited_answers(
    engine: Engine, clock: StandingClock, script: Any, policy: str
) -> None:
    @script
    async def main(me: Scripted) -> Any:
        waiting = asyncio.ensure_future(
            workflow.execute_child_workflow(
                Scripted, "child", 7, id="child", parent_close_policy=policy
            )
        )
        await workflow.wait_condition(lambda: me.notes)
        if me.notes[0] == "leave":
            return "left"
        try:
            return await waiting
        except ChildWorkflowError as error:
            return type(error.cause).__name__

    handle = engine.start("main", id="r")
    engine.turns()
    handle.signal("note", "leave")
    rest(engine, clock)
    new = handle.reset(ends(handle)[0], reapply_signals=False)
    new.signal("note", "stay")
    rest(engine, clock)

    assert new.result(0) == ("TerminatedError" if policy == "terminate" else 7)


def test_a_child_that_is_reset_answers_its_parent_when_it_ends(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def learner(me: Scripted) -> list[Any]:
        await workflow.wait_condition(lambda: me.notes)
        await asyncio.sleep(50)
        return me.notes

    @script
    async def main(me: Scripted) -> Any:
        return await workflow.execute_child_workflow(Scripted, "learner", id="child")

    handle = engine.start("main")
    engine.turns()
    child = client.get_workflow_handle("child")
    child.signal("note", 1)
    engine.turns()
    child.reset(1, reapply_signals=False)
    engine.turns()
    assert str(handle.describe().status) == "running"
    client.get_workflow_handle("child").signal("note", 2)
    rest(engine, clock)

    assert handle.result(0) == [2]


# --- again and after reopening --------------------------------------------------------------------


def test_a_reset_run_may_be_reset(engine: Engine, clock: StandingClock) -> None:
    handle = finished(engine, clock)
    for number in (2, 3, 1):
        handle = handle.reset(ends(handle)[number])
        rest(engine, clock)
        assert handle.result(0)[-1] == 1

    assert len(chain("r")) == 4


def test_a_reopened_run_may_be_reset_and_a_reset_one_reopened(
    engine: Engine, clock: StandingClock, done: list[str]
) -> None:
    handle = engine.start("steps", id="r")
    rest(engine, clock)
    handle.terminate()
    handle.reopen()
    handle.signal("note", "n")
    rest(engine, clock)
    assert str(handle.describe().status) == "completed"
    new = handle.reset(ends(handle)[1])
    engine.turns()
    new.terminate()
    new.reopen()
    rest(engine, clock)

    assert new.result(0) == ["a 1", "b 2", "c 2", "n", 1]


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, -1, 10_000, "inside"])
def test_a_wrong_place_is_refused_with_the_right_ones(
    engine: Engine, clock: StandingClock, wrong: Any
) -> None:
    handle = finished(engine, clock)
    places = ends(handle)
    if wrong == "inside":
        wrong = next(r.seq for r in handle.fetch_history() if r.seq not in [1, *places])
    before = counts()

    with pytest.raises(InvalidArgument) as caught:
        handle.reset(wrong)
    assert ", ".join(map(str, places)) in str(caught.value)
    assert counts() == before


def test_a_refused_reset_of_an_open_run_leaves_it_open(engine: Engine) -> None:
    handle = engine.start("steps", id="r")
    engine.turns()
    with pytest.raises(InvalidArgument):
        handle.reset(1000)

    assert str(handle.describe().status) == "running"


def test_another_open_run_of_the_id_stands_in_the_way(engine: Engine, clock: StandingClock) -> None:
    handle = finished(engine, clock)
    engine.start("steps", id="r")
    before = counts()

    with pytest.raises(WrongState):
        handle.reset(ends(handle)[0])
    with pytest.raises(RunNotFound):
        client.get_workflow_handle("nobody").reset(1)
    assert counts() == before


def test_the_same_history_when_instances_are_lost(clock: StandingClock, done: list[str]) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        done.clear()
        handle = finished(engine, clock)
        for number in (1, 3):
            handle = handle.reset(ends(handle)[number])
            engine.turn()
            rest(engine, clock)
        assert handle.result(0)[-1] == 1

    same_when_lost(story, clock)
