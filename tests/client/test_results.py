"""Results, failures, descriptions and histories through a handle."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from aion import ApplicationError, client, workflow
from aion.core.errors import (
    ActivityError,
    InvalidArgument,
    PayloadUndecodable,
    ResultTimeout,
    WorkflowFailureError,
)
from aion.core.status import RunStatus
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine, in_thread, running_worker
from tests.support.rows import insert_run

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]


def test_a_result_has_the_type_that_the_workflow_returns(engine: Engine) -> None:
    handle = client.start_workflow(kit.greet, "ann", 2)
    engine.turns()

    assert handle.result(0) == kit.Greeting("hello ann", 2)
    assert handle.result(0, type=Any) == {"text": "hello ann", "times": 2}
    assert handle.result(0, type=dict[str, Any]) == {"text": "hello ann", "times": 2}
    assert client.get_workflow_handle(handle.workflow_id).result(0) == kit.Greeting("hello ann", 2)


def test_a_result_that_does_not_fit_the_type_is_an_error(engine: Engine) -> None:
    handle = client.start_workflow(kit.greet, "ann")
    engine.turns()

    with pytest.raises(PayloadUndecodable, match="the result of the workflow"):
        handle.result(0, type=int)


def test_no_result_is_none(engine: Engine, script: Register) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        return None

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) is None


def test_a_result_of_a_type_that_is_gone_is_plain_data(engine: Engine) -> None:
    from aion.authoring.registry import registry

    handle = client.start_workflow(kit.greet, "ann")
    engine.turns()
    definition = registry.workflows.pop("kit.greet")
    try:
        assert handle.result(0) == {"text": "hello ann", "times": 1}
    finally:
        registry.workflows["kit.greet"] = definition


@pytest.mark.parametrize("timeout", [0, 0.05, -1])
def test_a_result_may_be_waited_for_in_vain(timeout: float) -> None:
    handle = client.get_workflow_handle("a", insert_run("a"))
    begun = time.monotonic()

    with pytest.raises(ResultTimeout, match="it goes on") as caught:
        handle.result(timeout)

    assert isinstance(caught.value, TimeoutError)
    assert time.monotonic() - begun < 20
    assert handle.describe().status == "running"


@pytest.mark.django_db(transaction=True)
def test_a_waiter_is_woken_by_the_close() -> None:
    with running_worker(activity_threads=0):
        handle = client.start_workflow(kit.Waiting)
        waiter = in_thread(handle.result, 20)
        handle.signal("go", 7)

        assert waiter.done() == [7]


# --- failures -------------------------------------------------------------------------------------


def test_a_failure_tells_its_whole_story(
    engine: Engine, script: Register, acting: Register
) -> None:
    @acting
    def pay() -> None:
        try:
            raise KeyError("card")
        except KeyError as error:
            raise ApplicationError(
                "refused", {"code": 7}, type="Refused", non_retryable=True
            ) from error

    @script
    async def main(me: kit.Scripted) -> None:
        await kit.act.execute("pay")

    handle = engine.start("main")
    engine.go()

    with pytest.raises(WorkflowFailureError) as caught:
        handle.result(0)

    assert (caught.value.workflow_id, caught.value.run_id) == (
        handle.workflow_id,
        str(handle.run_id),
    )
    failed = caught.value.cause
    assert isinstance(failed, ActivityError)
    assert (failed.activity_type, failed.activity_id, failed.attempt) == ("kit.act", "1", 1)
    refused = failed.cause
    assert isinstance(refused, ApplicationError)
    assert (str(refused), refused.type, refused.non_retryable) == ("refused", "Refused", True)
    assert [bytes(d) if isinstance(d, memoryview) else d for d in refused.details] == [{"code": 7}]
    assert "card" in str(refused.cause)
    described = handle.describe()
    assert described.status is RunStatus.FAILED
    assert described.failure is not None
    assert described.failure.cause is not None
    assert "pay" in described.failure.cause.traceback


def test_any_exception_fails_a_run(engine: Engine, script: Register) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        raise ValueError('no "such"\0 \\ thing')

    handle = engine.start("main")
    engine.turns()

    with pytest.raises(WorkflowFailureError, match="ended failed") as caught:
        handle.result(0)
    assert 'no "such"\0 \\ thing' in str(caught.value.cause)


def test_a_result_without_a_json_form_fails_the_run(engine: Engine, script: Register) -> None:
    @script
    async def main(me: kit.Scripted) -> Any:
        return object()

    handle = engine.start("main")
    engine.turns()

    with pytest.raises(WorkflowFailureError, match=r"the result of workflow kit\.Scripted"):
        handle.result(0)


# --- execute, describe, history -------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_execute_starts_and_waits() -> None:
    with running_worker(activity_threads=0):
        assert client.execute_workflow(kit.greet, "ann", result_timeout=10, id="g") == kit.Greeting(
            "hello ann", 1
        )


def test_execute_gives_up_waiting_and_the_run_goes_on(engine: Engine) -> None:
    with pytest.raises(ResultTimeout):
        client.execute_workflow(kit.greet, "ann", result_timeout=0, id="g")
    engine.turns()

    assert client.get_workflow_handle("g").result(0).text == "hello ann"


def test_a_description_is_what_the_row_says(engine: Engine, clock: StandingClock) -> None:
    handle = client.start_workflow(kit.greet, "ann", id="g", memo={"n": 1})
    before = handle.describe()
    clock.move(5)
    engine.turns()
    after = handle.describe()

    assert (before.run_id, before.workflow_id, before.workflow_type) == (
        handle.run_id,
        "g",
        "kit.greet",
    )
    assert (before.status, before.history_length, before.started_at) == ("running", 1, START)
    assert (before.closed_at, before.failure, before.problem, before.held_until) == (None,) * 4
    assert (after.status, after.history_length) == ("completed", 2)
    assert after.closed_at == START + dt.timedelta(seconds=5)
    assert (after.memo, after.parent_run_id, after.continued_from_run_id) == ({"n": 1}, None, None)
    assert after.history_bytes > before.history_bytes > 0


def test_histories_are_read_in_ranges(engine: Engine) -> None:
    handle = client.start_workflow(kit.Waiting, 4)
    for number in range(4):
        handle.signal("go", number)
    engine.turns()

    def seqs(**given: Any) -> list[int]:
        return [recorded.seq for recorded in handle.fetch_history(**given)]

    assert seqs() == [1, 2, 3, 4, 5, 6]
    assert seqs(from_seq=3, limit=2) == [3, 4]
    assert seqs(from_seq=7) == []
    assert seqs(limit=0) == []
    for given in (
        {"from_seq": 0},
        {"from_seq": -1},
        {"limit": -1},
        {"from_seq": "1"},
        {"limit": 1.5},
    ):
        [field] = given
        with pytest.raises(InvalidArgument) as caught:
            seqs(**given)
        assert caught.value.context["field"] == field


@pytest.mark.django_db(transaction=True)
def test_results_are_read_while_others_wait() -> None:
    """Ten waiters of ten runs share one bell."""
    with running_worker(activity_threads=0):
        handles = [client.start_workflow(kit.Waiting) for _ in range(10)]
        waiters = [in_thread(handle.result, 20) for handle in handles]
        for number, handle in enumerate(handles):
            handle.signal("go", number)

        assert [waiter.done() for waiter in waiters] == [[number] for number in range(10)]
    assert not [t for t in threading.enumerate() if t.name.startswith("aion-keeper")]


def test_a_workflow_that_raises_cancelled_by_itself_fails(engine: Engine, script: Register) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        import asyncio

        raise asyncio.CancelledError

    handle = engine.start("main")
    engine.turns()

    with pytest.raises(WorkflowFailureError, match="nobody asked"):
        handle.result(0)
    assert workflow.in_workflow() is False
