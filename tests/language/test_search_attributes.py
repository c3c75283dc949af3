"""Registered search attributes in workflow code: checked live, taken from history on replay."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from aion import client, workflow
from aion.core import events
from aion.models import Run, SearchValue
from aion.store.attribute_registry import registry
from tests.language.worlds import found, kinds, rest
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db


def values_of(run_id: Any) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {}
    for row in SearchValue.objects.filter(run=run_id).order_by("name", "position"):
        columns = (row.keyword, row.integer, row.number, row.moment, row.flag)
        rows.setdefault(row.name, []).extend(each for each in columns if each is not None)
    return rows


def test_values_are_rows_from_the_start_to_each_change(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> None:
        workflow.upsert_search_attributes({"n": 2, "tags": ["x", "y"], "color": None})
        await workflow.wait_condition(lambda: me.notes)
        workflow.upsert_search_attributes({"tags": ["z"]})

    handle = engine.start("main", search_attributes={"n": 1, "color": "red", "stage": None})
    assert values_of(handle.run_id) == {"n": [1], "color": ["red"]}
    assert handle.describe().search_attributes == {"n": 1, "color": "red"}

    engine.turns()
    assert values_of(handle.run_id) == {"n": [2], "tags": ["x", "y"]}

    handle.signal("note", 1)
    engine.turns()
    assert values_of(handle.run_id) == {"n": [2], "tags": ["z"]}


def test_they_are_carried_along_the_chain_with_their_kinds(engine: Engine, script: Any) -> None:
    at = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)

    @script
    async def main(me: Scripted) -> Any:
        if workflow.info().continued_from_run_id is None:
            workflow.patched("p")
            workflow.upsert_search_attributes({"n": 3})
            workflow.continue_as_new("main")
        return workflow.info().search_attributes["at"].year

    engine.start("main", id="c", search_attributes={"at": at})
    engine.turns()

    last = client.get_workflow_handle("c")
    assert last.result(0) == 2030
    assert values_of(last.describe().run_id) == {"at": [at], "n": [3]}
    assert SearchValue.objects.filter(name="AionPatches", keyword="p").count() == 1


def test_a_child_and_a_successor_may_be_given_their_own(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> None:
        await workflow.execute_child_workflow(
            Scripted, "child", id="child", search_attributes={"tags": ("a", "a")}
        )
        workflow.continue_as_new("child", search_attributes={"n": 7})

    @script
    async def child(me: Scripted) -> None:
        return None

    engine.start("main", id="main")
    engine.turns()

    assert values_of(client.get_workflow_handle("child").describe().run_id) == {"tags": ["a"]}
    assert values_of(client.get_workflow_handle("main").describe().run_id) == {"n": [7]}


ASKING = {
    "upsert": lambda values: workflow.upsert_search_attributes(values),
    "child": lambda values: workflow.start_child_workflow(
        Scripted, "child", search_attributes=values
    ),
    "continue": lambda values: workflow.continue_as_new("main", search_attributes=values),
}


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("values", [{"Unknown": 1}, {"n": "seven"}, {"AionPatches": ["x"]}])
def test_what_the_registry_refuses_holds_the_run_even_if_it_is_caught(
    engine: Engine, script: Any, ask: str, values: dict[str, Any]
) -> None:
    @script
    async def main(me: Scripted) -> None:
        try:
            asked = ASKING[ask](values)
            if asked is not None:
                await asked
        except Exception:
            return

    handle = engine.start("main")
    neighbour = engine.start("child_of_nobody")
    engine.turns()

    about = handle.describe()
    assert about.problem is not None
    assert about.problem["code"] == "invalid_search_attribute"
    assert next(iter(values)) in about.problem["message"]
    assert kinds(handle) == ["WorkflowStarted"]
    assert kinds(neighbour) != ["WorkflowStarted"]


def test_a_held_run_goes_on_once_its_attribute_is_registered(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> None:
        workflow.upsert_search_attributes({"CustomerId": 42})

    handle = engine.start("main")
    engine.turns()
    assert handle.describe().problem_count == 1
    client.register_search_attribute("CustomerId", "int")
    handle.release()
    engine.turns()

    assert handle.describe().status == "completed"
    assert values_of(handle.run_id) == {"CustomerId": [42]}


def test_what_was_registered_a_moment_ago_by_another_process_is_known(
    engine: Engine, script: Any
) -> None:
    from aion.store import attribute_registry

    @script
    async def main(me: Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)
        workflow.upsert_search_attributes({"CustomerId": me.notes[0]})

    handles = [engine.start("main") for _ in range(3)]
    engine.turns()
    registry.reload()
    attribute_registry.insert("CustomerId", client.AttributeKind.INT, now=StandingClock().at)
    for number, handle in enumerate(handles):
        handle.signal("note", number)
    engine.turns()

    assert [handle.describe().status for handle in handles] == ["completed"] * 3
    assert [values_of(handle.run_id)["CustomerId"] for handle in handles] == [[0], [1], [2]]


def test_replay_takes_what_history_says_whatever_became_of_the_registry(
    engine: Engine, clock: StandingClock, script: Any, settings: Any
) -> None:
    seen = []

    @script
    async def main(me: Scripted) -> str:
        workflow.upsert_search_attributes({"at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC), "n": 1})
        workflow.upsert_search_attributes({"n": 2})
        seen.append(workflow.info().search_attributes)
        await workflow.wait_condition(lambda: me.notes)
        return "done"

    handle = engine.start("main")
    engine.turns()
    settings.AION = {**settings.AION, "SEARCH_ATTRIBUTES": {"n": "keyword"}}
    engine.loop.turns.cache.clear()
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == "done"
    assert seen[0] == seen[1] == {"at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC), "n": 2}


def test_replay_takes_the_recorded_values_of_code_that_gives_others_now(
    engine: Engine, script: Any
) -> None:
    given = [1]

    @script
    async def main(me: Scripted) -> Any:
        workflow.upsert_search_attributes({"n": given[0]})
        await workflow.wait_condition(lambda: me.notes)
        return workflow.info().search_attributes["n"]

    handle = engine.start("main")
    engine.turns()
    given[0] = 2
    engine.loop.turns.cache.clear()
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == 1


def test_a_run_that_is_not_begun_answers_queries(engine: Engine, script: Any) -> None:
    """Its code runs in the asking process, which need not know what is registered."""

    @script
    async def main(me: Scripted) -> None:
        workflow.upsert_search_attributes({"Unknown": 1})
        workflow.set_current_details(str(workflow.info().search_attributes))
        await workflow.wait_condition(lambda: False)

    handle = engine.start("main")

    assert handle.query("__current_details") == "{'Unknown': 1}"


def test_reset_and_reopen_find_runs_by_the_values_that_are_kept(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> None:
        workflow.upsert_search_attributes({"stage": "first"})
        await workflow.wait_condition(lambda: len(me.notes) >= 1)
        workflow.upsert_search_attributes({"stage": "second", "n": 1})
        await workflow.wait_condition(lambda: False)

    handle = engine.start("main")
    engine.turns()
    cut = handle.fetch_history()[-1].seq
    handle.signal("note", 1)
    engine.turns()
    new = handle.reset(cut, reapply_signals=False)

    assert values_of(handle.run_id) == {"stage": ["second"], "n": [1]}
    assert values_of(new.run_id) == {"stage": ["first"]}
    rest(engine, clock)
    assert len(found(new, events.SearchAttributesUpdated)) == 1
    assert Run.objects.count() == 2
