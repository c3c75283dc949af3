"""Reopened runs go on from before their failure; what succeeded is not repeated."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aion import ApplicationError, ChildWorkflowError, RetryPolicy, client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.errors import RunNotFound, WorkflowFailureError, WrongState
from aion.models import Run
from tests.language.worlds import chain, found, kinds, rest, same_when_lost, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db

ONCE = RetryPolicy(maximum_attempts=1)


class Bench:
    """Activities that work or fail as a test says, and what they have done."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.done: list[str] = []

    def work(self, name: str) -> str:
        self.done.append(name)
        if name in self.broken:
            raise ApplicationError(f"{name} is broken", type="Broken")
        return f"{name} done"


@pytest.fixture
def bench(acting: Any) -> Bench:
    made = Bench()

    @acting
    def work(name: str) -> str:
        return made.work(name)

    return made


def work(name: str) -> Any:
    return kit.act.with_options(retry=ONCE).execute("work", name)


@pytest.fixture(autouse=True)
def _scripts(script: Any) -> None:
    @script
    async def steps(me: Scripted) -> list[Any]:
        first = await work("a")
        second = await asyncio.gather(work("b"), work("c"))
        await workflow.wait_condition(lambda: me.notes)
        await asyncio.sleep(10)
        return [first, *second, await work("d"), *me.notes]


def failed(engine: Engine, clock: StandingClock) -> WorkflowHandle:
    handle = engine.start("steps", id="r")
    rest(engine, clock)
    return handle


# --- why it had ended -----------------------------------------------------------------------------


@pytest.mark.parametrize("broken", "abc")
def test_after_a_failed_activity_that_one_is_tried_again(
    engine: Engine, clock: StandingClock, bench: Bench, broken: str
) -> None:
    bench.broken = {broken}
    handle = failed(engine, clock)
    assert str(handle.describe().status) == "failed"
    bench.broken.clear()
    bench.done.clear()
    handle.reopen("mended")
    handle.signal("note", 1)
    rest(engine, clock)

    assert handle.result(0) == ["a done", "b done", "c done", "d done", 1]
    assert bench.done.count(broken) == 1
    done_before = {"a": "", "b": "a", "c": "a"}[broken]
    assert not set(done_before) & set(bench.done)


def test_a_second_and_a_third_time(engine: Engine, clock: StandingClock, bench: Bench) -> None:
    bench.broken = set("abcd")
    handle = failed(engine, clock)
    for name in "abc":
        bench.broken.discard(name)
        handle.reopen(f"mended {name}")
        rest(engine, clock)
    handle.signal("note", 1)
    rest(engine, clock)
    assert str(handle.describe().status) == "failed"
    bench.broken.clear()
    handle.reopen("all mended")
    rest(engine, clock)

    assert handle.result(0) == ["a done", "b done", "c done", "d done", 1]
    assert bench.done.count("a") == 2
    assert bench.done.count("d") == 2
    assert kinds(handle).count("WorkflowReopened") == 4


