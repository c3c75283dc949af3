"""Retry policies of workflows: a failed run is tried again as the next of its chain."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aion import ApplicationError, ChildWorkflowError, RetryPolicy, client, workflow
from aion.core import events
from aion.core.errors import WorkflowFailureError
from tests.language.worlds import chain, found, kinds, rest, same_when_lost, status
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db

POLICY = RetryPolicy(initial_interval=timedelta(seconds=10), maximum_attempts=3, jitter=0.0)


@pytest.fixture(autouse=True)
def _scripts(script: Any) -> None:
    @script
    async def flaky(me: Scripted, good: int, kind: str = "Flaky") -> int:
        attempt = workflow.info().attempt
        if attempt < good:
            raise ApplicationError(f"attempt {attempt}", type=kind, non_retryable=kind == "Final")
        return attempt

    @script
    async def main(me: Scripted, child: str, *args: Any) -> Any:
        try:
            return await workflow.execute_child_workflow(
                Scripted, child, *args, id="child", retry=POLICY
            )
        except ChildWorkflowError as error:
            return str(error.cause)


def test_a_failed_child_is_tried_again_and_answers_once(
    engine: Engine, clock: StandingClock
) -> None:
    began = clock.at
    handle = engine.start("main", "flaky", 3)
    rest(engine, clock)

    assert handle.result(0) == 3
    runs = chain("child")
    assert [str(run.describe().status) for run in runs] == ["failed", "failed", "completed"]
    assert clock.at - began == timedelta(seconds=10 + 20)
    assert len(found(handle, events.ChildOutcome)) == 1
    starts = [found(run, events.WorkflowStarted)[0] for run in runs]
    assert [start.attempt for start in starts] == [1, 2, 3]
    assert [start.last_failure and start.last_failure.message for start in starts] == [
        None,
        "attempt 1",
        "attempt 2",
    ]


def test_the_last_failure_is_the_answer(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("main", "flaky", 9)
    rest(engine, clock)

    assert handle.result(0) == "attempt 3"
    assert len(chain("child")) == 3
    with pytest.raises(WorkflowFailureError, match="attempt 3"):
        chain("child")[0].result(0)  # a handle of the first follows the chain


def test_a_final_error_is_not_tried_again(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("main", "flaky", 9, "Final")
    rest(engine, clock)

    assert handle.result(0) == "attempt 1"
    assert len(chain("child")) == 1


@pytest.mark.parametrize("end", ["cancel", "terminate", "timeout"])
def test_only_failures_are_tried_again(
    engine: Engine, clock: StandingClock, script: Any, end: str
) -> None:
    @script
    async def nap(me: Scripted) -> None:
        await asyncio.sleep(1000)

    @script
    async def main(me: Scripted) -> str:
        try:
            return await workflow.execute_child_workflow(
                Scripted, "nap", id="child", retry=POLICY, run_timeout=timedelta(seconds=60)
            )
        except ChildWorkflowError as error:
            return type(error.cause).__name__

    handle = engine.start("main")
    engine.turns()
    child = client.get_workflow_handle("child")
    {"cancel": child.cancel, "terminate": child.terminate, "timeout": lambda: None}[end]()
    rest(engine, clock)

    assert len(chain("child")) == 1
    assert (
        handle.result(0)
        == {
            "cancel": "CancelledError",
            "terminate": "TerminatedError",
            "timeout": "TimeoutError",
        }[end]
    )


def test_messages_between_two_attempts_reach_the_next(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def picky(me: Scripted) -> list[Any]:
        if workflow.info().attempt == 1:
            raise ApplicationError("not now")
        await workflow.wait_condition(lambda: len(me.notes) > 1)
        return me.notes

    handle = engine.start("main", "picky")
    engine.turns()
    assert status("child") == "running"  # the second attempt waits for its time
    client.get_workflow_handle("child").signal("note", 1)
    engine.turns()
    clock.move(10)
    client.get_workflow_handle("child").signal("note", 2)
    engine.turns()

    assert handle.result(0) == [1, 2]


def test_a_message_from_a_run_that_meets_a_failed_attempt_is_handed_on(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    from aion.models import Message

    @script
    async def picky(me: Scripted) -> list[Any]:
        if workflow.info().attempt == 1:
            await workflow.wait_condition(lambda: me.notes)
            raise ApplicationError("not now")
        await workflow.wait_condition(lambda: me.notes)
        return me.notes

    @script
    async def send(me: Scripted) -> str:
        await workflow.get_external_workflow_handle("child").signal("note", "handed on")
        return "delivered"

    handle = engine.start("main", "picky")
    engine.turns()
    first = chain("child")[0]
    sender = engine.start("send")
    engine.turn()
    late = Message.objects.filter(run_id=first.run_id).values("kind", "body", "created_at").get()
    Message.objects.filter(run_id=first.run_id).delete()
    first.signal("note", "fail")
    engine.turns()
    Message.objects.create(run_id=first.run_id, parked=False, **late)
    rest(engine, clock)

    assert sender.result(0) == "delivered"
    assert handle.result(0) == ["handed on"]


def test_signals_that_nobody_took_move_to_the_next_attempt(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def reader(me: Scripted) -> Any:
        if workflow.info().attempt == 1:
            await workflow.wait_condition(lambda: me.notes)
            raise ApplicationError("not now")
        return await workflow.receive("mail")

    handle = engine.start("main", "reader")
    engine.turns()
    child = client.get_workflow_handle("child")
    child.signal("mail", 7)
    child.signal("note", 1)
    rest(engine, clock)

    assert handle.result(0) == 7


def test_memo_and_attributes_begin_as_they_were_given(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def child(me: Scripted) -> list[Any]:
        about = workflow.info()
        if about.attempt == 1:
            workflow.upsert_memo({"given": 0, "more": 1})
            raise ApplicationError("no")
        return [about.memo, about.search_attributes]

    @script
    async def main(me: Scripted) -> Any:
        return await workflow.execute_child_workflow(
            Scripted, "child", retry=POLICY, memo={"given": 1}, search_attributes={"a": 1}
        )

    handle = engine.start("main")
    rest(engine, clock)

    assert handle.result(0) == [{"given": 1}, {"a": 1}]


def test_an_attempt_that_continues_as_new_counts_from_one_again(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def mixed(me: Scripted, stage: int = 0) -> list[int]:
        attempt = workflow.info().attempt
        if attempt < 2:
            raise ApplicationError("first")
        if stage == 0:
            workflow.continue_as_new("mixed", 1)
        return [stage, attempt]

    handle = engine.start("main", "mixed")
    rest(engine, clock)

    assert handle.result(0) == [1, 2]
    assert [str(run.describe().status) for run in chain("child")] == [
        "failed",
        "continued_as_new",
        "failed",
        "completed",
    ]


def test_children_of_a_failed_attempt_do_not_stand_in_the_way_of_the_next(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def leaf(me: Scripted) -> None:
        await asyncio.sleep(1000)

    @script
    async def parent(me: Scripted) -> str:
        await workflow.start_child_workflow(Scripted, "leaf", id="leaf")
        await asyncio.sleep(1)
        if workflow.info().attempt == 1:
            raise ApplicationError("no")
        return "second"

    handle = engine.start("main", "parent")
    rest(engine, clock)

    assert handle.result(0) == "second"
    assert [kinds(run)[-1] for run in chain("leaf")] == ["WorkflowTerminated"] * 2


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        handle = engine.start("main", "flaky", 3, id="main")
        rest(engine, clock)
        assert handle.result(0) == 3

    same_when_lost(story, clock)
