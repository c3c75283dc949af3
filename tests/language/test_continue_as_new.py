"""Continue-as-new: what goes over to the successor, and how the chain reads."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aion import TimeoutError as AionTimeoutError
from aion import client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.errors import UpdateFailed
from aion.models import ActivityTask, Run, Timer
from tests.language.worlds import chain, failure_of, found, kinds, rest, same_when_lost, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db


@workflow.defn(name="continue.Counter")
class Counter:
    """Counts rounds; goes on as new in the way that it is asked to."""

    @workflow.init
    def __init__(self, left: int, how: str = "run") -> None:
        self.go = False
        self.seen: list[Any] = []

    @workflow.run
    async def run(self, left: int, how: str = "run") -> list[Any]:
        if left == 0:
            about = workflow.info()
            return [about.memo, about.search_attributes, about.attempt, about.started_at.second]
        if how == "run":
            workflow.upsert_memo({"left": left, "old": None})
            workflow.upsert_search_attributes({f"round{left}": left})
            workflow.continue_as_new(left - 1)
        await workflow.wait_condition(lambda: self.go)
        return ["not reached"]

    @workflow.signal
    def now(self, left: int) -> None:
        workflow.continue_as_new(left)

    @workflow.signal
    async def later(self, left: int) -> None:
        await asyncio.sleep(3)
        workflow.continue_as_new(left)

    @workflow.update
    async def soon(self, left: int) -> None:
        await asyncio.sleep(3)
        workflow.continue_as_new(left)

    @workflow.signal
    def finish(self) -> None:
        self.go = True


def test_the_chain_is_gapless_and_its_handle_follows_it(engine: Engine) -> None:
    handle = client.start_workflow(Counter, 3, id="c", memo={"old": 1, "kept": 2})
    engine.turns()

    memo, attributes, attempt, _ = handle.result(0)
    assert memo == {"kept": 2, "left": 1}
    assert attributes == {"round3": 3, "round2": 2, "round1": 1}
    assert attempt == 1
    runs = chain("c")
    assert [str(run.describe().status) for run in runs] == ["continued_as_new"] * 3 + ["completed"]
    seqs = [recorded.seq for run in runs for recorded in run.fetch_history()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert list(
        Run.objects.order_by("chain_position").values_list("chain_position", flat=True)
    ) == [
        0,
        1,
        2,
        3,
    ]
    for before, after in zip(runs, runs[1:], strict=False):
        assert after.describe().continued_from_run_id == before.run_id
        assert found(before, events.WorkflowContinuedAsNew)[0].successor_run_id == str(after.run_id)
        assert after.result(0) == handle.result(0)


def test_update_handlers_may_continue_as_new(engine: Engine, clock: StandingClock) -> None:
    handle = client.start_workflow(Counter, 9, "wait", id="c")
    engine.turns()
    update = handle.start_update("soon", 0, wait_for="")
    rest(engine, clock)

    assert len(chain("c")) == 2
    assert handle.result(0)[2] == 1
    with pytest.raises(UpdateFailed):
        update.result(0)


@pytest.mark.parametrize("handler", ["now", "later"])
def test_handlers_may_continue_as_new(engine: Engine, clock: StandingClock, handler: str) -> None:
    handle = client.start_workflow(Counter, 9, "wait", id="c")
    engine.turns()
    handle.signal(handler, 0)
    rest(engine, clock)

    assert len(chain("c")) == 2
    assert handle.result(0)[2] == 1


def test_a_return_in_the_same_turn_that_came_first_wins(engine: Engine) -> None:
    handle = client.start_workflow(Counter, 9, "wait", id="c")
    handle.signal(Counter.finish)
    handle.signal(Counter.now, 0)
    engine.turns()

    assert handle.result(0) == ["not reached"]


def test_what_is_given_replaces_what_would_be_carried_over(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> None:
        workflow.continue_as_new(
            3,
            "wait",
            workflow=Counter,
            memo={"new": 1},
            search_attributes={},
            task_queue="other",
            run_timeout=timedelta(seconds=7),
        )

    handle = engine.start("main", id="c", memo={"old": 1}, search_attributes={"old": 1})
    engine.turns()

    now = client.get_workflow_handle("c").describe()
    assert (now.workflow_type, now.memo, now.search_attributes, now.task_queue) == (
        "continue.Counter",
        {"new": 1},
        {},
        "other",
    )
    assert now.deadline_at == now.started_at + timedelta(seconds=7)
    assert now.run_id != handle.run_id


def test_unread_signals_move_in_their_order_and_read_ones_do_not(
    engine: Engine, script: Any
) -> None:
    @script
    async def first(me: Scripted) -> None:
        await workflow.receive("mail")
        await workflow.wait_condition(lambda: me.notes)
        workflow.continue_as_new("second")

    @script
    async def second(me: Scripted) -> list[Any]:
        got = [await workflow.receive("mail"), await workflow.receive("other")]
        return [*got, await workflow.receive("mail"), me.notes]

    handle = engine.start("first", id="c")
    for number, name in enumerate(["mail", "other", "mail", "mail"]):
        handle.signal(name, number)
    engine.turns()
    handle.signal("note", "go")
    engine.turns()

    assert handle.result(0) == [2, 1, 3, []]
    forwarded = found(chain("c")[1], events.SignalReceived)
    assert [signal.name for signal in forwarded] == ["other", "mail", "mail"]


def test_a_signal_that_comes_with_the_end_is_seen_by_the_old_run_or_the_new(
    engine: Engine, script: Any
) -> None:
    """Never lost: a handler of the old run took it, or it is carried over."""

    @script
    async def loop(me: Scripted, rounds: int) -> Any:
        if rounds == 3:
            return [await workflow.receive("mail") for _ in range(4)]
        await workflow.wait_condition(lambda: me.notes)
        workflow.continue_as_new("loop", rounds + 1)

    handle = engine.start("loop", 0, id="c")
    engine.turns()
    for number in range(3):
        now = client.get_workflow_handle("c")
        now.signal("note", number)
        now.signal("mail", number)
        engine.turns()
    client.get_workflow_handle("c").signal("mail", 3)
    engine.turns()

    assert handle.result(0) == [0, 1, 2, 3]


def test_a_forwarded_signal_is_answered_only_once(engine: Engine, script: Any) -> None:
    @script
    async def first(me: Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)
        workflow.continue_as_new("second")

    @script
    async def second(me: Scripted) -> Any:
        return await workflow.receive("mail")

    @script
    async def send(me: Scripted) -> str:
        await workflow.get_external_workflow_handle("c").signal("mail", 7)
        await workflow.wait_condition(lambda: me.notes)
        return "sent"

    handle = engine.start("first", id="c")
    engine.turns()
    sender = engine.start("send")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    sender.signal("note", 1)
    engine.turns()

    assert (handle.result(0), sender.result(0)) == (7, "sent")
    assert kinds(sender).count("ExternalRequestDelivered") == 1


def test_activities_and_timers_of_the_old_run_are_dropped(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def first(me: Scripted) -> None:
        kit.act.start("work")
        asyncio.ensure_future(asyncio.sleep(50))
        await workflow.wait_condition(lambda: me.notes)
        workflow.continue_as_new("second")

    @script
    async def second(me: Scripted) -> str:
        await workflow.wait_condition(lambda: me.notes)
        return "over"

    handle = engine.start("first", id="c")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    assert (ActivityTask.objects.count(), Timer.objects.count()) == (0, 0)
    client.get_workflow_handle("c").signal("note", 2)
    rest(engine, clock)

    assert handle.result(0) == "over"


def test_the_run_timeout_begins_anew_and_the_execution_timeout_does_not(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def loop(me: Scripted) -> None:
        await asyncio.sleep(6)
        workflow.continue_as_new("loop")

    handle = engine.start(
        "loop",
        id="c",
        run_timeout=timedelta(seconds=10),
        execution_timeout=timedelta(seconds=20),
    )
    rest(engine, clock)

    error = failure_of(handle)
    assert isinstance(error, AionTimeoutError)
    assert error.kind == "execution"
    assert len(chain("c")) == 4
    last = chain("c")[-1].describe()
    assert last.closed_at == chain("c")[0].describe().started_at + timedelta(seconds=20)


def test_it_may_be_caught_only_on_purpose_and_cleanup_runs(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted, again: bool) -> list[str]:
        seen: list[str] = []
        if again:
            try:
                workflow.continue_as_new("main", False)
            except Exception:
                seen.append("an ordinary except does not see it")
            finally:
                seen.append("cleaned up")
        return seen or ["second"]

    handle = engine.start("main", True)
    engine.turns()

    assert handle.result(0) == ["second"]


@pytest.mark.parametrize("bad", ["arguments", "memo", "workflow"])
def test_a_wish_that_cannot_be_had_is_an_error_where_it_is_made(
    engine: Engine, script: Any, bad: str
) -> None:
    @script
    async def main(me: Scripted) -> str:
        try:
            match bad:
                case "arguments":
                    workflow.continue_as_new(workflow=Counter)
                case "memo":
                    workflow.continue_as_new("main", memo={"a": object()})
                case _:
                    workflow.continue_as_new(workflow=print)
        except Exception as error:
            return type(error).__name__
        return "?"

    handle = engine.start("main")
    engine.turns()

    names = {"arguments": "TypeError", "memo": "PayloadUnserializable", "workflow": "UnknownType"}
    assert handle.result(0) == names[bad]


def test_a_successor_knows_its_root_and_parent(engine: Engine, script: Any) -> None:
    @script
    async def child(me: Scripted, left: int) -> list[Any]:
        if left:
            workflow.continue_as_new("child", left - 1)
        about = workflow.info()
        return [about.parent_workflow_id, about.root_workflow_id, bool(about.continued_from_run_id)]

    @script
    async def main(me: Scripted) -> Any:
        return await workflow.execute_child_workflow(Scripted, "child", 2)

    handle = engine.start("main", id="main")
    engine.turns()

    assert handle.result(0) == ["main", "main", True]


def test_a_signal_behind_the_one_that_ends_the_run_goes_to_the_successors_handler(
    engine: Engine, script: Any
) -> None:
    @script
    async def loop(me: Scripted, seen: list[Any]) -> list[Any]:
        await workflow.wait_condition(lambda: me.notes)
        seen = [*seen, *me.notes]
        if len(seen) < 4:
            workflow.continue_as_new("loop", seen)
        return seen

    handle = engine.start("loop", [], id="c")
    engine.turns()
    for number in range(4):
        handle.signal("note", number)
    engine.turns()

    assert handle.result(0) == [0, 1, 2, 3]
    assert len(chain("c")) == 4


def test_a_cancel_that_comes_with_the_end_is_handed_on(engine: Engine, script: Any) -> None:
    """A cancel request accepted by a run that goes on as new at that moment is not lost."""

    @script
    async def loop(me: Scripted, again: bool) -> str:
        if not again:
            await asyncio.sleep(1000)
        await workflow.wait_condition(lambda: me.notes)
        workflow.continue_as_new("loop", False)

    handle: WorkflowHandle = engine.start("loop", True, id="c")
    engine.turns()
    handle.signal("note", 1)
    handle.cancel("enough")
    engine.turns()

    assert status("c") == "cancelled"


def test_the_same_history_when_instances_are_lost(clock: StandingClock, script: Any) -> None:
    @script
    async def loop(me: Scripted, rounds: int, seen: list[Any]) -> list[Any]:
        seen.append(await workflow.receive("mail"))
        await asyncio.sleep(1)
        if rounds:
            workflow.upsert_memo({"round": rounds})
            workflow.continue_as_new("loop", rounds - 1, seen)
        return seen

    def story(engine: Engine, clock: StandingClock) -> None:
        handle = engine.start("loop", 3, [], id="c")
        for number in range(2):
            handle = client.get_workflow_handle("c")
            handle.signal("mail", number)
            handle.signal("mail", number)
            rest(engine, clock)
        assert handle.result(0) == [0, 0, 1, 1]

    same_when_lost(story, clock)
