"""Runs that go on after a reopening or a reset: their chain, and what they hear of other runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from aion import RetryPolicy, client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.errors import WorkflowFailureError, WrongState
from aion.core.pending import group_ends
from aion.models import Message
from aion.store import mailbox
from tests.language.worlds import chain, found, kinds, rest, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

ONCE = RetryPolicy(maximum_attempts=1)


@pytest.fixture(autouse=True)
def _scripts(script: Any, acting: Any) -> None:
    @acting
    def work(name: str) -> str:
        if name == "bad":
            raise ValueError(name)
        return f"{name} done"

    @script
    async def listen(me: Scripted, want: int = 1) -> list[Any]:
        await workflow.wait_condition(lambda: len(me.notes) >= want)
        return me.notes

    @script
    async def again(me: Scripted, rounds: int) -> str:
        await workflow.wait_condition(lambda: me.notes)
        if rounds:
            workflow.continue_as_new("again", rounds - 1)
        return "the last"

    @script
    async def send(me: Scripted, verb: str = "signal") -> list[Any]:
        """Sends, and does something else meanwhile."""
        other = workflow.get_external_workflow_handle("r")
        sending = other.signal("note", "hello") if verb == "signal" else other.cancel("please")
        told = asyncio.ensure_future(sending)
        await workflow.wait_condition(lambda: me.notes)
        try:
            await told
        except Exception as error:
            return [*me.notes, getattr(error, "type", type(error).__name__)]
        return [*me.notes, "delivered"]


# --- the chain ------------------------------------------------------------------------------------


def test_only_the_last_run_of_a_chain_goes_on(engine: Engine, clock: StandingClock) -> None:
    first = engine.start("again", 1, id="c")
    engine.turns()
    first.signal("note", 1)
    engine.turns()
    second = chain("c")[1]
    second.terminate()
    third = second.reset(second.fetch_history()[0].seq)
    before = counts()

    for older in (first, second):
        with pytest.raises(WrongState, match=f"last run of its chain is {third.run_id}") as caught:
            older.reset(older.fetch_history()[0].seq)
        assert caught.value.last_run_id == third.run_id
    with pytest.raises(WrongState, match=str(third.run_id)):
        second.reopen()
    assert counts() == before
    third.signal("note", 1)
    rest(engine, clock)
    assert third.result(0) == "the last"


def test_a_run_that_was_tried_again_stays_as_it_is(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> None:
        await workflow.execute_child_workflow(Scripted, "failing", id="c", retry=kit.PROMPT)

    @script
    async def failing(me: Scripted) -> None:
        await asyncio.sleep(1)
        raise ValueError

    engine.start("main")
    rest(engine, clock)
    runs = chain("c")
    assert len(runs) == 3

    for older in runs[:-1]:
        with pytest.raises(WrongState, match=str(runs[-1].run_id)):
            older.reopen()
        with pytest.raises(WrongState, match=str(runs[-1].run_id)):
            older.reset(older.fetch_history()[0].seq)


@pytest.mark.parametrize("end", ["completed", "terminated", "open"])
def test_a_result_is_that_of_the_last_run_of_the_chain(
    engine: Engine, clock: StandingClock, end: str
) -> None:
    handle = engine.start("listen", id="r")
    engine.turns()
    if end == "completed":
        handle.signal("note", "before")
        engine.turns()
        assert handle.result(0) == ["before"]
    if end == "terminated":
        handle.terminate()
        with pytest.raises(WorkflowFailureError):
            handle.result(0)
    new = handle.reset(1, reapply_signals=False)
    new.signal("note", "after")
    rest(engine, clock)

    assert handle.result(0) == new.result(0) == ["after"]


# --- from the first event -------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["terminate", "complete", None])
def test_reset_to_the_first_event_is_to_begin_anew(
    engine: Engine, clock: StandingClock, script: Any, end: str | None
) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        began = workflow.time()
        await asyncio.sleep(5)
        return [workflow.time() - began, await kit.act.execute("work", "a")]

    handle = engine.start("main", id="m")
    engine.turns()
    if end == "terminate":
        handle.terminate()
    if end == "complete":
        rest(engine, clock)
    clock.move(100)
    new = handle.reset(1, "once more")
    engine.turns()
    assert kinds(new) == ["WorkflowStarted", "WorkflowReopened", "TimerStarted"]
    rest(engine, clock)

    assert new.result(0) == [5.0, "a done"]


def test_a_start_without_commands_is_folded_at_the_reset(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    """Nothing in history stands between the first event and what comes later, but for the mark."""

    @script
    async def main(me: Scripted) -> float:
        began = workflow.time()
        await workflow.wait_condition(lambda: me.notes)
        return workflow.time() - began

    handle = engine.start("main", id="m")
    engine.turns()
    clock.move(100)
    new = handle.reset(1)
    engine.turns()
    clock.move(7)
    new.signal("note", 1)
    engine.turns()

    assert new.result(0) == 7.0


def test_a_signal_folded_behind_the_end_comes_again(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    """The activity's outcome ended the code; the signal came in the same turn, when it had ended."""

    @script
    async def main(me: Scripted) -> list[Any]:
        await kit.act.with_options(retry=ONCE).execute("work", "bad")

    handle = engine.start("main", id="m")
    engine.turns()
    engine.act()
    handle.signal("note", "late")
    engine.turns()
    history = handle.fetch_history()
    ended = history[-1].event
    assert isinstance(ended, events.WorkflowFailed)
    outcome = next(r.seq for r in history if isinstance(r.event, events.ActivityFailed))
    assert (ended.decided_by, history[-2].kind) == (outcome, "SignalReceived")

    @script
    async def main(me: Scripted) -> list[Any]:  # noqa: F811
        try:
            await kit.act.with_options(retry=ONCE).execute("work", "bad")
        except Exception:
            await workflow.wait_condition(lambda: me.notes)
        return me.notes

    handle.reopen("deployed a better way")
    rest(engine, clock)

    assert handle.result(0) == ["late"]


