"""Signals and cancel requests from run to run: whatever the receiver does, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aion import ChildWorkflowError, client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.models import Message
from tests.language.worlds import chain, found, kinds, rest, same_when_lost, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scripts(script: Any) -> None:
    @script
    async def listen(me: Scripted, want: int = 1) -> list[Any]:
        await workflow.wait_condition(lambda: len(me.notes) >= want)
        return me.notes

    @script
    async def again(me: Scripted) -> None:
        """Continues as new on its first note, as one that only listens."""
        await workflow.wait_condition(lambda: me.notes)
        workflow.continue_as_new("listen", 1)

    @script
    async def send(me: Scripted, verb: str, to: str, run_id: str = "") -> str:
        """Send when told, and give what became of it."""
        await workflow.wait_condition(lambda: me.notes)
        handle = workflow.get_external_workflow_handle(to, run_id)
        try:
            await (handle.signal("note", "hello") if verb == "signal" else handle.cancel("please"))
        except Exception as error:
            return getattr(error, "type", type(error).__name__)
        return "delivered"


VERBS = ("signal", "cancel")


@pytest.fixture(params=VERBS)
def verb(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def sender(engine: Engine, verb: str, to: str = "r", run_id: str = "") -> WorkflowHandle:
    handle = engine.start("send", verb, to, run_id, id="s")
    engine.turns()
    return handle


def answers(handle: WorkflowHandle) -> list[str]:
    return [
        kind
        for kind in kinds(handle)
        if kind in ("ExternalRequestDelivered", "ExternalRequestFailed")
    ]


def expect(handle: WorkflowHandle, outcome: str) -> None:
    """The sender has heard exactly once, and nothing lies around."""
    assert handle.result(0) == outcome
    kind = "ExternalRequestDelivered" if outcome == "delivered" else "ExternalRequestFailed"
    assert answers(handle) == [kind]
    assert Message.objects.count() == 0


# --- receivers in every state ---------------------------------------------------------------------


def test_an_open_receiver_takes_it(engine: Engine, verb: str) -> None:
    receiver = engine.start("listen", id="r")
    handle = sender(engine, verb)
    handle.signal("note", "now")
    engine.turns()

    expect(handle, "delivered")
    assert status("r") == ("completed" if verb == "signal" else "cancelled")
    if verb == "signal":
        assert receiver.result(0) == ["hello"]
    else:
        assert found(receiver, events.CancelRequested)[0].reason == "please"


def test_nobody_of_this_id(engine: Engine, verb: str) -> None:
    handle = sender(engine, verb)
    handle.signal("note", "now")
    engine.turns()

    expect(handle, "RunNotFound")


@pytest.mark.parametrize("end", ["complete", "terminate"])
def test_a_closed_receiver(engine: Engine, verb: str, end: str) -> None:
    receiver = engine.start("listen", id="r")
    handle = sender(engine, verb)
    receiver.signal("note", 1) if end == "complete" else receiver.terminate()
    engine.turns()
    handle.signal("note", "now")
    engine.turns()

    expect(handle, "RunNotFound")


CLOSINGS: dict[str, Callable[[WorkflowHandle], None]] = {
    "complete": lambda receiver: receiver.signal("note", 1),
    "cancel": lambda receiver: receiver.cancel(),
    "terminate": lambda receiver: receiver.terminate(),
}


@pytest.mark.parametrize("end", CLOSINGS)
def test_a_receiver_that_closes_before_it_looks(engine: Engine, verb: str, end: str) -> None:
    """The message is on its way when the receiver closes: taken with the close, or refused."""
    receiver = engine.start("listen", id="r")
    handle = sender(engine, verb)
    handle.signal("note", "now")
    engine.turn()  # the sender's turn: the message lies in the receiver's mailbox
    assert len(answers(handle)) == 0
    CLOSINGS[end](receiver)
    engine.turns()

    assert not receiver.describe().status.is_open
    expect(handle, "RunNotFound" if end == "terminate" else "delivered")


@pytest.mark.parametrize("end", CLOSINGS)
def test_a_receiver_that_closes_in_the_turn_of_the_sender(
    engine: Engine, verb: str, end: str
) -> None:
    receiver = engine.start("listen", id="r")
    handle = sender(engine, verb)
    CLOSINGS[end](receiver)
    handle.signal("note", "now")
    engine.turns()

    expect(handle, "RunNotFound")


def test_a_message_that_comes_after_the_close_is_refused(engine: Engine, verb: str) -> None:
    """As when the receiver's close commits between the sender's look and its commit."""
    receiver = engine.start("listen", id="r")
    handle = sender(engine, verb)
    handle.signal("note", "now")
    engine.turn()
    on_its_way = Message.objects.get(run_id=receiver.run_id)
    late = {"kind": on_its_way.kind, "body": on_its_way.body, "created_at": on_its_way.created_at}
    on_its_way.delete()
    receiver.signal("note", 1)
    engine.turns()
    Message.objects.create(run_id=receiver.run_id, parked=False, **late)
    engine.turns()

    expect(handle, "RunNotFound")


def test_a_receiver_that_went_on_as_new(engine: Engine, verb: str) -> None:
    receiver = engine.start("again", id="r")
    handle = sender(engine, verb)
    receiver.signal("note", 1)
    engine.turns()
    handle.signal("note", "now")
    engine.turns()

    expect(handle, "delivered")
    assert [str(run.describe().status) for run in chain("r")][0] == "continued_as_new"
    assert status("r") == ("completed" if verb == "signal" else "cancelled")


def test_a_message_to_a_run_that_goes_on_as_new_meanwhile_is_handed_on(
    engine: Engine, verb: str
) -> None:
    receiver = engine.start("again", id="r")
    handle = sender(engine, verb)
    handle.signal("note", "now")
    engine.turn()
    on_its_way = Message.objects.get(run_id=receiver.run_id)
    late = {"kind": on_its_way.kind, "body": on_its_way.body, "created_at": on_its_way.created_at}
    on_its_way.delete()
    receiver.signal("note", 1)
    engine.turns()
    Message.objects.create(run_id=receiver.run_id, parked=False, **late)
    engine.turns()

    expect(handle, "delivered")
    assert status("r") == ("completed" if verb == "signal" else "cancelled")


def test_a_pinned_run_that_is_not_the_open_one(engine: Engine, verb: str) -> None:
    first = engine.start("listen", id="r")
    first.terminate()
    engine.start("listen", id="r")
    handle = sender(engine, verb, "r", str(first.run_id))
    handle.signal("note", "now")
    engine.turns()

    expect(handle, "RunNotFound")
    assert status("r") == "running"


def test_a_pinned_run_that_is_open(engine: Engine, verb: str) -> None:
    receiver = engine.start("listen", id="r")
    handle = sender(engine, verb, "r", str(receiver.run_id))
    handle.signal("note", "now")
    engine.turns()

    expect(handle, "delivered")


@pytest.mark.parametrize("halt", ["pause", "hold"])
def test_a_receiver_that_halts_answers_when_it_goes_on(
    engine: Engine, clock: StandingClock, verb: str, halt: str, script: Any
) -> None:
    receiver = engine.start("listen", id="r")
    handle = sender(engine, verb)
    if halt == "pause":
        receiver.pause()
    else:

        @script
        async def listen(me: Scripted, want: int = 1) -> None:
            asyncio.get_running_loop().run_in_executor(None, print)

        engine.loop.turns.cache.clear()
    handle.signal("note", "now")
    engine.turns()
    assert answers(handle) == []

    if halt == "pause":
        receiver.resume()
    else:

        @script
        async def listen(me: Scripted, want: int = 1) -> list[Any]:
            await workflow.wait_condition(lambda: len(me.notes) >= want)
            return me.notes

        receiver.release()
    engine.turns()
    expect(handle, "delivered")


@pytest.mark.parametrize("end", ["terminate", "timeout", "non-determinism"])
def test_a_receiver_that_closes_without_its_code_refuses_what_it_has_not_taken(
    engine: Engine, clock: StandingClock, settings: Any, script: Any, verb: str, end: str
) -> None:
    settings.AION = {**settings.AION, "ON_NON_DETERMINISM": "fail"}

    @script
    async def patient(me: Scripted) -> None:
        await asyncio.sleep(1000)

    receiver = engine.start("patient", id="r", run_timeout=timedelta(seconds=60))
    handle = sender(engine, verb)
    receiver.pause()
    handle.signal("note", "now")
    engine.turns()
    assert answers(handle) == []
    match end:
        case "terminate":
            receiver.terminate()
        case "timeout":
            clock.move(60)
            engine.tick()
        case _:

            @script
            async def patient(me: Scripted) -> None:  # a deploy
                await kit.act.execute("something else")

            engine.loop.turns.cache.clear()
            receiver.resume()
    engine.turns()

    assert not receiver.describe().status.is_open
    expect(handle, "RunNotFound")


# --- oneself, children, giving up -----------------------------------------------------------------


def test_a_run_may_signal_itself(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        mine = workflow.get_external_workflow_handle(workflow.info().workflow_id)
        await mine.signal("note", 1)
        return me.notes

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == [1]
    assert [k for k in kinds(handle) if "WorkflowS" not in k] == [
        "SignalSent",
        "SignalReceived",
        "ExternalRequestDelivered",
        "WorkflowCompleted",
    ]


def test_a_run_may_ask_itself_to_cancel(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> str:
        mine = workflow.get_external_workflow_handle(workflow.info().workflow_id)
        try:
            await mine.cancel("enough")
        except asyncio.CancelledError:
            return f"cleaned up: {workflow.cancel_reason()}"
        return "?"

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == "cleaned up: enough"


def test_signals_keep_the_order_in_which_they_were_sent(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> None:
        other = workflow.get_external_workflow_handle("r")
        await asyncio.gather(*(other.signal("note", n) for n in range(5)))

    receiver = engine.start("listen", 5, id="r")
    engine.turns()
    engine.start("main")
    engine.turns()

    assert receiver.result(0) == [0, 1, 2, 3, 4]


def test_a_child_takes_signals_in_the_turn_of_its_start_and_after_going_on_as_new(
    engine: Engine, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> Any:
        child = await workflow.start_child_workflow(Scripted, "again", id="child")
        await child.signal(Scripted.note, "go on as new")
        await workflow.wait_condition(lambda: me.notes)
        await child.signal("note", "to the successor")
        return await child

    handle = engine.start("main")
    engine.turns()
    assert len(chain("child")) == 2
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == ["to the successor"]


def test_a_child_can_be_cancelled_by_its_handle(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> str:
        child = await workflow.start_child_workflow(Scripted, "listen", id="child")
        await child.cancel("no need")
        try:
            await child
        except ChildWorkflowError as error:
            return str(error)
        return "?"

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0).endswith("was cancelled: no need")


def test_a_message_given_up_before_it_is_sent_is_not_sent(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> str:
        other = workflow.get_external_workflow_handle("r")
        task = asyncio.create_task(other.signal("note", 1))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return "given up"

    receiver = engine.start("listen", id="r")
    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == "given up"
    assert "SignalSent" not in kinds(handle)
    assert kinds(receiver) == ["WorkflowStarted"]


def test_a_sent_message_that_nobody_waits_for_arrives(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> None:
        other = workflow.get_external_workflow_handle("r")
        task = asyncio.create_task(other.signal("note", 1))
        await asyncio.sleep(1)
        task.cancel()

    receiver = engine.start("listen", id="r")
    receiver.pause()
    handle = engine.start("main")
    engine.turns()
    handle.cancel()
    engine.turns()
    receiver.resume()
    engine.turns()

    assert receiver.result(0) == [1]
    assert answers(handle) == []


def test_a_sender_that_has_closed_does_not_mind_the_answer(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> str:
        other = workflow.get_external_workflow_handle("r")
        task = asyncio.create_task(other.signal("note", 1))
        await asyncio.sleep(0)
        return f"left, {task.done()}"

    receiver = engine.start("listen", id="r")
    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == "left, False"
    assert receiver.result(0) == [1]
    assert Message.objects.count() == 0


def test_a_bad_name_or_argument_is_an_error_at_once(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> list[str]:
        other = workflow.get_external_workflow_handle("r")
        seen = []
        for send in (
            lambda: other.signal(Scripted.read),
            lambda: other.signal(Scripted.note),
            lambda: other.signal("note", object()),
        ):
            try:
                await send()
            except Exception as error:
                seen.append(type(error).__name__)
        return seen

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == ["InvalidArgument", "TypeError", "PayloadUnserializable"]
    assert kinds(handle) == ["WorkflowStarted", "WorkflowCompleted"]


def test_the_same_history_when_instances_are_lost(clock: StandingClock, script: Any) -> None:
    @script
    async def pong(me: Scripted, to: str) -> list[Any]:
        for number in range(3):
            await workflow.wait_condition(lambda n=number: len(me.notes) > n)
            await workflow.get_external_workflow_handle(to).signal("note", number)
        return me.notes

    @script
    async def main(me: Scripted) -> list[Any]:
        child = await workflow.start_child_workflow(Scripted, "pong", "main", id="pong")
        for number in range(3):
            await child.signal("note", number)
            await workflow.wait_condition(lambda n=number: len(me.notes) > n)
        try:
            await workflow.get_external_workflow_handle("nobody").cancel()
        except Exception as error:
            me.notes.append(type(error).__name__)
        return [*me.notes, *await child]

    def story(engine: Engine, clock: StandingClock) -> None:
        handle = engine.start("main", id="main")
        rest(engine, clock)
        assert handle.result(0) == [0, 1, 2, "ApplicationError", 0, 1, 2]
        assert client.get_workflow_handle("pong").result(0) == [0, 1, 2]

    same_when_lost(story, clock)
