"""Messages that are sent outside of any transaction: each is one statement, and means the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aion import client, workflow
from aion.core.errors import RunClosed, RunNotFound
from aion.models import Message
from aion.operations import send as sending
from tests.support import kit
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a message that takes a transaction of several statements fail."""

    def refuse() -> None:
        raise AssertionError("this took a transaction")

    monkeypatch.setattr(sending, "atomic", refuse)


@pytest.fixture
def waiting(engine: Engine) -> client.WorkflowHandle:
    handle = client.start_workflow(kit.Waiting, id="a")
    engine.turns()
    return handle


@pytest.mark.usefixtures("no_other_way")
@pytest.mark.parametrize("by", ["handle", "workflow id", "both"])
def test_a_signal_is_one_statement(by: str, engine: Engine, waiting: client.WorkflowHandle) -> None:
    handle = {
        "handle": waiting,
        "workflow id": client.get_workflow_handle("a"),
        "both": client.get_workflow_handle("a", waiting.run_id),
    }[by]
    with CaptureQueriesContext(connection) as queries:
        handle.signal("go", by)
    assert len(queries) == (1 if connection.vendor == "sqlite" else 0), (
        "the pipeline is not Django's"
    )
    assert Message.objects.values_list("run_id", "kind", "priority").get() == (
        waiting.run_id,
        "SignalReceived",
        3,
    )

    engine.turns()
    assert waiting.result(0) == [by]


@pytest.mark.usefixtures("no_other_way")
def test_its_message_has_the_runs_priority(engine: Engine) -> None:
    urgent = client.start_workflow(kit.Waiting, priority=1)
    engine.turns()
    urgent.signal("go")

    assert Message.objects.get().priority == 1


def test_nothing_is_posted_to_a_run_that_takes_no_more(
    engine: Engine, waiting: client.WorkflowHandle
) -> None:
    waiting.terminate()
    engine.turns()
    before = counts()

    for handle in (waiting, client.get_workflow_handle("a")):
        with pytest.raises(RunClosed):
            handle.signal("go")
    for unknown in (
        client.get_workflow_handle("b"),
        client.get_workflow_handle("b", waiting.run_id),
        client.get_workflow_handle("a", uuid.UUID(int=7)),
    ):
        with pytest.raises(RunNotFound):
            unknown.signal("go")
    assert counts() == before


def test_a_signal_follows_to_the_run_that_took_the_place(
    engine: Engine, script: Callable[[Any], Any]
) -> None:
    @script
    async def again(me: kit.Scripted, left: int) -> list[Any]:
        if left:
            workflow.continue_as_new("again", left - 1)
        await workflow.wait_condition(lambda: bool(me.notes))
        return me.notes

    first = engine.start("again", 2, id="chain")
    engine.turns()
    client.get_workflow_handle("chain").signal("note", "here")
    engine.turns()

    assert first.result(0) == ["here"]


def test_a_cancel_is_one_too(engine: Engine, waiting: client.WorkflowHandle) -> None:
    waiting.cancel("enough")
    assert Message.objects.get().kind == "CancelRequested"
    engine.turns()

    assert waiting.describe().status == "cancelled"
