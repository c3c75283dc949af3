"""Signals, cancels, terminations and queries through a handle."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from aion import client, workflow
from aion.core.errors import (
    InvalidArgument,
    PayloadUnserializable,
    QueryError,
    RunClosed,
    RunNotFound,
    UnknownQuery,
    WorkflowFailureError,
)
from aion.core.events import CancelRequested, SignalReceived, WorkflowTerminated
from aion.models import ActivityTask, Message, Run, Timer
from tests.support import kit
from tests.support.engine import Engine
from tests.support.rows import counts, events_of, kinds_of, mailbox_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(engine: Engine) -> client.WorkflowHandle:
    """A run that waits for two signals named `go`."""
    handle = client.start_workflow(kit.Waiting, 2, id="a")
    engine.turns()
    return handle


VERBS: dict[str, Callable[[client.WorkflowHandle], Any]] = {
    "signal": lambda handle: handle.signal("go", 1),
    "cancel": lambda handle: handle.cancel("why"),
    "terminate": lambda handle: handle.terminate("why"),
}
READS: dict[str, Callable[[client.WorkflowHandle], Any]] = {
    "query": lambda handle: handle.query("got"),
    "describe": lambda handle: handle.describe(),
    "fetch_history": lambda handle: handle.fetch_history(),
    "result": lambda handle: handle.result(0),
}


# --- which run ------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [*VERBS, *READS])
@pytest.mark.usefixtures("waiting")
def test_an_unknown_run_is_not_found(verb: str) -> None:
    act = {**VERBS, **READS}[verb]
    before = counts()

    for handle in (
        client.get_workflow_handle("b"),
        client.get_workflow_handle("a", uuid.uuid4()),
        client.get_workflow_handle("a\0"),
        client.get_workflow_handle("\ud800"),
    ):
        with pytest.raises(RunNotFound):
            act(handle)

    assert counts() == before


@pytest.mark.parametrize("verb", [*VERBS, *READS])
def test_a_run_of_another_workflow_id_is_not_found(
    verb: str, waiting: client.WorkflowHandle
) -> None:
    with pytest.raises(RunNotFound):
        {**VERBS, **READS}[verb](client.get_workflow_handle("b", waiting.run_id))


def test_a_run_id_must_be_one() -> None:
    with pytest.raises(InvalidArgument) as caught:
        client.get_workflow_handle("a", "not-an-id")

    assert caught.value.context["field"] == "run_id"
    assert client.get_workflow_handle("a", str(uuid.UUID(int=7))).run_id == uuid.UUID(int=7)


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_run_takes_no_more(verb: str, waiting: client.WorkflowHandle) -> None:
    waiting.terminate()
    before = counts()

    for handle in (waiting, client.get_workflow_handle("a")):
        with pytest.raises(RunClosed) as caught:
            VERBS[verb](handle)

        assert (caught.value.run_id, caught.value.status) == (waiting.run_id, "terminated")
    assert counts() == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_handle_without_run_id_means_the_open_run(
    verb: str, engine: Engine, waiting: client.WorkflowHandle
) -> None:
    waiting.terminate()
    second = client.start_workflow(kit.Waiting, id="a")
    engine.turns()

    VERBS[verb](client.get_workflow_handle("a"))
    engine.turns()

    assert second.describe().status.is_open is False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_rolled_back_leaves_no_trace(verb: str, waiting: client.WorkflowHandle) -> None:
    before, row = counts(), Run.objects.values().get()

    with pytest.raises(ZeroDivisionError):
        with transaction.atomic():
            VERBS[verb](waiting)
            raise ZeroDivisionError

    assert counts() == before
    assert Run.objects.values().get() == row


# --- signals --------------------------------------------------------------------------------------


def test_a_signal_is_seen(engine: Engine, waiting: client.WorkflowHandle) -> None:
    waiting.signal("go", 1)
    waiting.signal(kit.Waiting.on_go, kwargs={"value": 2})
    engine.turns()

    assert waiting.result(0) == [1, 2]


def test_signals_are_folded_in_order(engine: Engine) -> None:
    handle = client.start_workflow(kit.Waiting, 5)
    for number in range(5):
        handle.signal("go", number)
    engine.turns()

    assert handle.result(0) == [0, 1, 2, 3, 4]


def test_the_same_request_signals_once(engine: Engine, waiting: client.WorkflowHandle) -> None:
    waiting.signal("go", 1, request_id="r")
    waiting.signal("go", 1, request_id="r")
    engine.turns()
    waiting.signal("go", 1, request_id="r")
    engine.turns()

    assert waiting.query("got") == [1]

    waiting.signal("go", 2, request_id="s")
    engine.turns()
    assert waiting.result(0) == [1, 2]


def test_a_request_repeated_after_the_close_is_no_error(
    engine: Engine, waiting: client.WorkflowHandle
) -> None:
    waiting.signal("go", 1, request_id="r")
    waiting.signal("go", 2, request_id="s")
    engine.turns()
    before = counts()

    waiting.signal("go", 2, request_id="s")
    with pytest.raises(RunClosed):
        waiting.signal("go", 3, request_id="t")

    assert counts() == before


def test_a_signal_without_a_handler_is_kept_in_history(
    engine: Engine, waiting: client.WorkflowHandle
) -> None:
    waiting.signal("unheard", 1)
    engine.turns()

    assert waiting.run_id is not None
    assert kinds_of(waiting.run_id)[-1] == "SignalReceived"
    assert waiting.describe().problem is None


def test_a_signal_that_cannot_be_decoded_harms_nobody(
    engine: Engine, waiting: client.WorkflowHandle
) -> None:
    waiting.signal("count", "three")
    waiting.signal("count")
    waiting.signal("count", 1)
    engine.turns()

    assert waiting.query("got") == [1]


@pytest.mark.parametrize(
    ("name", "field"),
    [(5, "name"), (None, "name"), (kit.Waiting.helper, "name"), ("\ud800", "name")],
)
def test_a_signal_needs_a_name(name: Any, field: str, waiting: client.WorkflowHandle) -> None:
    with pytest.raises(InvalidArgument) as caught:
        waiting.signal(name)

    assert caught.value.context["field"] == field
    assert mailbox_of(waiting.run_id) == []  # type: ignore[arg-type]


def test_a_handler_method_checks_the_arguments(waiting: client.WorkflowHandle) -> None:
    with pytest.raises(TypeError, match="go"):
        waiting.signal(kit.Waiting.on_go, 1, 2)
    with pytest.raises(PayloadUnserializable, match="signal go"):
        waiting.signal("go", object())

    assert Message.objects.count() == 0


@pytest.mark.parametrize("request_id", [5, "x" * 256, "a\0", "\ud800"])
def test_a_request_id_that_cannot_be_stored_is_refused(
    request_id: Any, waiting: client.WorkflowHandle
) -> None:
    with transaction.atomic():
        with pytest.raises(InvalidArgument) as caught:
            waiting.signal("go", request_id=request_id)
        assert Message.objects.count() == 0

    assert caught.value.context["field"] == "request_id"


# --- cancel and terminate -------------------------------------------------------------------------


def test_a_cancelled_run_may_clean_up(
    engine: Engine, script: Callable[[Any], Any], acting: Callable[[Any], Any]
) -> None:
    undone: list[str] = []

    @acting
    def undo() -> None:
        undone.append("order")

    @script
    async def main(me: kit.Scripted) -> None:
        try:
            await workflow.wait_condition(lambda: False)
        finally:
            me.notes.append(workflow.cancel_reason())
            await kit.act.execute("undo")

    handle = engine.start("main")
    engine.turns()
    handle.cancel("sold out")
    engine.go()

    assert undone == ["order"]
    assert handle.query("read") == ["sold out"]
    assert handle.describe().status == "cancelled"
    with pytest.raises(WorkflowFailureError, match="cancelled") as caught:
        handle.result(0)
    assert "sold out" in str(caught.value)


def test_a_second_cancel_changes_nothing(engine: Engine, script: Callable[[Any], Any]) -> None:
    @script
    async def main(me: kit.Scripted) -> str:
        import asyncio

        try:
            await workflow.wait_condition(lambda: False)
        except asyncio.CancelledError:
            await workflow.sleep(60)
        return "cleaned up"

    handle = engine.start("main")
    engine.turns()
    for _ in range(3):
        handle.cancel("now")
        engine.turns()

    assert kinds_of(handle.run_id).count("CancelRequested") == 1  # type: ignore[arg-type]
    assert handle.describe().status == "running"


def test_a_cancel_before_the_first_turn_is_seen(engine: Engine) -> None:
    handle = client.start_workflow(kit.Waiting)
    handle.cancel("never mind")
    engine.turns()

    assert handle.describe().status == "cancelled"
    assert CancelRequested(reason="never mind") in events_of(handle.run_id)  # type: ignore[arg-type]


def test_a_terminated_run_ends_without_running_its_code(
    engine: Engine, script: Callable[[Any], Any], acting: Callable[[Any], Any]
) -> None:
    ran: list[str] = []

    @script
    async def main(me: kit.Scripted) -> None:
        kit.act.start("nothing")
        try:
            await workflow.sleep(60)
        except BaseException:
            if not workflow.is_replaying():
                ran.append("clean-up")
            raise

    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    assert (ActivityTask.objects.count(), Timer.objects.count(), Message.objects.count()) == (
        1,
        1,
        1,
    )

    handle.terminate("out of business")

    assert (ActivityTask.objects.count(), Timer.objects.count(), Message.objects.count()) == (
        0,
        0,
        0,
    )
    engine.go()
    assert handle.run_id is not None
    assert events_of(handle.run_id)[-1] == WorkflowTerminated(reason="out of business")
    assert handle.describe().status == "terminated"
    with pytest.raises(WorkflowFailureError, match="out of business") as caught:
        handle.result(0)
    assert type(caught.value.cause).__name__ == "TerminatedError"


def test_a_terminated_run_has_no_more_turns(engine: Engine, waiting: client.WorkflowHandle) -> None:
    waiting.terminate()
    history = waiting.fetch_history()
    row = Run.objects.values().get()
    Message.objects.create(
        run_id=waiting.run_id,
        kind="SignalReceived",
        body='{"name":"go"}',
        created_at=row["started_at"],
    )

    engine.turns()

    assert waiting.fetch_history() == history
    assert Run.objects.values().get() == row
    assert Message.objects.count() == 0


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
@pytest.mark.parametrize("reason", [5, None, b"x", "\ud800"])
def test_a_reason_must_be_text(verb: str, reason: Any, waiting: client.WorkflowHandle) -> None:
    before = counts()

    with pytest.raises(InvalidArgument) as caught:
        getattr(waiting, verb)(reason)

    assert caught.value.context["field"] == "reason"
    assert counts() == before


def test_any_text_is_a_reason(engine: Engine, waiting: client.WorkflowHandle) -> None:
    reason = 'NUL \0, "quotes" and \\ \N{SNOWMAN} ' + "x" * 300

    waiting.terminate(reason)

    assert waiting.run_id is not None
    assert SignalReceived(name="go") not in events_of(waiting.run_id)
    assert events_of(waiting.run_id)[-1] == WorkflowTerminated(reason=reason)


# --- queries --------------------------------------------------------------------------------------


def test_a_query_reads_an_open_run(engine: Engine, waiting: client.WorkflowHandle) -> None:
    waiting.signal("go", 1)
    engine.turns()

    assert waiting.query("got") == waiting.query(kit.Waiting.read_got) == [1]


def test_a_query_does_not_see_what_is_not_folded(waiting: client.WorkflowHandle) -> None:
    waiting.signal("go", 1)

    assert waiting.query("got") == []


def test_a_query_reads_a_run_that_has_not_begun() -> None:
    assert client.start_workflow(kit.Waiting).query("got") == []


@pytest.mark.parametrize("end", ["complete", "terminate"])
def test_a_query_reads_a_closed_run(
    end: str, engine: Engine, waiting: client.WorkflowHandle
) -> None:
    waiting.signal("go", 1)
    if end == "complete":
        waiting.signal("go", 2)
    engine.turns()
    if end == "terminate":
        waiting.terminate()

    assert waiting.query("got") == ([1, 2] if end == "complete" else [1])


@pytest.mark.parametrize("name", ["got", "read", "broken", "greedy", "unknown"])
def test_a_query_changes_neither_history_nor_rows(
    name: str, engine: Engine, script: Callable[[Any], Any]
) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        kit.act.start("nothing")
        await workflow.wait_condition(lambda: len(me.notes) > 3, timeout=60)

    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    before, history = counts(), handle.fetch_history()
    row = Run.objects.values().get()

    if name == "read":
        assert handle.query(name) == []
    else:
        with pytest.raises(QueryError):
            handle.query(name)

    assert (counts(), handle.fetch_history(), Run.objects.values().get()) == (before, history, row)
    engine.turns()
    assert handle.query("read") == [1]


def test_an_unknown_query_is_told_which_there_are(waiting: client.WorkflowHandle) -> None:
    with pytest.raises(UnknownQuery, match="It has: got, nth"):
        waiting.query("nonsense")


def test_a_query_that_fails_says_why(engine: Engine, script: Callable[[Any], Any]) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        await workflow.sleep(60)

    handle = engine.start("main")
    engine.turns()

    with pytest.raises(QueryError, match="RuntimeError: this query is broken") as caught:
        handle.query("broken")
    assert caught.value.context["query"] == "broken"
    with pytest.raises(QueryError, match="tried to change the run"):
        handle.query(kit.Scripted.greedy)
    with pytest.raises(InvalidArgument):
        handle.query(kit.Scripted.note)


def test_a_query_checks_its_arguments(engine: Engine, waiting: client.WorkflowHandle) -> None:
    waiting.signal("go", "first")
    engine.turns()

    assert (
        waiting.query("nth", 0) == waiting.query(kit.Waiting.nth, kwargs={"number": 0}) == "first"
    )
    with pytest.raises(QueryError, match="argument 'number'"):
        waiting.query("nth", "zero")
    with pytest.raises(QueryError, match="IndexError"):
        waiting.query("nth", 7)
    with pytest.raises(TypeError):
        waiting.query(kit.Waiting.nth)


def test_a_query_of_a_type_that_is_gone_says_so(waiting: client.WorkflowHandle) -> None:
    from aion.authoring.registry import registry

    definition = registry.workflows.pop("kit.Waiting")
    try:
        with pytest.raises(QueryError, match=r"kit\.Waiting"):
            waiting.query("got")
    finally:
        registry.workflows["kit.Waiting"] = definition
