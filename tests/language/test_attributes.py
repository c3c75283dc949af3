"""Search attributes and memo, as the code changes them."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from aion import client, workflow
from aion.core import events
from aion.models import Run
from tests.language.worlds import found, kinds, rest, same_when_lost
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db


@workflow.defn(name="attributes.Shop")
class Shop:
    """Changes what is shown, as told."""

    @workflow.run
    async def run(self) -> list[Any]:
        await workflow.wait_condition(lambda: False)
        return []

    @workflow.signal
    def show(self, values: dict[str, Any]) -> None:
        workflow.upsert_search_attributes(values)

    @workflow.signal
    def tell(self, values: dict[str, Any]) -> None:
        workflow.upsert_memo(values)

    @workflow.query
    def shown(self) -> list[Any]:
        about = workflow.info()
        return [about.search_attributes, about.memo]


def test_values_are_merged_and_none_unsets(engine: Engine) -> None:
    handle = client.start_workflow(
        Shop, search_attributes={"a": 1, "b": 2}, memo={"text": "kept", "gone": 1}
    )
    handle.signal(Shop.show, {"b": 3, "tags": ["x", "y"], "a": None, "never": None})
    handle.signal(Shop.tell, {"gone": None, "deep": {"x": None}})
    engine.turns()

    about = handle.describe()
    assert about.search_attributes == {"b": 3, "tags": ["x", "y"]}
    assert about.memo == {"text": "kept", "deep": {"x": None}}
    assert handle.query(Shop.shown) == [about.search_attributes, about.memo]
    assert kinds(handle)[2] == "SearchAttributesUpdated"
    assert kinds(handle)[4] == "MemoUpdated"


def test_the_code_reads_its_own_changes_at_once(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        workflow.upsert_search_attributes({"a": 1})
        workflow.upsert_memo({"m": [1]})
        info = workflow.info()
        info.memo["m2"] = "not a change"
        return [info.search_attributes, workflow.info().memo]

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == [{"a": 1}, {"m": [1]}]


def test_changes_of_one_turn_are_one_row_and_show_when_it_commits(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> None:
        for number in range(3):
            workflow.upsert_search_attributes({"n": number})
        await asyncio.sleep(5)
        workflow.upsert_search_attributes({"n": 9})

    handle = engine.start("main")
    engine.turns()
    assert handle.describe().search_attributes == {"n": 2}
    rest(engine, clock)

    assert handle.describe().search_attributes == {"n": 9}
    assert len(found(handle, events.SearchAttributesUpdated)) == 4


def test_rows_can_be_filtered_by_them(engine: Engine) -> None:
    for number in range(3):
        handle = client.start_workflow(Shop)
        handle.signal(Shop.show, {"n": number, "color": "red" if number else "blue"})
    engine.turns()

    assert Run.objects.filter(search_attributes__color="red").count() == 2
    assert Run.objects.filter(search_attributes__n__gte=2).count() == 1


def test_datetimes_are_kept_as_utc_and_read_as_datetimes(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> Any:
        east = dt.timezone(dt.timedelta(hours=2))
        workflow.upsert_search_attributes({"at": dt.datetime(2030, 1, 1, 2, tzinfo=east)})
        at = workflow.info().search_attributes["at"]
        return [at == dt.datetime(2030, 1, 1, tzinfo=dt.UTC), at]

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == [True, "2030-01-01T00:00:00Z"]
    assert Run.objects.get().search_attributes == {"at": "2030-01-01T00:00:00Z"}
    assert handle.describe().search_attributes == {"at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)}


@pytest.mark.parametrize("what", ["search_attributes", "memo"])
def test_a_value_without_a_json_form_is_an_error_and_changes_nothing(
    engine: Engine, script: Any, what: str
) -> None:
    @script
    async def main(me: Scripted) -> str:
        try:
            getattr(workflow, f"upsert_{what}")({"good": 1, "bad": object()})
        except Exception as error:
            return type(error).__name__
        return "?"

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == "PayloadUnserializable"
    assert getattr(handle.describe(), what) == {}
    assert kinds(handle) == ["WorkflowStarted", "WorkflowCompleted"]


@pytest.mark.parametrize("bad", ["with \0 inside", "\ud800"])
def test_what_no_database_can_index_is_an_error_where_it_is_set(
    engine: Engine, script: Any, bad: str
) -> None:
    """As for a start: PostgreSQL's jsonb takes neither."""

    @script
    async def main(me: Scripted) -> str:
        try:
            workflow.upsert_search_attributes({"a": bad})
        except Exception as error:
            return type(error).__name__
        return "?"

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) != "?"
    assert handle.describe().search_attributes == {}


BAD_NAMES = {"NUL": "a\0", "surrogate": "\ud800", "long": "x" * 256, "no text": 7}
NAMED: dict[str, Callable[[Any], Any]] = {
    "patch": lambda name: workflow.patched(name),
    "activity": lambda name: workflow.start_activity(
        str(name) if name == 7 else name, task_queue=name
    ),
    "child": lambda name: workflow.start_child_workflow(Scripted, "x", id=name),
    "queue of a child": lambda name: workflow.start_child_workflow(Scripted, "x", task_queue=name),
    "attribute of a child": lambda name: workflow.start_child_workflow(
        Scripted, "x", search_attributes={"a": "\0", "b": object()}
    ),
    "signal": lambda name: workflow.get_external_workflow_handle(name).signal("x"),
    "cancel": lambda name: workflow.get_external_workflow_handle(name).cancel(),
    "continue": lambda name: workflow.continue_as_new("main", task_queue=name),
}


@pytest.mark.parametrize("what", NAMED)
@pytest.mark.parametrize("bad", BAD_NAMES)
def test_names_that_no_database_can_store_are_errors_where_they_are_given(
    engine: Engine, script: Any, what: str, bad: str
) -> None:
    """Else the row would fail, and with it every other run of the batch, for ever."""

    @script
    async def main(me: Scripted) -> list[str]:
        seen = []
        for _ in range(2):
            try:
                asked = NAMED[what](BAD_NAMES[bad])
                if asyncio.iscoroutine(asked):
                    await asked
            except Exception as error:
                seen.append(type(error).__name__)
        await asyncio.sleep(1)
        return seen

    handle = engine.start("main")
    engine.turns()
    engine.loop.turns.cache.clear()
    handle.cancel()
    engine.turns()

    assert kinds(handle)[1] == "TimerStarted"
    assert str(handle.describe().status) == "cancelled"


def test_a_predicate_and_a_validator_may_not_change_them(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> None:
        await workflow.wait_condition(lambda: workflow.upsert_memo({"a": 1}))

    handle = engine.start("main")
    engine.turns()

    assert handle.describe().problem_count == 1


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        handle = client.start_workflow(Shop, id="shop", search_attributes={"first": 0})
        for number in range(3):
            handle.signal(Shop.show, {f"n{number}": number, f"n{(number + 1) % 3}": None})
            engine.turns()
            handle.signal(Shop.tell, {"n": number})
            engine.turns()
        handle.cancel()
        rest(engine, clock)
        assert handle.describe().search_attributes == {"first": 0, "n1": 1, "n2": 2}

    same_when_lost(story, clock)
