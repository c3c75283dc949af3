"""Sentry hears of each failure once, with the ids of its run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
from django.db import OperationalError
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from aion import ApplicationError, activity, client, signals, workflow
from aion.contrib.sentry import AionIntegration
from aion.store import turns
from tests.language.worlds import Forgetful
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db(transaction=True)


class Kept(Transport):
    """Keeps events instead of sending them."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(event)


@pytest.fixture
def listening() -> Iterator[None]:
    """Sentry connects for the life of the process; here it ends with the test."""
    AionIntegration.setup_once()
    yield
    for signal in (signals.activity_failed, signals.workflow_closed, signals.workflow_held):
        assert signal.disconnect(dispatch_uid="aion.contrib.sentry")


@pytest.fixture
def initialise(listening: None) -> Iterator[Callable[..., list[Any]]]:
    def start(**options: Any) -> list[Any]:
        transport = Kept()
        client = sentry_sdk.Client(
            dsn="https://key@sentry.invalid/1",
            transport=transport,
            integrations=[AionIntegration(**options), LoggingIntegration()],
            default_integrations=False,  # they would patch threads and processes for good
        )
        sentry_sdk.get_global_scope().set_client(client)
        return transport.events

    yield start
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def events(initialise: Callable[..., list[Any]]) -> list[Any]:
    return initialise()


@pytest.fixture
def scripts(script: Any, acting: Any) -> None:
    @acting
    def fail(text: str) -> None:
        raise ValueError(text)

    @acting
    def benign() -> None:
        raise ApplicationError("out of stock", benign=True)

    @script
    async def catching(me: Scripted, *what: Any, local: bool = False) -> None:
        options = {"local": True} if what[0] == "local" else {}
        try:
            await kit.act.with_options(**options).execute(*what[1:])
        except Exception:
            return

    @script
    async def passing(me: Scripted, *what: Any) -> None:
        await kit.act.execute(*what)

    @script
    async def broken(me: Scripted) -> None:
        raise KeyError("no good")

    @script
    async def forbidden(me: Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)
        open_file()


def open_file() -> None:
    import time

    time.sleep(1)


def to_the_end(engine: Engine, clock: StandingClock) -> None:
    """Three attempts, with their pauses."""
    for _ in range(4):
        engine.go()
        engine.loop.local.release_due()
        clock.move(120)


def told(event: Any) -> tuple[str, str]:
    [*_, last] = event["exception"]["values"]
    return last["type"], last["value"]


def test_an_activity_is_reported_at_its_last_attempt(
    engine: Engine, clock: StandingClock, scripts: None, events: list[Any]
) -> None:
    handle = engine.start("catching", "remote", "fail", "boom", id="w")

    to_the_end(engine, clock)

    assert handle.describe().status == "completed"
    [event] = events
    assert told(event) == ("ValueError", "boom")
    assert event["transaction"] == "kit.act"
    assert event["tags"] == {
        "aion.workflow_id": "w",
        "aion.run_id": str(handle.run_id),
        "aion.workflow_type": "kit.Scripted",
        "aion.activity_type": "kit.act",
        "aion.activity_id": "1",
        "aion.attempt": "3",
    }
    functions = [
        frame["function"] for frame in event["exception"]["values"][-1]["stacktrace"]["frames"]
    ]
    assert functions[-1] == "fail"
    assert event["exception"]["values"][-1]["mechanism"] == {"type": "aion", "handled": False}


def test_every_attempt_is_reported_if_wished(
    engine: Engine, clock: StandingClock, scripts: None, initialise: Callable[..., list[Any]]
) -> None:
    events = initialise(every_attempt=True)
    engine.start("catching", "remote", "fail", "boom", id="w")

    to_the_end(engine, clock)

    assert [event["tags"]["aion.attempt"] for event in events] == ["1", "2", "3"]


def test_a_local_activity_is_reported_when_its_failure_is_recorded(
    engine: Engine, clock: StandingClock, script: Any, scripts: None, events: list[Any]
) -> None:
    @script
    async def locally(me: Scripted) -> None:
        from aion import RetryPolicy

        once = kit.act.with_options(local=True, retry=RetryPolicy(maximum_attempts=1))
        try:
            await once.execute("fail", "boom")
        except Exception:
            return

    engine.start("locally", id="w")
    engine.go()

    [event] = events
    assert told(event) == ("ValueError", "boom") or told(event)[1] == "boom"
    assert event["tags"]["aion.activity_type"] == "kit.act"
    assert "raise ValueError(text)" in event["contexts"]["aion"]["traceback"]


