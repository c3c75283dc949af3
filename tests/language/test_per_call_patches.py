"""Patches that each call decides for itself, and what the search attributes say of patches."""

from __future__ import annotations

from typing import Any

import pytest

from aion import client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.shown import shown_of
from aion.models import Run
from tests.language.worlds import found, rest, same_when_lost
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


async def round_of(me: Scripted, steps: list[str]) -> list[str]:
    number = len(me.state.setdefault("rounds", []))
    await workflow.wait_condition(lambda: len(me.notes) > number)
    got = [await kit.act.execute(step) for step in steps]
    me.state["rounds"].append(got)
    return got


async def before(me: Scripted) -> list[Any]:
    return [await round_of(me, ["old"]) for _ in range(3)]


async def patched(me: Scripted) -> list[Any]:
    done = []
    for _ in range(3):
        number = len(done)
        await workflow.wait_condition(lambda number=number: len(me.notes) > number)
        is_new = workflow.patched("two steps", per_call=True)
        done.append(await steps(is_new))
    return done


async def steps(is_new: bool) -> list[str]:
    return [await kit.act.execute(step) for step in (["new", "new"] if is_new else ["old"])]


async def deprecated(me: Scripted) -> list[Any]:
    done = []
    for _ in range(3):
        number = len(done)
        await workflow.wait_condition(lambda number=number: len(me.notes) > number)
        workflow.deprecate_patch("two steps", per_call=True)
        done.append(await steps(True))
    return done


async def removed(me: Scripted) -> list[Any]:
    done = []
    for _ in range(3):
        number = len(done)
        await workflow.wait_condition(lambda number=number: len(me.notes) > number)
        done.append(await steps(True))
    return done


def deploy(engine: Engine, code: Any) -> None:
    kit.SCRIPTS["main"] = code
    engine.loop.turns.cache.clear()


def go_round(engine: Engine, clock: StandingClock, handle: WorkflowHandle, times: int = 1) -> None:
    for _ in range(times):
        handle.signal("note", 1)
        rest(engine, clock)


def shown(handle: WorkflowHandle) -> dict[str, Any]:
    """The attributes of the row, which are those that history leads to."""
    row: dict[str, Any] = handle.describe().search_attributes
    assert shown_of(handle.fetch_history()).search_attributes == row
    return row


@pytest.fixture(autouse=True)
def _forget(script: Any) -> None:
    """`script` empties the table of scripts at the end."""


def test_the_next_round_of_an_old_run_takes_the_new_branch(
    engine: Engine, clock: StandingClock
) -> None:
    deploy(engine, before)
    handle = engine.start("main")
    go_round(engine, clock, handle)
    deploy(engine, patched)
    go_round(engine, clock, handle)
    deploy(engine, patched)
    go_round(engine, clock, handle)

    assert handle.result(0) == [["old"], ["new", "new"], ["new", "new"]]
    marks = found(handle, events.PatchMarked)
    assert [(mark.patch_id, mark.per_call) for mark in marks] == [("two steps", True)] * 2
    assert shown(handle) == {"AionPatches": ["two steps"]}


def test_a_query_of_an_old_run_on_new_code_is_answered(
    engine: Engine, clock: StandingClock
) -> None:
    deploy(engine, before)
    handle = engine.start("main")
    go_round(engine, clock, handle)
    deploy(engine, patched)

    assert handle.query("read") == [1]


@pytest.mark.parametrize("per_call", [False, True])
def test_a_query_of_a_run_whose_last_step_was_on_old_code(
    engine: Engine, clock: StandingClock, per_call: bool
) -> None:
    async def one_step(me: Scripted) -> None:
        await kit.act.execute("old")

    async def changed(me: Scripted) -> None:
        if workflow.patched("first", per_call=per_call):
            await kit.act.execute("new")
        await kit.act.execute("old")

    deploy(engine, one_step)
    handle = engine.start("main")
    engine.turns()
    deploy(engine, changed)

    assert handle.query("read") == []
    rest(engine, clock)
    assert handle.describe().problem is None
    assert str(handle.describe().status) == "completed"


def test_the_branch_can_be_removed_in_the_end(engine: Engine, clock: StandingClock) -> None:
    deploy(engine, patched)
    first = engine.start("main", id="first")
    go_round(engine, clock, first)
    deploy(engine, deprecated)
    go_round(engine, clock, first)
    second = engine.start("main", id="second")
    go_round(engine, clock, second)
    assert shown(first) == {"AionPatches": ["two steps"]}
    assert shown(second) == {
        "AionPatches": ["two steps"],
        "AionDeprecatedPatches": ["two steps"],
    }
    deploy(engine, removed)
    go_round(engine, clock, second, 2)
    go_round(engine, clock, first)

    assert second.result(0) == [["new", "new"]] * 3
    assert first.describe().problem["code"] == "non_determinism"  # type: ignore[index]
    deploy(engine, deprecated)
    first.release()
    rest(engine, clock)
    assert first.result(0) == [["new", "new"]] * 3


def test_which_runs_still_need_the_deprecated_line(engine: Engine, clock: StandingClock) -> None:
    async def new_code(me: Scripted) -> None:
        workflow.patched("plain")
        await workflow.wait_condition(lambda: me.notes)

    async def later_code(me: Scripted) -> None:
        workflow.deprecate_patch("plain")
        await workflow.wait_condition(lambda: me.notes)

    deploy(engine, new_code)
    engine.start("main", id="needs it")
    engine.turns()
    deploy(engine, later_code)
    engine.start("main", id="does not")
    engine.turns()

    for workflow_id in ("needs it", "does not"):
        client.get_workflow_handle(workflow_id).signal("unheard")  # a turn on the later code
    engine.turns()
    need = [
        run.workflow_id
        for run in Run.objects.filter(closed_at=None)
        if "plain" in run.search_attributes.get("AionPatches", ())
        and "plain" not in run.search_attributes.get("AionDeprecatedPatches", ())
    ]
    assert need == ["needs it"]


def test_a_successor_inherits_neither(engine: Engine, clock: StandingClock) -> None:
    async def main(me: Scripted, more: bool = True) -> None:
        if more:
            workflow.deprecate_patch("plain")
            workflow.continue_as_new("main", False)

    deploy(engine, main)
    engine.start("main", id="c")
    rest(engine, clock)

    assert client.get_workflow_handle("c").describe().search_attributes == {}


def test_an_ordinary_mark_makes_a_deprecated_one_count_again(
    engine: Engine, clock: StandingClock
) -> None:
    async def both(me: Scripted) -> None:
        workflow.deprecate_patch("x", per_call=True)
        workflow.patched("x", per_call=True)

    deploy(engine, both)
    handle = engine.start("main")
    rest(engine, clock)

    assert shown(handle) == {"AionPatches": ["x"]}


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        deploy(engine, before)
        handle = engine.start("main")
        go_round(engine, clock, handle)
        deploy(engine, patched)
        go_round(engine, clock, handle, 2)
        assert handle.result(0)[1] == ["new", "new"]

    same_when_lost(story, clock)
