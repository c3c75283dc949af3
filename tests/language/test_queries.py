"""Queries: by name, dynamic, registered while the code runs; they change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from aion import client, workflow
from aion.core.errors import InvalidArgument, QueryError, QueryRejected, UnknownQuery
from aion.models import Run
from tests.language.worlds import kinds, rest, same_when_lost
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db


@workflow.defn(name="queries.Shop")
class Shop:
    @workflow.init
    def __init__(self, stock: int) -> None:
        self.stock = stock
        self.open = True

    @workflow.run
    async def run(self, stock: int) -> int:
        await workflow.wait_condition(lambda: not self.open)
        return self.stock

    @workflow.signal
    def take(self, count: int) -> None:
        self.stock -= count

    @workflow.signal
    def close(self) -> None:
        self.open = False

    @workflow.query
    def left(self) -> int:
        return self.stock

    @workflow.query
    def spoil(self) -> int:
        self.stock = -1
        return self.stock

    @workflow.query(dynamic=True)
    def anything(self, name: str, args: list[Any]) -> list[Any]:
        return [name, *args, self.stock]

    @workflow.query
    def facts(self) -> list[Any]:
        return [workflow.now().isoformat(), workflow.info().workflow_id, workflow.is_replaying()]

    @workflow.query
    def misuse(self, what: str) -> None:
        FORBIDDEN[what]()


FORBIDDEN: dict[str, Callable[[], Any]] = {
    "start": lambda: kit.act.start("x"),
    "random": lambda: workflow.random(),
    "uuid": lambda: workflow.uuid4(),
    "sleep": lambda: asyncio.get_running_loop().call_later(1, print),
    "side effect": lambda: workflow.side_effect(lambda: 1),
    "patch": lambda: workflow.patched("new"),
    "memo": lambda: workflow.upsert_memo({"a": 1}),
    "handler": lambda: workflow.set_signal_handler("a", print),
    "continue": lambda: workflow.continue_as_new(1),
}


def test_a_query_sees_what_is_folded(engine: Engine) -> None:
    handle = client.start_workflow(Shop, 5)
    engine.turns()
    handle.signal(Shop.take, 2)
    assert handle.query(Shop.left) == 5
    engine.turns()
    assert handle.query(Shop.left) == 3


def test_a_query_before_the_first_turn_is_answered_with_what_there_is(engine: Engine) -> None:
    handle = client.start_workflow(Shop, 5)

    assert handle.query(Shop.left) == 5


@pytest.mark.parametrize("end", ["complete", "cancel", "terminate"])
def test_a_closed_run_still_answers(engine: Engine, end: str) -> None:
    handle = client.start_workflow(Shop, 5)
    handle.signal(Shop.take, 1)
    engine.turns()
    {
        "complete": lambda: handle.signal("close"),
        "cancel": handle.cancel,
        "terminate": handle.terminate,
    }[end]()
    engine.turns()

    assert not handle.describe().status.is_open
    assert handle.query(Shop.left) == 4


def test_what_a_query_changes_is_lost(engine: Engine) -> None:
    handle = client.start_workflow(Shop, 5)
    engine.turns()
    before = counts()

    assert handle.query(Shop.spoil) == -1
    assert handle.query(Shop.left) == 5
    assert counts() == before
    handle.signal(Shop.close)
    engine.turns()
    assert handle.result(0) == 5


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_query_may_not_act(engine: Engine, what: str) -> None:
    handle = client.start_workflow(Shop, 5)
    engine.turns()
    before = kinds(handle)

    with pytest.raises(QueryError):
        handle.query(Shop.misuse, what)
    assert handle.query(Shop.left) == 5
    assert kinds(handle) == before


def test_a_dynamic_query_takes_the_rest(engine: Engine) -> None:
    handle = client.start_workflow(Shop, 5)
    engine.turns()

    assert handle.query("how many", 1, "two") == ["how many", 1, "two", 5]
    assert handle.query("left") == 5


def test_a_query_reads_the_deterministic_world(engine: Engine, clock: StandingClock) -> None:
    handle = client.start_workflow(Shop, 5, id="shop")
    engine.turns()
    began = clock.at
    clock.move(99)

    assert handle.query(Shop.facts) == [began.isoformat(), "shop", False]


def test_a_query_handler_registered_while_the_code_runs(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)
        workflow.set_query_handler("late", lambda factor: len(me.notes) * factor)
        workflow.set_query_handler("read", lambda: "mine")
        await workflow.wait_condition(lambda: len(me.notes) > 1)
        workflow.set_query_handler("late", None)

    handle = engine.start("main")
    engine.turns()
    with pytest.raises(UnknownQuery, match="It has: broken, greedy, length, read"):
        handle.query("late", 10)
    handle.signal("note", 1)
    engine.turns()
    assert handle.query("late", 10) == 10
    assert handle.query("read") == "mine"
    handle.signal("note", 2)
    engine.turns()
    with pytest.raises(UnknownQuery):
        handle.query("late", 10)


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        handle = client.start_workflow(Shop, 9, id="shop")
        for count in range(3):
            handle.query(Shop.spoil)
            handle.signal(Shop.take, count)
            engine.turns()
            handle.query(Shop.spoil)
        handle.signal(Shop.close)
        rest(engine, clock)
        assert handle.result(0) == 6

    same_when_lost(story, clock)


# --- runs that do not move ------------------------------------------------------------------------


def test_a_paused_run_answers_with_what_is_folded(engine: Engine) -> None:
    handle = client.start_workflow(Shop, 5)
    handle.signal(Shop.take, 2)
    engine.turns()
    handle.pause()
    handle.signal(Shop.take, 1)
    engine.turns()

    assert handle.query(Shop.left) == 3
    assert handle.query(Shop.left, reject="not_open") == 3
    handle.resume()
    engine.turns()
    assert handle.query(Shop.left) == 2


def test_a_held_run_answers_with_what_is_folded(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        await workflow.wait_condition(lambda: len(me.notes) > 1)
        asyncio.get_running_loop().run_in_executor(None, print)

    handle = engine.start("main")
    handle.signal("note", 1)
    engine.turns()
    handle.signal("note", 2)
    engine.turns()

    assert handle.describe().problem_count == 1
    assert handle.query("read") == [1]  # the turn that holds it is not folded
    assert handle.query("__stack_trace").endswith("waits for a condition")


def test_a_held_run_whose_code_does_not_fit_says_why(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        await asyncio.sleep(5)

    handle = engine.start("main")
    engine.turns()

    @script
    async def main(me: kit.Scripted) -> None:  # noqa: F811
        await kit.act.execute("changed")

    with pytest.raises(QueryError, match="cannot be answered: The code no longer fits"):
        handle.query("read")
    handle.terminate()
    Run.objects.update(problem="{}")  # its history is looked at no more: no code fits it


# --- runs that shall not answer -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "not_open", "not_clean"),
    [
        ("", False, False),
        ("complete", True, False),
        ("cancel", True, True),
        ("terminate", True, True),
    ],
)
def test_a_reject_condition_excludes_runs(
    engine: Engine, end: str, not_open: bool, not_clean: bool
) -> None:
    handle = client.start_workflow(Shop, 5)
    engine.turns()
    match end:
        case "complete":
            handle.signal("close")
        case "cancel":
            handle.cancel()
        case "terminate":
            handle.terminate()
    engine.turns()

    for condition, rejects in (
        (client.QueryRejectCondition.NONE, False),
        (client.QueryRejectCondition.NOT_OPEN, not_open),
        ("not_completed_cleanly", not_clean),
    ):
        if not rejects:
            assert handle.query(Shop.left, reject=condition) == 5
            continue
        with pytest.raises(QueryRejected) as caught:
            handle.query(Shop.left, reject=condition)
        assert caught.value.code == "query_rejected"
        assert caught.value.status is handle.describe().status  # type: ignore[attr-defined]


def test_a_condition_that_does_not_exist_is_refused(engine: Engine) -> None:
    handle = client.start_workflow(Shop, 5)

    with pytest.raises(InvalidArgument, match="reject must be one of none, not_open, not_compl"):
        handle.query(Shop.left, reject="never")
