"""Patches: old runs stay on the old branch, new ones take the new, and a branch can be removed in the end.

Replacing a script while its run is open is what a deploy is.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aion import client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.models import Run
from tests.language.worlds import found, kinds, rest, same_when_lost
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _acts(acting: Any) -> None:
    @acting
    def old() -> str:
        return "old"

    @acting
    def new() -> str:
        return "new"


async def _step(branch: str) -> str:
    return await workflow.execute_activity(kit.act if branch == "old" else kit.aact, branch)


async def version_1(me: Scripted) -> list[str]:
    first = await kit.act.execute("old")
    await workflow.wait_condition(lambda: me.notes)
    return [first, await kit.act.execute("old")]


async def version_2(me: Scripted) -> list[str]:
    """Sleeps before the first step and the last, in the new branch."""
    if workflow.patched("sleep first"):
        await asyncio.sleep(1)
    first = await kit.act.execute("old")
    await workflow.wait_condition(lambda: me.notes)
    if workflow.patched("sleep first"):
        await asyncio.sleep(1)
    return [first, await kit.act.execute("new" if workflow.patched("sleep first") else "old")]


async def version_3(me: Scripted) -> list[str]:
    workflow.deprecate_patch("sleep first")
    return await _patched_code(me)


async def _patched_code(me: Scripted) -> list[str]:
    await asyncio.sleep(1)
    first = await kit.act.execute("old")
    await workflow.wait_condition(lambda: me.notes)
    await asyncio.sleep(1)
    return [first, await kit.act.execute("new")]


async def version_4(me: Scripted) -> list[str]:
    return await _patched_code(me)


def deploy(engine: Engine, script: Any, code: Any) -> None:
    """New code; the worker is restarted."""
    code.__dict__["as_main"] = True
    kit.SCRIPTS["main"] = code
    engine.loop.turns.cache.clear()


def begun(engine: Engine, clock: StandingClock) -> WorkflowHandle:
    """A run that waits for its note."""
    handle = engine.start("main")
    rest(engine, clock)
    return handle


def finished(engine: Engine, clock: StandingClock, handle: WorkflowHandle) -> list[str]:
    handle.signal("note", 1)
    rest(engine, clock)
    result: list[str] = handle.result(0)
    return result


# --- which branch ---------------------------------------------------------------------------------


def test_a_new_run_takes_the_new_branch_and_marks_it_once(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    deploy(engine, script, version_2)
    handle = begun(engine, clock)

    assert finished(engine, clock, handle) == ["old", "new"]
    assert [mark.patch_id for mark in found(handle, events.PatchMarked)] == ["sleep first"]
    assert kinds(handle)[1] == "PatchMarked"


def test_an_old_run_keeps_the_old_branch_also_where_it_has_not_been_yet(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    deploy(engine, script, version_1)
    handle = begun(engine, clock)
    deploy(engine, script, version_2)

    assert finished(engine, clock, handle) == ["old", "old"]
    assert found(handle, events.PatchMarked) == []


def test_a_run_that_has_not_reached_the_patch_takes_the_new_branch(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        await workflow.wait_condition(lambda: me.notes)
        return await kit.act.execute("old")

    handle = begun(engine, clock)

    @script
    async def main(me: Scripted) -> str:  # noqa: F811
        await workflow.wait_condition(lambda: me.notes)
        return await kit.act.execute("new" if workflow.patched("later") else "old")

    engine.loop.turns.cache.clear()
    assert finished(engine, clock, handle) == "new"
    assert [mark.patch_id for mark in found(handle, events.PatchMarked)] == ["later"]


def test_a_loop_does_not_change_its_branch_in_the_middle(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    def looping(patched: bool) -> Any:
        async def main(me: Scripted) -> list[str]:
            seen = []
            for number in range(4):
                await workflow.wait_condition(lambda n=number: len(me.notes) > n)
                new = patched and workflow.patched("in a loop")
                seen.append(await kit.act.execute("new" if new else "old"))
            return seen

        return main

    def to_the_end(handle: WorkflowHandle, deploy_at: int) -> list[str]:
        for number in range(4):
            if number == deploy_at:
                deploy(engine, script, looping(True))
            handle.signal("note", number)
            rest(engine, clock)
        result: list[str] = handle.result(0)
        return result

    deploy(engine, script, looping(False))
    assert to_the_end(begun(engine, clock), 2) == ["old"] * 4
    assert to_the_end(begun(engine, clock), 9) == ["new"] * 4


def test_patches_are_separate(engine: Engine, clock: StandingClock, script: Any) -> None:
    @script
    async def main(me: Scripted) -> list[bool]:
        first = workflow.patched("a")
        await workflow.wait_condition(lambda: me.notes)
        return [first, workflow.patched("b"), workflow.patched("a")]

    handle = begun(engine, clock)

    assert finished(engine, clock, handle) == [True, True, True]
    assert [mark.patch_id for mark in found(handle, events.PatchMarked)] == ["a", "b"]


def test_changed_code_without_a_patch_holds_the_run(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    deploy(engine, script, version_1)
    handle = begun(engine, clock)
    deploy(engine, script, version_4)
    handle.signal("note", 1)
    engine.turns()

    problem = handle.describe().problem
    assert problem is not None
    assert problem["code"] == "non_determinism"
    deploy(engine, script, version_1)
    handle.release()
    rest(engine, clock)
    assert handle.result(0) == ["old", "old"]


# --- deprecating and removing ---------------------------------------------------------------------


@pytest.mark.parametrize("began_on", [version_2, version_3])
def test_patched_runs_replay_on_deprecating_code(
    engine: Engine, clock: StandingClock, script: Any, began_on: Any
) -> None:
    deploy(engine, script, began_on)
    handle = begun(engine, clock)
    deploy(engine, script, version_3)

    assert finished(engine, clock, handle) == ["old", "new"]
    marks = found(handle, events.PatchMarked)
    assert [mark.deprecated for mark in marks] == [began_on is version_3]


def test_runs_of_deprecating_code_replay_when_the_patch_is_removed(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    deploy(engine, script, version_3)
    handle = begun(engine, clock)
    deploy(engine, script, version_4)

    assert finished(engine, clock, handle) == ["old", "new"]


def test_runs_of_patched_code_do_not_replay_when_the_patch_is_removed(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    deploy(engine, script, version_2)
    handle = begun(engine, clock)
    deploy(engine, script, version_4)
    handle.signal("note", 1)
    engine.turns()

    problem = handle.describe().problem
    assert problem is not None
    assert "PatchMarked(sleep first)" in problem["message"]


def test_runs_of_new_code_go_on_when_a_deploy_is_rolled_back_to_deprecating_code(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    deploy(engine, script, version_4)
    handle = begun(engine, clock)
    deploy(engine, script, version_3)

    assert finished(engine, clock, handle) == ["old", "new"]


def test_several_removed_marks_around_one_that_stays(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        workflow.deprecate_patch("a")
        workflow.deprecate_patch("b")
        taken = workflow.patched("c")
        workflow.deprecate_patch("d")
        await workflow.wait_condition(lambda: me.notes)
        return f"{taken}"

    handle = begun(engine, clock)

    @script
    async def main(me: Scripted) -> str:  # noqa: F811
        workflow.deprecate_patch("b")
        taken = workflow.patched("c")
        await workflow.wait_condition(lambda: me.notes)
        return f"{taken} still"

    engine.loop.turns.cache.clear()
    assert finished(engine, clock, handle) == "True still"


# --- may the old branch go? -----------------------------------------------------------------------


def test_which_runs_took_a_patch_is_a_search(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    deploy(engine, script, version_1)
    old = begun(engine, clock)
    deploy(engine, script, version_2)
    new = begun(engine, clock)

    assert old.describe().search_attributes == {}
    assert new.describe().search_attributes == {"AionPatches": ["sleep first"]}
    with_patch = Run.objects.filter(search_attributes__AionPatches__isnull=False)
    assert [run.id for run in with_patch] == [new.run_id]


def test_a_successor_has_taken_no_patch_yet(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted, left: int) -> list[str]:
        workflow.patched(f"round {left}")
        workflow.upsert_search_attributes({"color": "red"})
        if left:
            workflow.continue_as_new("main", left - 1)
        return sorted(workflow.info().search_attributes["AionPatches"])

    handle = engine.start("main", 2, id="c")
    rest(engine, clock)

    assert handle.result(0) == ["round 0"]
    now = client.get_workflow_handle("c").describe()
    assert now.search_attributes == {"AionPatches": ["round 0"], "color": "red"}


def test_a_query_may_ask_for_a_known_patch(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> None:
        workflow.patched("known")
        workflow.set_query_handler("patch", workflow.patched)
        await workflow.wait_condition(lambda: me.notes)

    handle = engine.start("main")
    engine.turns()

    assert handle.query("patch", "known") is True


def test_the_same_history_when_instances_are_lost(clock: StandingClock, script: Any) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        deploy(engine, script, version_1)
        first = engine.start("main", id="first")
        rest(engine, clock)
        deploy(engine, script, version_2)
        second = engine.start("main", id="second")
        rest(engine, clock)
        assert finished(engine, clock, first) == ["old", "old"]
        assert finished(engine, clock, second) == ["old", "new"]

    same_when_lost(story, clock)
