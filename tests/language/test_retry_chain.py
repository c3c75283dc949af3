"""Retry policies of workflows: a failed run is tried again as the next of its chain."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aion import ApplicationError, ChildWorkflowError, RetryPolicy, client, workflow
from aion.core import events
from aion.core.errors import InvalidArgument, WorkflowFailureError
from aion.core.errors import TimeoutError as AionTimeoutError
from tests.language.worlds import (
    chain,
    failure_of,
    found,
    kinds,
    rest,
    same_when_lost,
    status,
)
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


@pytest.mark.parametrize(
    ("end", "runs", "cause"),
    [
        ("cancel", 1, "CancelledError"),
        ("terminate", 1, "TerminatedError"),
        ("timeout", 3, "TimeoutError"),
    ],
)
def test_failures_and_run_timeouts_are_tried_again_and_nothing_else(
    engine: Engine, clock: StandingClock, script: Any, end: str, runs: int, cause: str
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

    assert len(chain("child")) == runs
    assert handle.result(0) == cause


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


# --- runs that a client starts --------------------------------------------------------------------


def test_a_run_of_a_client_is_tried_again_and_its_handle_follows(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("flaky", 3, id="mine", retry=POLICY, request_id="r")
    first = handle.describe()
    rest(engine, clock)

    assert handle.result(0) == 3
    assert [run.describe().attempt for run in chain("mine")] == [1, 2, 3]
    assert [str(run.describe().status) for run in chain("mine")] == [
        "failed",
        "failed",
        "completed",
    ]
    again = engine.start("flaky", 3, id="mine", retry=POLICY, request_id="r")
    assert (again.run_id, again.created) == (first.run_id, False)


def test_the_policy_of_the_definition_holds_where_the_starter_gives_none(
    engine: Engine, clock: StandingClock
) -> None:
    from tests.support.kit import stubborn

    client.start_workflow(stubborn, id="default")
    client.start_workflow(stubborn, id="once", retry=RetryPolicy(maximum_attempts=1))
    rest(engine, clock)

    assert (len(chain("default")), len(chain("once"))) == (2, 1)


def test_children_take_the_policy_of_their_definition(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    from tests.support.kit import stubborn

    @script
    async def parent(me: Scripted) -> str:
        try:
            return await workflow.execute_child_workflow(stubborn, id="child")
        except ChildWorkflowError as error:
            return str(error.cause)

    handle = engine.start("parent")
    rest(engine, clock)

    assert handle.result(0) == "attempt 2"
    assert len(chain("child")) == 2


def test_an_error_may_say_when_it_is_tried_again(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def later(me: Scripted) -> int:
        if workflow.info().attempt == 1:
            raise ApplicationError("not now", next_retry_delay=timedelta(hours=5))
        return workflow.info().attempt

    began = clock.at
    handle = engine.start("later", retry=POLICY)
    rest(engine, clock)

    assert handle.result(0) == 2
    assert clock.at == began + timedelta(hours=5)


@pytest.mark.parametrize("listed", [True, False])
def test_types_that_are_listed_or_marked_end_at_once(
    engine: Engine, clock: StandingClock, listed: bool
) -> None:
    policy = RetryPolicy(non_retryable=("Listed",))
    engine.start("flaky", 9, "Listed" if listed else "Final", id="mine", retry=policy)
    rest(engine, clock)

    assert len(chain("mine")) == 1


def test_an_attempt_knows_why_the_one_before_failed(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def curious(me: Scripted) -> list[Any]:
        failure = workflow.get_last_failure()
        if workflow.info().attempt == 1:
            raise ApplicationError(f"before: {failure}", 7, type="Odd")
        assert isinstance(failure, ApplicationError)
        return [str(failure), failure.type, list(failure.details), workflow.info().retry is None]

    handle = engine.start("curious", retry=POLICY)
    rest(engine, clock)

    assert handle.result(0) == ["before: None", "Odd", [7], False]


def test_a_failure_is_forgotten_when_the_attempt_behind_it_continues_as_new(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted, stage: int = 0) -> list[Any]:
        seen = str(workflow.get_last_failure())
        if stage == 0 and workflow.info().attempt == 1:
            raise ApplicationError("once")
        if stage == 0:
            workflow.continue_as_new("main", 1)
        return [seen, workflow.info().attempt]

    handle = engine.start("main", id="mine", retry=POLICY)
    rest(engine, clock)

    assert handle.result(0) == ["None", 1]
    starts = [found(run, events.WorkflowStarted)[0] for run in chain("mine")]
    assert [start.initiator for start in starts] == ["", "retry", "continue_as_new"]
    assert [start.last_failure is None for start in starts] == [True, False, True]


def test_the_execution_timeout_spans_all_attempts_and_ends_the_chain(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def slow(me: Scripted) -> None:
        await asyncio.sleep(40)
        raise ApplicationError("slow")

    began = clock.at
    policy = RetryPolicy(initial_interval=timedelta(seconds=10), maximum_attempts=0, jitter=0.0)
    handle = engine.start("slow", id="mine", retry=policy, execution_timeout=timedelta(seconds=80))
    rest(engine, clock)

    error = failure_of(handle)
    assert isinstance(error, AionTimeoutError)
    assert error.kind == "execution"
    assert clock.at == began + timedelta(seconds=80)
    assert [str(run.describe().status) for run in chain("mine")] == ["failed", "timed_out"]


def test_no_attempt_waits_for_what_lies_behind_the_execution_timeout(
    engine: Engine, clock: StandingClock
) -> None:
    began = clock.at
    handle = engine.start(
        "flaky", 9, id="mine", retry=POLICY, execution_timeout=timedelta(seconds=20)
    )
    rest(engine, clock)

    assert str(failure_of(handle)) == "attempt 2"  # the third would begin after 30 seconds
    assert clock.at == began + timedelta(seconds=10)


def test_a_cancel_during_the_back_off_ends_the_chain_without_running_code(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("flaky", 9, id="mine", retry=POLICY)
    engine.turns()
    waiting = client.get_workflow_handle("mine")
    assert waiting.describe().next_start_at == clock.at + timedelta(seconds=10)

    waiting.cancel("enough")
    rest(engine, clock)

    assert kinds(chain("mine")[-1]) == ["WorkflowStarted", "WorkflowCancelled"]
    assert str(failure_of(handle)) == "enough"
    assert len(chain("mine")) == 2
    assert waiting.query("length") == 0  # its history replays


def test_a_cancel_from_a_run_during_the_back_off_is_answered(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def ender(me: Scripted) -> str:
        await workflow.get_external_workflow_handle("mine").cancel("enough")
        return "asked"

    engine.start("flaky", 9, id="mine", retry=POLICY)
    engine.turns()
    sender = engine.start("ender")
    engine.turns()

    assert sender.result(0) == "asked"
    assert status("mine") == "cancelled"


def test_a_run_that_was_asked_to_cancel_is_not_tried_again(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def sore(me: Scripted) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            raise ApplicationError("could not clean up") from None

    handle = engine.start("sore", id="mine", retry=POLICY)
    engine.turns()
    handle.cancel()
    rest(engine, clock)

    assert str(failure_of(handle)) == "could not clean up"
    assert len(chain("mine")) == 1


def test_terminating_a_waiting_attempt_ends_the_chain(engine: Engine, clock: StandingClock) -> None:
    engine.start("flaky", 9, id="mine", retry=POLICY)
    engine.turns()
    client.get_workflow_handle("mine").terminate("enough")
    rest(engine, clock)

    assert [str(run.describe().status) for run in chain("mine")] == ["failed", "terminated"]


def test_a_message_does_not_hasten_an_attempt(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("flaky", 2, id="mine", retry=POLICY)
    engine.turns()
    client.get_workflow_handle("mine").signal("note", 1)
    engine.turns()
    assert kinds(chain("mine")[-1]) == ["WorkflowStarted"]
    clock.move(10)
    engine.turns()

    assert handle.result(0) == 2
    assert kinds(chain("mine")[-1]) == ["WorkflowStarted", "SignalReceived", "WorkflowCompleted"]


def test_a_worker_whose_clock_is_behind_does_not_park_the_mail_of_a_run_that_began(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def waits(me: Scripted) -> list[Any]:
        if workflow.info().attempt == 1:
            raise ApplicationError("no")
        await workflow.wait_condition(lambda: me.notes)
        return me.notes

    handle = engine.start("waits", id="mine", retry=POLICY)
    engine.turns()
    clock.move(10)
    engine.turns()
    engine.loop.turns.cache.clear()
    clock.move(-5)
    client.get_workflow_handle("mine").signal("note", 1)
    engine.turns()

    assert handle.result(0) == [1]


def test_a_run_timeout_of_each_attempt_counts_from_its_own_start(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def slow(me: Scripted) -> int:
        attempt = workflow.info().attempt
        if attempt < 3:
            await asyncio.sleep(1000)
        return attempt

    began = clock.at
    handle = engine.start("slow", id="mine", retry=POLICY, run_timeout=timedelta(seconds=60))
    rest(engine, clock)

    assert handle.result(0) == 3
    assert clock.at == began + timedelta(seconds=60 + 10 + 60 + 20)
    failure = found(chain("mine")[1], events.WorkflowStarted)[0].last_failure
    assert (failure.type, failure.kind) == ("TimeoutError", "timeout")


def test_a_paused_attempt_that_times_out_hands_on_what_waited_and_what_was_not_read(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def reader(me: Scripted) -> list[Any]:
        if workflow.info().attempt == 1:
            await asyncio.sleep(1000)
        return [await workflow.receive("mail"), await workflow.receive("mail")]

    handle = engine.start("reader", id="mine", retry=POLICY, run_timeout=timedelta(seconds=60))
    engine.turns()
    handle.signal("mail", 1)
    engine.turns()
    handle.pause()
    handle.signal("mail", 2)
    rest(engine, clock)

    assert handle.result(0) == [1, 2]


def test_signal_with_start_takes_a_policy(engine: Engine, clock: StandingClock) -> None:
    handle = client.signal_with_start(
        Scripted, "flaky", 2, id="mine", signal="note", signal_args=(1,), retry=POLICY
    )
    rest(engine, clock)

    assert handle.result(0) == 2


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="retry must be a RetryPolicy") as caught:
        client.start_workflow(Scripted, "flaky", 2, retry=3)  # type: ignore[arg-type]

    assert caught.value.field == "retry"  # type: ignore[attr-defined]


def test_the_same_chain_of_a_client_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        engine.start("flaky", 3, id="mine", retry=POLICY)
        engine.turns()
        client.get_workflow_handle("mine").signal("note", 1)
        rest(engine, clock)

    same_when_lost(story, clock)