# --- what it hears of other runs ------------------------------------------------------------------


def went_on(how: str, handle: WorkflowHandle) -> WorkflowHandle:
    """Close the run if need be, and let it go on from where it stood."""
    if how == "reopened":
        handle.reopen()
        return handle
    return handle.reset(group_ends(handle.fetch_history())[-1])


WAYS = ["reopened", "reset", "reset while open"]


@pytest.mark.parametrize("verb", ["signal", "cancel"])
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("answered", ["before", "between", "after"])
@pytest.mark.parametrize("receiver", ["takes", "closes"])
def test_an_answer_that_found_its_run_closed_is_found_again(
    engine: Engine, clock: StandingClock, how: str, answered: str, receiver: str, verb: str
) -> None:
    """The receiver answers before the sender is closed, between, or after it goes on."""

    def answer() -> None:
        if receiver == "takes":
            other.resume()
        else:
            other.terminate()

    other = engine.start("listen", 2, id="r")
    engine.turns()
    other.pause()
    sender = engine.start("send", verb, id="s")
    engine.turns()
    engine.turns()
    if answered == "before":
        sender.pause()  # so that the answer waits in its mailbox
        answer()
        engine.turns()
    if how != "reset while open":
        sender.terminate()
    if answered == "between":
        answer()
        engine.turns()
    sender = went_on(how, sender)
    if answered == "after":
        answer()
    engine.turns()
    sender.signal("note", "go on")
    rest(engine, clock)

    outcome = "delivered" if receiver == "takes" else "RunNotFound"
    assert sender.result(0) == ["go on", outcome]
    taken = {"signal": events.SignalReceived, "cancel": events.CancelRequested}[verb]
    assert len(found(other, taken)) == (receiver == "takes")


def test_a_signal_to_itself_is_not_lost_by_a_reset(engine: Engine, clock: StandingClock) -> None:
    sender = engine.start("send", id="r")
    engine.turn()
    sender.pause()
    new = sender.reset(group_ends(sender.fetch_history())[-1])
    rest(engine, clock)

    assert new.result(0) == ["hello", "delivered"]


