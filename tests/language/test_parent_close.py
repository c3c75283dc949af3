"""What becomes of children when their parent closes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aion import client, workflow
from tests.language.worlds import kinds, rest, same_when_lost, status
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db

POLICIES = ("terminate", "abandon", "request_cancel")
AFTER = {"terminate": "terminated", "abandon": "running", "request_cancel": "cancelled"}


@pytest.fixture(autouse=True)
def _family(script: Any) -> None:
    @script
    async def leaf(me: Scripted) -> None:
        await asyncio.sleep(1000)

    @script
    async def tree(me: Scripted, name: str, depth: int) -> None:
        """Start a child with each policy, below each other `depth` deep, and wait for a note."""
        for policy in POLICIES:
            args = ("tree", f"{name}/{policy}", depth - 1) if depth else ("leaf",)
            await workflow.start_child_workflow(
                Scripted, *args, id=f"{name}/{policy}", parent_close_policy=policy
            )
        await workflow.wait_condition(lambda: me.notes)
        match me.notes[0]:
            case "fail":
                raise ValueError("on purpose")
            case "continue":
                workflow.continue_as_new("leaf")


ENDS: dict[str, Any] = {
    "complete": lambda handle, clock: handle.signal("note", "go"),
    "fail": lambda handle, clock: handle.signal("note", "fail"),
    "cancel": lambda handle, clock: handle.cancel(),
    "terminate": lambda handle, clock: handle.terminate(),
    "timeout": lambda handle, clock: clock.move(60),
}


@pytest.mark.parametrize("end", ENDS)
def test_each_child_meets_its_policy_however_the_parent_ends(
    engine: Engine, clock: StandingClock, end: str
) -> None:
    handle = engine.start("tree", "t", 0, id="t", run_timeout=timedelta(seconds=60))
    engine.turns()
    ENDS[end](handle, clock)
    engine.turns()

    assert not handle.describe().status.is_open
    assert {policy: status(f"t/{policy}") for policy in POLICIES} == AFTER


@pytest.mark.parametrize("end", ["complete", "terminate"])
def test_the_policies_reach_children_of_children(
    engine: Engine, clock: StandingClock, end: str
) -> None:
    handle = engine.start("tree", "t", 2, id="t")
    engine.turns()
    ENDS[end](handle, clock)
    engine.turns()

    for outer in POLICIES:
        for middle in POLICIES:
            for inner in POLICIES:
                # A run that was reached by its own parent's close hands its policies on.
                path = [outer, middle, inner]
                reached = "abandon" not in path
                open_from = path.index("abandon") if not reached else 3
                for depth in range(1, 4):
                    name = "/".join(["t", *path[:depth]])
                    expected = AFTER[path[depth - 1]] if depth <= open_from else "running"
                    assert status(name) == expected, name


def test_what_closed_before_the_parent_stays_as_it_ended(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("tree", "t", 0, id="t")
    engine.turns()
    client.get_workflow_handle("t/terminate").cancel()
    engine.turns()
    handle.signal("note", "go")
    engine.turns()

    assert status("t/terminate") == "cancelled"
    assert kinds(client.get_workflow_handle("t/terminate"))[-1] == "WorkflowCancelled"


def test_a_terminated_child_says_why(engine: Engine) -> None:
    handle = engine.start("tree", "t", 0, id="t")
    engine.turns()
    handle.signal("note", "go")
    engine.turns()

    last = client.get_workflow_handle("t/terminate").fetch_history()[-1].event
    assert last.reason == "its parent closed"  # type: ignore[attr-defined]


def test_a_paused_or_held_child_is_terminated_too(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    broken = [True]

    @script
    async def mistaken(me: Scripted) -> None:
        if broken:
            asyncio.get_running_loop().run_in_executor(None, print)

    @script
    async def main(me: Scripted) -> None:
        await workflow.start_child_workflow(Scripted, "leaf", id="paused")
        await workflow.start_child_workflow(Scripted, "mistaken", id="held")
        await workflow.wait_condition(lambda: me.notes)

    handle = engine.start("main")
    engine.turns()
    client.get_workflow_handle("paused").pause()
    assert client.get_workflow_handle("held").describe().problem_count == 1
    handle.signal("note", 1)
    rest(engine, clock)

    assert (status("paused"), status("held")) == ("terminated", "terminated")
    broken.clear()  # so that the histories can be replayed


def test_a_child_that_went_on_as_new_is_reached_in_its_successor(
    engine: Engine, script: Any
) -> None:
    @script
    async def again(me: Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)
        workflow.continue_as_new("leaf")

    @script
    async def main(me: Scripted) -> None:
        await workflow.start_child_workflow(Scripted, "again", id="child")
        await workflow.wait_condition(lambda: me.notes)

    handle = engine.start("main")
    engine.turns()
    client.get_workflow_handle("child").signal("note", 1)
    engine.turns()
    assert status("child") == "running"
    handle.signal("note", 1)
    engine.turns()

    assert status("child") == "terminated"


def test_a_child_that_goes_on_as_new_in_the_moment_of_the_close_is_reached_as_well(
    engine: Engine, script: Any
) -> None:
    @script
    async def again(me: Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)
        workflow.continue_as_new("leaf")

    @script
    async def main(me: Scripted) -> None:
        await workflow.start_child_workflow(Scripted, "again", id="child")
        await workflow.wait_condition(lambda: me.notes)

    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    client.get_workflow_handle("child").signal("note", 1)
    engine.turns()

    assert not client.get_workflow_handle("child").describe().status.is_open


def test_a_run_that_continues_as_new_has_closed_for_its_children(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("tree", "t", 0, id="t")
    engine.turns()
    handle.signal("note", "continue")
    engine.turns()

    assert status("t") == "running"
    assert {policy: status(f"t/{policy}") for policy in POLICIES} == AFTER


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        handle = engine.start("tree", "t", 1, id="t")
        engine.turns()
        handle.signal("note", "fail")
        rest(engine, clock)
        assert status("t/terminate/terminate") == "terminated"
        assert status("t/abandon") == "running"

    same_when_lost(story, clock)