@pytest.mark.parametrize("kind", [Engine, Forgetful])
def test_a_failed_run_is_reported_once(
    kind: type[Engine], clock: StandingClock, scripts: None, events: list[Any], db: None
) -> None:
    engine = kind()
    handle = engine.start("broken", id="w")
    engine.turns()
    engine.close()

    [event] = events
    assert told(event) == ("KeyError", "'no good'")
    assert event["tags"]["aion.run_id"] == str(handle.run_id)
    assert event["transaction"] == "kit.Scripted"


def test_a_turn_that_is_repeated_reports_once(
    engine: Engine, scripts: None, events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.start("broken", id="w")
    with monkeypatch.context() as patch:
        patch.setattr(turns, "write", _lost)
        with pytest.raises(OperationalError):
            engine.turn()
    assert events == []

    engine.turns()

    assert len(events) == 1


def _lost(*_: Any, **__: Any) -> None:
    raise OperationalError("the connection is gone")


def test_what_fails_because_of_an_activity_is_reported_for_both(
    engine: Engine, clock: StandingClock, scripts: None, events: list[Any]
) -> None:
    engine.start("passing", "fail", "boom", id="w")

    to_the_end(engine, clock)

    assert [told(event)[0] for event in events] == ["ValueError", "ActivityError"]


def test_benign_errors_are_not_reported(
    engine: Engine,
    clock: StandingClock,
    scripts: None,
    events: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "aion.activities"):
        handle = engine.start("passing", "benign", id="w")
        to_the_end(engine, clock)

    assert handle.describe().status == "failed"
    assert events == []
    levels = {record.levelname for record in caplog.records if "failed at" in record.message}
    assert levels == {"INFO"}


def test_a_held_run_is_reported_once_for_each_hold(
    engine: Engine, clock: StandingClock, script: Any, scripts: None, events: list[Any]
) -> None:
    handle = engine.start("forbidden", id="w")
    engine.turns()
    handle.signal("note", 1)
    for _ in range(3):
        engine.turns()
        clock.move(3600)
        engine.tick()
    assert handle.describe().problem is not None

    [event] = events
    assert told(event)[0] == "ForbiddenInWorkflow"
    assert event["tags"]["aion.held"] == "true"

    @script
    async def forbidden(me: Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)

    clock.move(3600)
    engine.tick()
    engine.turns()
    assert handle.describe().status == "completed"
    assert len(events) == 1


def test_cancelled_and_terminated_runs_are_not_reported(
    engine: Engine, script: Any, scripts: None, events: list[Any]
) -> None:
    @script
    async def idle(me: Scripted) -> None:
        await workflow.wait_condition(lambda: False)

    cancelled, terminated = engine.start("idle", id="c"), engine.start("idle", id="t")
    engine.turns()
    cancelled.cancel()
    terminated.terminate()
    engine.turns()

    assert [str(each.describe().status) for each in (cancelled, terminated)] == [
        "cancelled",
        "terminated",
    ]
    assert events == []


def test_an_activity_that_is_failed_by_token_is_reported(
    engine: Engine, clock: StandingClock, script: Any, acting: Any, scripts: None, events: list[Any]
) -> None:
    tokens: list[str] = []

    @acting
    def leave() -> None:
        tokens.append(activity.info().task_token)
        activity.raise_complete_async()

    engine.start("catching", "remote", "leave", id="w")
    engine.go()
    client.fail_activity(tokens[0], ApplicationError("from outside", non_retryable=True))

    [event] = events
    assert told(event) == ("ApplicationError", "from outside")


def test_without_the_integration_nothing_is_sent(
    engine: Engine, scripts: None, listening: None
) -> None:
    engine.start("broken", id="w")

    engine.turns()

    assert not sentry_sdk.get_client().is_active()


def test_a_wrapper_of_sentry_does_not_hide_the_users_line(
    engine: Engine, script: Any, scripts: None
) -> None:
    source = "def wrapped(function, *args):\n    return function(*args)\n"
    wrapper: dict[str, Any] = {"__name__": "sentry_sdk.integrations.stdlib"}
    exec(compile(source, "sentry_sdk/integrations/stdlib.py", "exec"), wrapper)

    @script
    async def starting(me: Scripted) -> None:
        wrapper["wrapped"](threading.Thread(target=print).start)

    handle = engine.start("starting", id="w")
    engine.turns()

    problem = handle.describe().problem
    assert problem is not None
    assert __file__ in problem["message"]