def test_after_an_error_of_the_code_the_last_arrival_comes_again(
    engine: Engine, clock: StandingClock, bench: Bench, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> Any:
        await work("a")
        await workflow.wait_condition(lambda: me.notes)
        raise ValueError("a mistake")

    handle = engine.start("main")
    engine.go()
    handle.signal("note", 5)
    engine.go()
    assert str(handle.describe().status) == "failed"

    @script
    async def main(me: Scripted) -> Any:  # noqa: F811
        result = await work("a")
        await workflow.wait_condition(lambda: me.notes)
        return [result, me.notes]

    handle.reopen()
    engine.go()

    assert handle.result(0) == ["a done", [5]]
    assert bench.done == ["a"]


def test_after_an_error_in_the_first_turn(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> None:
        await asyncio.sleep(0)
        raise ValueError("at once")

    handle = engine.start("main")
    engine.turns()

    @script
    async def main(me: Scripted) -> str:  # noqa: F811
        await asyncio.sleep(1)
        return "another beginning"

    handle.reopen()
    rest(engine, clock)

    assert handle.result(0) == "another beginning"
    assert kinds(handle)[:4] == [
        "WorkflowStarted",
        "WorkflowFailed",
        "WorkflowReopened",
        "TimerStarted",
    ]


@pytest.mark.parametrize("end", ["cancel", "terminate", "timeout"])
@pytest.mark.parametrize("stage", ["unstarted", "activity", "note", "timer"])
def test_after_an_end_from_outside_it_goes_on_where_it_stood(
    engine: Engine, clock: StandingClock, bench: Bench, end: str, stage: str
) -> None:
    handle = engine.start("steps", id="r", run_timeout=timedelta(days=1))
    if stage == "activity":
        engine.turns()
    elif stage != "unstarted":
        engine.go()
    if stage == "timer":
        handle.signal("note", 1)
        engine.go()
    {"cancel": handle.cancel, "terminate": handle.terminate, "timeout": lambda: clock.move(86_400)}[
        end
    ]()
    engine.turns()
    ended = {"cancel": "cancelled", "terminate": "terminated", "timeout": "timed_out"}
    if not (end == "timeout" and stage == "timer"):  # the timer was due as well, and came first
        assert str(handle.describe().status) == ended[end]
    if not handle.describe().status.is_open:
        handle.reopen()
    if stage != "timer":
        handle.signal("note", 1)
    rest(engine, clock)

    assert handle.result(0) == ["a done", "b done", "c done", "d done", 1]
    assert sorted(bench.done) == list("abcd")


def test_a_cancelled_run_goes_on_from_before_the_request(
    engine: Engine, clock: StandingClock, bench: Bench, script: Any
) -> None:
    """Its cleanup is undone, what came of earlier work in the meantime is not."""

    @script
    async def main(me: Scripted) -> list[Any]:
        early = asyncio.ensure_future(work("early"))
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await work("cleanup")
            raise
        return [await early, await work("late"), *me.notes]

    handle = engine.start("main")
    engine.turns()
    running = engine.begin()
    assert running is not None
    handle.cancel()
    engine.turns()
    engine.perform(running)
    handle.signal("note", "while it cleaned up")
    engine.go()
    assert str(handle.describe().status) == "cancelled"
    assert bench.done == ["early", "cleanup"]
    handle.reopen()
    rest(engine, clock)

    assert handle.result(0) == ["early done", "late done", "while it cleaned up"]
    assert bench.done == ["early", "cleanup", "late"]


def test_a_local_activity_that_is_done_is_not_done_again(
    engine: Engine, clock: StandingClock, bench: Bench, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        await kit.act.with_options(local=True).execute("work", "local")
        raise ValueError("a mistake")

    handle = engine.start("main")
    engine.turns()
    assert str(handle.describe().status) == "failed"

    @script
    async def main(me: Scripted) -> str:  # noqa: F811
        return await kit.act.with_options(local=True).execute("work", "local")

    handle.reopen()
    engine.turns()

    assert handle.result(0) == "local done"
    assert bench.done == ["local"]


def test_deadlines_do_not_hold_any_more(engine: Engine, clock: StandingClock, bench: Bench) -> None:
    handle = engine.start("steps", execution_timeout=timedelta(seconds=60))
    engine.go()
    clock.move(60)
    engine.turns()
    assert str(handle.describe().status) == "timed_out"
    handle.reopen()
    clock.move(600)
    handle.signal("note", 1)
    rest(engine, clock)

    assert str(handle.describe().status) == "completed"


# --- what it finds again --------------------------------------------------------------------------


def test_activities_whose_cancel_was_asked_for_do_not_run_again(
    engine: Engine, clock: StandingClock, bench: Bench, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        loser = asyncio.ensure_future(work("loser"))
        await asyncio.sleep(1)
        loser.cancel()
        await asyncio.sleep(1)
        return await work("last")

    bench.broken = {"last"}
    handle = engine.start("main")
    engine.turns()
    for _ in range(2):
        clock.move(1)
        engine.turns()
    rest(engine, clock)
    assert str(handle.describe().status) == "failed"
    bench.broken.clear()
    handle.reopen()
    rest(engine, clock)

    assert handle.result(0) == "last done"
    assert "loser" not in bench.done


def test_a_child_of_the_undone_part_is_started_anew(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def child(me: Scripted, value: int) -> int:
        await asyncio.sleep(1)
        return value

    @script
    async def main(me: Scripted) -> int:
        await workflow.wait_condition(lambda: me.notes)
        await workflow.start_child_workflow(Scripted, "child", 1)
        raise ValueError("a mistake")

    handle = engine.start("main", id="main")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    assert str(handle.describe().status) == "failed"

    @script
    async def main(me: Scripted) -> int:  # noqa: F811
        await workflow.wait_condition(lambda: me.notes)
        child = await workflow.start_child_workflow(Scripted, "child", 2)
        return await child

    handle.reopen()
    rest(engine, clock)

    assert handle.result(0) == 2
    ids = [event.run_id for event in found(handle, events.ChildWorkflowStarted)]
    assert len(set(ids)) == 2
    assert Run.objects.filter(parent_run_id=handle.run_id).count() == 2


@pytest.mark.parametrize("policy", ["terminate", "request_cancel", "abandon"])
@pytest.mark.parametrize("late", [True, False])
def test_a_child_that_was_awaited_answers(
    engine: Engine, clock: StandingClock, bench: Bench, script: Any, policy: str, late: bool
) -> None:
    """Its end came while nobody could hear it, or is still to come."""

    @script
    async def child(me: Scripted) -> str:
        await asyncio.sleep(50)
        return "grown up"

    @script
    async def main(me: Scripted) -> list[str]:
        waiting = asyncio.ensure_future(
            workflow.execute_child_workflow(
                Scripted, "child", id="child", parent_close_policy=policy
            )
        )
        await asyncio.sleep(1)
        done = await work("x")
        try:
            return [done, await waiting]
        except ChildWorkflowError as error:
            return [done, type(error.cause).__name__]

    bench.broken = {"x"}
    handle = engine.start("main")
    engine.turns()
    clock.move(1)
    engine.go()
    assert str(handle.describe().status) == "failed"
    if late:
        rest(engine, clock)
    bench.broken.clear()
    handle.reopen()
    rest(engine, clock)

    ends = {
        "terminate": "TerminatedError",
        "request_cancel": "CancelledError",
        "abandon": "grown up",
    }
    assert handle.result(0) == ["x done", ends[policy]]


def test_what_is_shown_is_what_still_counts(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> None:
        workflow.upsert_search_attributes({"stage": "first"})
        workflow.upsert_memo({"m": 1})
        await workflow.wait_condition(lambda: me.notes)
        workflow.upsert_search_attributes({"stage": "second", "more": 1})
        workflow.patched("undone")
        raise ValueError

    handle = engine.start("main", memo={"given": 1})
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    assert handle.describe().search_attributes["stage"] == "second"

    @script
    async def main(me: Scripted) -> None:  # noqa: F811
        workflow.upsert_search_attributes({"stage": "first"})
        workflow.upsert_memo({"m": 1})
        await workflow.wait_condition(lambda: len(me.notes) > 1)

    handle.reopen()
    engine.turns()

    about = handle.describe()
    assert about.search_attributes == {"stage": "first"}
    assert about.memo == {"given": 1, "m": 1}


def test_messages_reach_it_again(engine: Engine, clock: StandingClock, bench: Bench) -> None:
    bench.broken = {"a"}
    handle = failed(engine, clock)
    bench.broken.clear()
    handle.reopen()
    update_free = client.get_workflow_handle("r")
    update_free.signal("note", 2)
    rest(engine, clock)

    assert handle.result(0)[-1] == 2


# --- refused --------------------------------------------------------------------------------------


def test_an_open_a_completed_and_an_unknown_run_are_refused(
    engine: Engine, clock: StandingClock, bench: Bench
) -> None:
    handle = engine.start("steps", id="r")
    with pytest.raises(WrongState):
        handle.reopen()
    handle.signal("note", 1)
    rest(engine, clock)
    with pytest.raises(WrongState):
        handle.reopen()
    with pytest.raises(RunNotFound):
        client.get_workflow_handle("nobody").reopen()
    assert "WorkflowReopened" not in kinds(handle)


def test_another_open_run_of_the_id_stands_in_the_way(
    engine: Engine, clock: StandingClock, bench: Bench
) -> None:
    bench.broken = {"a"}
    first = failed(engine, clock)
    second = engine.start("steps", id="r")
    before = kinds(first)

    with pytest.raises(WrongState, match="another open run"):
        first.reopen()
    assert kinds(first) == before
    second.terminate()
    bench.broken.clear()
    first.reopen()
    assert status("r") == "running"


def test_a_waiter_hears_the_new_end(engine: Engine, clock: StandingClock, bench: Bench) -> None:
    bench.broken = {"a"}
    handle = failed(engine, clock)
    with pytest.raises(WorkflowFailureError):
        handle.result(0)
    bench.broken.clear()
    handle.reopen()
    handle.signal("note", 1)
    rest(engine, clock)

    assert handle.result(0)
    assert len(chain("r")) == 1


def test_the_same_history_when_instances_are_lost(clock: StandingClock, bench: Bench) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        bench.broken = {"b", "d"}
        handle = engine.start("steps", id="r")
        rest(engine, clock)
        bench.broken = {"d"}
        handle.reopen()
        rest(engine, clock)
        handle.signal("note", 1)
        rest(engine, clock)
        handle.reopen()
        bench.broken = set()
        rest(engine, clock)
        assert str(handle.describe().status) == "completed"

    same_when_lost(story, clock)