def test_the_answer_to_an_undone_message_is_not_taken_for_another(
    engine: Engine, clock: StandingClock
) -> None:
    """After the reset the code sends anew; the old message's refusal must not settle the new one."""
    other = engine.start("listen", 5, id="r")
    engine.turns()
    other.pause()
    sender = engine.start("send", id="s")
    engine.turns()
    new = sender.reset(1)
    engine.turns()
    ids = [event.request_id for run in chain("s") for event in found(run, events.SignalSent)]
    assert len(set(ids)) == 2
    other.resume()
    new.signal("note", "go on")
    rest(engine, clock)

    assert new.result(0) == ["go on", "delivered"]
    assert len(found(other, events.SignalReceived)) == 2


@pytest.mark.parametrize("race", [False, True])
def test_an_open_child_of_a_closed_run_reports_to_the_reset_one(
    engine: Engine, clock: StandingClock, script: Any, race: bool
) -> None:
    """Also when its outcome is on the way to the closed run already."""

    @script
    async def main(me: Scripted) -> Any:
        child = await workflow.start_child_workflow(
            Scripted, "listen", id="child", parent_close_policy="abandon"
        )
        await workflow.wait_condition(lambda: me.notes)
        return await child

    handle = engine.start("main", id="m")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    handle.terminate()
    child = client.get_workflow_handle("child")
    new = handle.reset(group_ends(handle.fetch_history())[-1])
    assert child.describe().parent_run_id == new.run_id
    if race:  # what a child's turn does that has read its row before the reset
        told = events.ChildWorkflowCompleted(
            workflow_id="child",
            run_id=str(child.describe().run_id),
            result=msgspec.Raw(b'["raced"]'),
        )
        mailbox.post([mailbox.message(handle.describe().run_id, told)], now=clock.at)
        engine.turns()
        assert new.result(0) == ["raced"]
        child.terminate()
        return
    child.signal("note", "grown up")
    rest(engine, clock)

    assert new.result(0) == ["grown up"]


def test_a_close_policy_reaches_the_successor_of_an_adopted_child(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> Any:
        child = await workflow.start_child_workflow(Scripted, "again", 5, id="child")
        await workflow.wait_condition(lambda: me.notes)
        return await child

    handle = engine.start("main", id="m")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    new = handle.reset(group_ends(handle.fetch_history())[1])
    client.get_workflow_handle("child").signal("note", 1)
    engine.turns()
    assert len(chain("child")) == 2
    assert chain("child")[1].describe().parent_run_id == new.run_id
    new.terminate()
    engine.turns()

    assert status("child") == "terminated"


def test_an_outcome_left_in_the_mailbox_of_a_closed_run_is_not_folded(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    """It was settled while the run was closing. What is asked for under its id now may be something else."""

    @script
    async def main(me: Scripted) -> str:
        await workflow.wait_condition(lambda: me.notes)
        return await kit.act.execute("work", me.notes[0])

    handle = engine.start("main", id="m")
    engine.turns()
    handle.signal("note", "a")
    engine.turns()
    handle.terminate()
    left = events.ActivityCompleted(
        activity_id="1", activity_type="an.other", result=msgspec.Raw(b'"stale"')
    )
    mailbox.post([mailbox.message(handle.describe().run_id, left)], now=clock.at)
    handle.reopen()
    assert not Message.objects.filter(kind="ActivityCompleted").exists()
    rest(engine, clock)

    assert handle.result(0) == "a done"


def test_successors_of_a_reopened_run_have_no_deadline_either(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("again", 1, id="c", execution_timeout=timedelta(seconds=60))
    engine.turns()
    clock.move(60)
    engine.turns()
    assert status("c") == "timed_out"
    handle.reopen()
    handle.signal("note", 1)
    engine.turns()
    clock.move(600)
    engine.turns()
    assert status("c") == "running"
    client.get_workflow_handle("c").signal("note", 1)
    rest(engine, clock)

    assert handle.result(0) == "the last"
