"""A signal with a request id reaches a chain of runs once, whoever sends it and however often."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from aion import client, workflow
from aion.core import events
from aion.core.errors import InvalidArgument, RunClosed
from aion.models import Message, Request
from tests.language.worlds import chain, found, kinds, same_when_lost, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scripts(script: Any) -> None:
    @script
    async def collect(me: kit.Scripted, got: list[Any] | None = None) -> list[Any]:
        """Continues as new after each note, until one says stop."""
        got = got or []
        await workflow.wait_condition(lambda: me.notes)
        got += me.notes
        if got[-1] == "stop":
            return got
        workflow.continue_as_new("collect", got)

    @script
    async def keep(me: kit.Scripted) -> list[Any]:
        await workflow.wait_condition(lambda: "stop" in me.notes)
        return me.notes

    @script
    async def send(me: kit.Scripted, value: str, key: str, times: int = 1) -> str:
        for _ in range(times):
            receiver = workflow.get_external_workflow_handle("r")
            await receiver.signal("note", value, request_id=key)
        return "sent"


def test_a_key_works_across_continue_as_new(engine: Engine) -> None:
    engine.start("collect", id="r")
    handle = client.get_workflow_handle("r")
    for _ in range(3):
        for value in ("a", "b"):
            handle.signal("note", value, request_id=f"key-{value}")
            engine.turns()
    handle.signal("note", "stop")
    engine.turns()

    assert handle.result(0) == ["a", "b", "stop"]
    assert len(chain("r")) == 3
    handle.signal("note", "a", request_id="key-a")  # closed, and it took this very signal
    with pytest.raises(RunClosed):
        handle.signal("note", "c", request_id="key-c")


def test_the_next_chain_of_the_workflow_id_takes_the_key_anew(engine: Engine) -> None:
    for _ in range(2):
        engine.start("keep", id="r")
        handle = client.get_workflow_handle("r")
        handle.signal("note", "a", request_id="key")
        handle.signal("note", "stop", request_id="end")
        engine.turns()
        assert handle.result(0) == ["a", "stop"]


def test_a_signal_with_start_repeated_after_the_run_went_on(engine: Engine) -> None:
    def call(**options: Any) -> client.WorkflowHandle:
        return client.signal_with_start(
            kit.Scripted,
            "collect",
            id="r",
            signal=kit.Scripted.note,
            signal_kwargs={"value": "a"},
            signal_request_id="key",
            **options,
        )

    assert call(request_id="start").created
    engine.turns()
    assert len(chain("r")) == 2
    assert not call().created
    assert not call(request_id="start").created
    engine.turns()
    client.get_workflow_handle("r").signal("note", "stop")
    engine.turns()
    assert not call(request_id="start").created  # closed: it gives the run of the first call

    assert client.get_workflow_handle("r").result(0) == ["a", "stop"]
    assert len(chain("r")) == 2


def test_a_reset_does_not_free_a_key(engine: Engine) -> None:
    handle = engine.start("keep", id="r")
    handle.signal("note", "a", request_id="key")
    engine.turns()
    handle.reset(1)
    client.get_workflow_handle("r").signal("note", "a", request_id="key")
    client.get_workflow_handle("r").signal("note", "stop")
    engine.turns()

    assert client.get_workflow_handle("r").result(0) == ["a", "stop"]


def test_a_key_that_was_rolled_back_is_free(engine: Engine) -> None:
    handle = engine.start("keep", id="r")
    with pytest.raises(RuntimeError), transaction.atomic():
        handle.signal("note", "lost", request_id="key")
        raise RuntimeError
    handle.signal("note", "a", request_id="key")
    handle.signal("note", "stop")
    engine.turns()

    assert handle.result(0) == ["a", "stop"]


# --- from workflow code ---------------------------------------------------------------------------


def test_workflows_that_send_under_one_key_are_all_answered(engine: Engine) -> None:
    receiver = engine.start("keep", id="r")
    senders = [engine.start("send", f"from {n}", "key", 2, id=f"s{n}") for n in range(3)]
    engine.turns()
    receiver.signal("note", "from a caller", request_id="key")
    receiver.signal("note", "stop")
    engine.turns()

    assert [sender.result(0) for sender in senders] == ["sent"] * 3
    assert receiver.result(0) == ["from 0", "stop"]
    assert kinds(senders[2]).count("ExternalRequestDelivered") == 2
    assert Message.objects.count() == 0
    (sent, _) = found(senders[0], events.SignalSent)
    assert sent.receiver_request_id == "key"


def test_what_a_caller_sent_first_is_not_sent_again_by_a_workflow(engine: Engine) -> None:
    receiver = engine.start("keep", id="r")
    receiver.signal("note", "from a caller", request_id="key")
    sender = engine.start("send", "from a workflow", "key")
    engine.turns()
    receiver.signal("note", "stop")
    engine.turns()

    assert sender.result(0) == "sent"
    assert receiver.result(0) == ["from a caller", "stop"]


def test_a_key_from_workflow_code_works_across_continue_as_new(engine: Engine) -> None:
    engine.start("collect", id="r")
    for number in range(3):
        assert engine.start("send", "a", "key", id=f"s{number}")
        engine.turns()
    client.get_workflow_handle("r").signal("note", "stop")
    engine.turns()

    assert client.get_workflow_handle("r").result(0) == ["a", "stop"]
    assert [status(f"s{number}") for number in range(3)] == ["completed"] * 3


def test_a_signal_that_nobody_took_leaves_its_key_free(engine: Engine, script: Any) -> None:
    @script
    async def insist(me: kit.Scripted) -> list[str]:
        receiver = workflow.get_external_workflow_handle("r")
        said = []
        for _ in range(2):
            try:
                await receiver.signal("note", "stop", request_id="key")
                said.append("taken")
            except Exception as error:
                said.append(getattr(error, "type", ""))
            await workflow.wait_condition(lambda: me.notes)
        return said

    sender = engine.start("insist")
    engine.turns()
    assert Request.objects.count() == 0
    receiver = engine.start("keep", id="r")
    engine.turns()
    sender.signal("note", "again")
    engine.turns()

    assert sender.result(0) == ["RunNotFound", "taken"]
    assert receiver.result(0) == ["stop"]


def test_a_held_receiver_takes_it_once_it_goes_on(
    engine: Engine, script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = engine.start("keep", id="r")
    receiver.signal("note", "early")
    engine.turns()

    @script
    async def keep(me: kit.Scripted) -> list[Any]:
        await workflow.sleep(1)  # does not fit
        return []

    engine.loop.turns.cache.clear()
    sender = engine.start("send", "stop", "key")
    engine.turns()
    assert receiver.describe().problem_count == 1
    assert Request.objects.count() == 0

    @script
    async def keep(me: kit.Scripted) -> list[Any]:  # noqa: F811
        await workflow.wait_condition(lambda: "stop" in me.notes)
        return me.notes

    receiver.release()
    engine.turns()
    assert sender.result(0) == "sent"
    assert receiver.result(0) == ["early", "stop"]


def test_a_key_that_cannot_be_stored_is_refused(engine: Engine, script: Any) -> None:
    @script
    async def odd(me: kit.Scripted) -> str:
        try:
            receiver = workflow.get_external_workflow_handle("r")
            await receiver.signal("note", request_id="x" * 256)
        except InvalidArgument as error:
            return str(error.field)  # type: ignore[attr-defined]
        return ""

    handle = engine.start("odd")
    engine.turns()

    assert handle.result(0) == "request_id"


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        engine.start("collect", id="r")
        for number in range(4):
            engine.start("send", "a", f"key-{number % 2}", id=f"s{number}")
            engine.turns()
        client.get_workflow_handle("r").signal("note", "stop")
        engine.turns()

    same_when_lost(story, clock)
