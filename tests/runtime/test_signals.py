"""Signals tell once what has been committed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.dispatch import Signal

from aion import RetryPolicy, client, signals, workflow
from aion.store import turns
from tests.language.worlds import Forgetful, rest
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {name: value for name, value in vars(signals).items() if isinstance(value, Signal)}


@pytest.fixture
def heard() -> Iterator[list[tuple[str, Any]]]:
    found: list[tuple[str, Any]] = []
    receivers = []
    for name, signal in ALL.items():

        def receive(name: str = name, **facts: Any) -> None:
            del facts["signal"]
            found.append((name, facts))

        signal.connect(receive, weak=False)
        receivers.append((signal, receive))
    yield found
    for signal, receive in receivers:
        signal.disconnect(receive)


def names(heard: list[tuple[str, Any]]) -> Counter[str]:
    return Counter(name for name, _ in heard)


@pytest.fixture
def scripts(script: Any, acting: Any) -> None:
    @acting
    def work() -> None:
        pass

    @acting
    def fail() -> None:
        raise ValueError("no good")

    @script
    async def parent(me: Scripted) -> None:
        await workflow.execute_child_workflow(Scripted, "kid", 1, id="kid")
        await kit.act.execute_local("work")
        await workflow.wait_condition(lambda: me.notes)

    @script
    async def kid(me: Scripted, left: int) -> None:
        await kit.act.execute("work")
        if left:
            workflow.continue_as_new("kid", left - 1)

    @script
    async def failing(me: Scripted) -> None:
        await kit.act.execute("fail")

    @script
    async def waiting(me: Scripted) -> None:
        await workflow.wait_condition(lambda: len(me.notes) >= 2)

    @script
    async def trying(me: Scripted) -> None:
        retry = RetryPolicy(maximum_attempts=2, jitter=0.0)
        await workflow.execute_child_workflow(Scripted, "broken", id="kid", retry=retry)

    @script
    async def broken(me: Scripted) -> None:
        raise ValueError("broken")


@pytest.mark.parametrize("kind", [Engine, Forgetful])
def test_every_run_begins_and_ends_once(
    db: None, clock: StandingClock, scripts: None, heard: Any, kind: type[Engine]
) -> None:
    engine = kind()
    client.start_workflow(
        Scripted, "parent", id="w", start_delay=dt.timedelta(minutes=1), headers={"a": "1"}
    )
    rest(engine, clock)
    client.get_workflow_handle("w").signal("note", 1)
    rest(engine, clock)
    engine.close()

    assert names(heard) == {"workflow_started": 3, "workflow_closed": 3, "activity_completed": 3}
    begun = [facts["run"] for name, facts in heard if name == "workflow_started"]
    assert [run.workflow_id for run in begun] == ["w", "kid", "kid"]
    assert {tuple(run.headers.items()) for run in begun} == {(("a", "1"),)}
    ended = [facts for name, facts in heard if name == "workflow_closed"]
    assert [str(facts["status"]) for facts in ended] == [
        "continued_as_new",
        "completed",
        "completed",
    ]
    assert ended[1]["run"].continued_from_run_id == ended[0]["run"].run_id
    assert ended[2]["run"].started_at == START
    assert {facts["sender"] for _, facts in heard} == {Scripted, kit.act}
    attempts = [facts["attempt"] for name, facts in heard if name == "activity_completed"]
    assert [each.is_local for each in attempts] == [False, False, True]


def test_failed_attempts_tell_whether_they_are_the_last(
    engine: Engine, clock: StandingClock, scripts: None, heard: Any
) -> None:
    engine.start("failing", id="w")
    for _ in range(4):
        engine.go()
        clock.move(120)

    failed = [facts for name, facts in heard if name == "activity_failed"]
    assert [(one["attempt"].attempt, one["final"]) for one in failed] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    assert all(isinstance(one["error"], ValueError) for one in failed)
    [closed] = [facts for name, facts in heard if name == "workflow_closed"]
    assert type(closed["error"]).__name__ == "ActivityError"
    assert closed["failure"].cause.message == "no good"
    assert not closed["will_retry"]


def test_attempts_that_time_out_are_told(
    engine: Engine, clock: StandingClock, script: Any, scripts: None, heard: Any
) -> None:
    @script
    async def slow(me: Scripted) -> None:
        await kit.act.with_options(start_to_close_timeout=dt.timedelta(seconds=5)).execute("work")

    engine.start("slow", id="w")
    engine.turns()
    assert engine.begin() is not None
    clock.move(6)
    engine.tick()

    [(name, facts)] = [one for one in heard if one[0].startswith("activity")]
    assert name == "activity_failed"
    assert (facts["failure"].kind, facts["error"], facts["final"]) == ("timeout", None, False)


def test_a_run_that_is_tried_again_says_so(
    engine: Engine, clock: StandingClock, scripts: None, heard: Any
) -> None:
    engine.start("trying", id="w")
    rest(engine, clock)

    closed = [facts for name, facts in heard if name == "workflow_closed"]
    assert [(one["run"].workflow_id, one["run"].attempt, one["will_retry"]) for one in closed] == [
        ("kid", 1, True),
        ("kid", 2, False),
        ("w", 1, False),
    ]


def test_ends_from_outside_are_told(
    engine: Engine, clock: StandingClock, scripts: None, heard: Any
) -> None:
    terminated = engine.start("waiting", id="t", headers={"a": "1"})
    engine.start("waiting", id="d", run_timeout=dt.timedelta(hours=1))
    engine.turns()
    with transaction.atomic():
        terminated.terminate("enough")
        assert "workflow_closed" not in names(heard)
    rest(engine, clock)

    closed = [facts for name, facts in heard if name == "workflow_closed"]
    assert [(one["run"].workflow_id, str(one["status"])) for one in closed] == [
        ("t", "terminated"),
        ("d", "timed_out"),
    ]
    assert [one["failure"].kind for one in closed] == ["terminated", "timeout"]
    assert dict(closed[0]["run"].headers) == {"a": "1"}


def test_what_is_rolled_back_is_not_told(
    engine: Engine, scripts: None, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = engine.start("waiting", id="w")
    with monkeypatch.context() as patch:
        patch.setattr(turns, "write", _lost)
        with pytest.raises(OperationalError):
            engine.turn()
    assert heard == []

    engine.turns()
    with pytest.raises(KeyError), transaction.atomic():
        handle.terminate()
        raise KeyError

    assert names(heard) == {"workflow_started": 1}


def _lost(*_: Any, **__: Any) -> None:
    raise OperationalError("the connection is gone")


def test_a_receiver_that_fails_harms_nobody(
    engine: Engine, scripts: None, heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: Any) -> None:
        raise RuntimeError("I do not want to know")

    signals.workflow_started.connect(refuse)
    try:
        handle = engine.start("waiting", id="w")
        engine.turns()
    finally:
        signals.workflow_started.disconnect(refuse)

    assert handle.describe().status == "running"
    assert names(heard) == {"workflow_started": 1}
    assert "I do not want to know" in caplog.text


def test_one_type_can_be_listened_for(
    engine: Engine, scripts: None, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    found: list[Any] = []

    def receive(**facts: Any) -> None:
        found.append(facts["run"].workflow_type)

    signals.workflow_started.connect(receive, sender=kit.Waiting)
    try:
        client.start_workflow(kit.Waiting, id="w")
        engine.start("waiting", id="v")
        engine.turns()
    finally:
        signals.workflow_started.disconnect(receive, sender=kit.Waiting)

    assert found == ["kit.Waiting"]
