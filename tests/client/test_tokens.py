"""Activities that are completed, failed, cancelled or kept alive from elsewhere, by their token."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core import signing
from django.db import transaction

from aion import ActivityError, ApplicationError, activity, client
from aion.core.errors import (
    ActivityNotFound,
    InvalidArgument,
    PayloadUnserializable,
    WorkflowFailureError,
)
from aion.core.ids import uuid7
from aion.models import ActivityTask
from aion.operations.complete_activity import make_token
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.rows import counts, kinds_of

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]
SOME = uuid.UUID(int=7)


class Asked:
    """A run whose activity waits for its outcome from elsewhere."""

    def __init__(self, engine: Engine, handle: client.WorkflowHandle, tokens: list[str]) -> None:
        self.engine = engine
        self.handle = handle
        self.tokens = tokens

    @property
    def token(self) -> str:
        return self.tokens[-1]

    def result(self) -> Any:
        self.engine.turns()
        return self.handle.result(0)


@pytest.fixture
def asked(engine: Engine, script: Register, acting: Register) -> Asked:
    tokens: list[str] = []

    @acting
    def ask() -> None:
        tokens.append(activity.info().task_token)
        activity.raise_complete_async()

    @script
    async def main(me: kit.Scripted) -> Any:
        slow = kit.act.with_options(heartbeat_timeout=dt.timedelta(seconds=30))
        try:
            return await slow.execute("ask")
        except ActivityError as error:
            return [type(error.cause).__name__, str(error.cause), error.attempt]

    handle = engine.start("main")
    engine.go()
    return Asked(engine, handle, tokens)


def test_a_token_completes_its_activity(asked: Asked) -> None:
    client.complete_activity(asked.token, {"paid": True})

    assert asked.result() == {"paid": True}
    assert kinds_of(asked.handle.run_id)[2:4] == ["ActivityStarted", "ActivityCompleted"]  # type: ignore[arg-type]


def test_a_failure_by_token_is_retried_with_a_new_token(asked: Asked, clock: StandingClock) -> None:
    first = asked.token

    assert client.fail_activity(first, ValueError("no")) is True
    clock.move(60)
    asked.engine.go()

    assert len(asked.tokens) == 2
    for use in (
        lambda: client.complete_activity(first),
        lambda: client.fail_activity(first, ValueError()),
        lambda: client.cancel_activity(first),
        lambda: client.heartbeat_activity(first),
    ):
        with pytest.raises(ActivityNotFound):
            use()
    client.complete_activity(asked.token, 2)
    assert asked.result() == 2


def test_a_final_failure_by_token_reaches_the_workflow(asked: Asked) -> None:
    error = ApplicationError("gone", type="Gone", non_retryable=True)

    assert client.fail_activity(asked.token, error) is False

    assert asked.result() == ["ApplicationError", "gone", 1]


def test_a_cancel_by_token_reaches_the_workflow(asked: Asked) -> None:
    client.cancel_activity(asked.token, "nobody answered")
    asked.engine.turns()

    assert kinds_of(asked.handle.run_id)[3] == "ActivityCancelled"  # type: ignore[arg-type]
    with pytest.raises(WorkflowFailureError, match="nobody asked"):
        asked.handle.result(0)


def test_heartbeats_by_token_keep_the_activity_alive(asked: Asked, clock: StandingClock) -> None:
    clock.move(20)

    assert client.heartbeat_activity(asked.token, {"at": 1}, 2) is None

    row = ActivityTask.objects.get()
    assert (row.heartbeat_at, row.heartbeat_details) == (clock.at, '[{"at":1},2]')
    assert row.timeout_at == clock.at + dt.timedelta(seconds=30)


def test_a_heartbeat_by_token_hears_of_a_cancel(asked: Asked) -> None:
    ActivityTask.objects.update(cancel_requested=True)

    assert client.heartbeat_activity(asked.token) == "cancelled"
    client.cancel_activity(asked.token)


def test_silence_ends_the_attempt(asked: Asked, clock: StandingClock) -> None:
    first = asked.token
    clock.move(31)
    asked.engine.tick()
    clock.move(60)
    asked.engine.go()

    assert len(asked.tokens) == 2
    with pytest.raises(ActivityNotFound):
        client.complete_activity(first)


def test_an_outcome_is_taken_once(asked: Asked) -> None:
    client.complete_activity(asked.token, 1)
    before = counts()

    with pytest.raises(ActivityNotFound):
        client.complete_activity(asked.token, 2)

    assert counts() == before
    assert asked.result() == 1


def test_the_end_of_the_run_ends_the_token(asked: Asked) -> None:
    asked.handle.terminate()

    with pytest.raises(ActivityNotFound):
        client.complete_activity(asked.token, 1)


def test_a_token_works_while_the_function_still_runs(
    engine: Engine, script: Register, acting: Register
) -> None:
    @acting
    def ask() -> None:
        client.complete_activity(activity.info().task_token, "early")
        activity.raise_complete_async()

    @script
    async def main(me: kit.Scripted) -> Any:
        return await kit.act.execute("ask")

    handle = engine.start("main")
    engine.go()

    assert handle.result(0) == "early"


@pytest.mark.django_db(transaction=True)
def test_an_outcome_that_is_rolled_back_was_none(asked: Asked) -> None:
    before = counts()

    with pytest.raises(ZeroDivisionError):
        with transaction.atomic():
            client.complete_activity(asked.token, 1)
            raise ZeroDivisionError

    assert counts() == before
    client.complete_activity(asked.token, 2)
    assert asked.result() == 2


def forged(text: str) -> str:
    return signing.Signer(salt="another").sign(text)


def signed(text: str) -> str:
    return signing.Signer(salt="aion.activity").sign(text)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        forged(f"{SOME.hex}.1"),
        signed("no-uuid.1"),
        signed(f"{SOME.hex}.x"),
        signed(SOME.hex),
        None,
        5,
        b"bytes",
    ],
    ids=[
        "empty",
        "nonsense",
        "another salt",
        "no id",
        "no number",
        "one part",
        "None",
        "5",
        "bytes",
    ],
)
def test_a_forged_token_is_refused(token: Any, asked: Asked) -> None:
    before = counts()

    for use in (
        lambda: client.complete_activity(token),
        lambda: client.fail_activity(token, ValueError()),
        lambda: client.cancel_activity(token),
        lambda: client.heartbeat_activity(token),
    ):
        with pytest.raises(InvalidArgument) as caught:
            use()
        assert caught.value.context["field"] == "token"

    assert counts() == before


def test_a_token_of_an_unknown_activity_is_not_found() -> None:
    with pytest.raises(ActivityNotFound):
        client.complete_activity(make_token(uuid7(), 1))


def test_what_cannot_be_stored_changes_nothing(asked: Asked) -> None:
    before = ActivityTask.objects.values().get()

    with pytest.raises(PayloadUnserializable, match="the result of the activity"):
        client.complete_activity(asked.token, object())
    with pytest.raises(PayloadUnserializable, match="the heartbeat details"):
        client.heartbeat_activity(asked.token, object())
    with pytest.raises(InvalidArgument) as caught:
        client.cancel_activity(asked.token, 5)  # type: ignore[arg-type]

    assert caught.value.context["field"] == "reason"
    assert ActivityTask.objects.values().get() == before
    assert before["scheduled_at"] == START
