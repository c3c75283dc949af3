"""What a running activity knows of itself, and what it may do with other activities."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aion import RetryPolicy, activity
from aion.authoring.context import ActivityInfo
from aion.core.errors import AionError
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db

TWICE = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(seconds=5), jitter=0.0)


@pytest.mark.parametrize("local", [False, True])
def test_an_activity_knows_its_attempt(
    engine: Engine, clock: StandingClock, script: Any, acting: Any, local: bool
) -> None:
    seen: list[ActivityInfo] = []

    @acting
    def look() -> None:
        seen.append(activity.info())
        if len(seen) == 1:
            raise ValueError

    @script
    async def main(me: Scripted) -> None:
        asked = kit.act.with_options(
            local=local,
            retry=TWICE,
            start_to_close_timeout=timedelta(seconds=7),
            schedule_to_close_timeout=timedelta(seconds=70),
        )
        await asked.execute("look")

    handle = engine.start("main", id="order-1")
    if local:
        engine.turns_until(lambda: len(seen) == 1)
        clock.move(5)
        engine.turns_until(lambda: len(seen) == 2)
    else:
        engine.go()
        clock.move(5)
        engine.go()

    first, second = seen
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.idempotency_key == second.idempotency_key == f"{handle.run_id}:1"
    assert (first.activity_id, first.activity_type, first.is_local) == ("1", "kit.act", local)
    assert (first.workflow_id, first.run_id) == ("order-1", str(handle.run_id))
    assert (first.workflow_type, first.task_queue) == ("kit.Scripted", "default")
    assert (first.scheduled_at, first.started_at) == (START, START)
    assert (second.scheduled_at, second.started_at) == (START, START + timedelta(seconds=5))
    assert (first.retry, first.heartbeat_timeout) == (TWICE, None)
    assert first.start_to_close_timeout == timedelta(seconds=7)
    assert first.schedule_to_close_timeout == timedelta(seconds=70)
    if not local:
        assert first.task_token
        assert first.task_token != second.task_token


def test_an_activity_that_another_calls_just_runs(engine: Engine, script: Any, acting: Any) -> None:
    """It is a part of the attempt that calls it: no event, no retry of its own. Asking for one is refused."""
    errors: list[BaseException] = []

    @acting
    def inner() -> str:
        return f"inner of attempt {activity.info().attempt} of {activity.info().activity_id}"

    @acting
    def outer() -> str:
        try:
            kit.act.start("inner")
        except AionError as error:
            errors.append(error)
        return kit.act("inner")

    @script
    async def main(me: Scripted) -> str:
        return await kit.act.execute("outer")

    handle = engine.start("main")
    engine.go()

    assert handle.result(0) == "inner of attempt 1 of 1"
    assert "workflow" in str(errors[0])
    assert [r.kind for r in handle.fetch_history()].count("ActivityScheduled") == 1
