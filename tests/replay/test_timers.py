"""Sleeping: zero, less, moments in any zone, and timers as objects with names."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aion import workflow
from aion.core import events
from tests.support.driver import START, Driver


def started(run: Driver) -> list[events.TimerStarted]:
    return [event for event in run.events if isinstance(event, events.TimerStarted)]


SHORT: dict[str, Any] = {
    "asyncio zero": lambda: asyncio.sleep(0),
    "asyncio negative": lambda: asyncio.sleep(-5),
    "zero": lambda: workflow.sleep(0),
    "negative": lambda: workflow.sleep(-5),
    "negative timedelta": lambda: workflow.sleep(dt.timedelta(days=-1)),
    "past": lambda: workflow.sleep_until(START - dt.timedelta(days=400)),
    "now": lambda: workflow.sleep_until(START),
    "timer": lambda: workflow.Timer(0),
}


@pytest.mark.parametrize("sleep", SHORT.values(), ids=list(SHORT))
def test_no_time_lets_others_run_and_leaves_no_event(sleep: Any) -> None:
    async def main() -> list[str]:
        seen: list[str] = []

        async def other() -> None:
            seen.append("other")

        task = asyncio.create_task(other())
        await sleep()
        seen.append("main")
        await task
        return seen

    run = Driver(main).start()

    assert run.result == ["other", "main"]
    assert run.kinds == ["WorkflowStarted", "WorkflowCompleted"]
    run.crash()
    run.instance.close()


@pytest.mark.parametrize(
    "zone", [dt.UTC, ZoneInfo("Asia/Kolkata"), dt.timezone(dt.timedelta(hours=-11))]
)
def test_a_moment_in_any_zone_is_the_same_moment(zone: dt.tzinfo) -> None:
    moment = (START + dt.timedelta(hours=3, microseconds=7)).astimezone(zone)

    async def main() -> bool:
        await workflow.sleep_until(moment, summary="the cut-off")
        return workflow.now() == moment

    run = Driver(main).start()
    (timer,) = started(run)
    assert timer.fire_at == moment
    assert timer.summary == "the cut-off"
    run.crash()
    run.fire()

    assert run.result is True
    run.instance.close()


def test_a_naive_moment_is_refused() -> None:
    async def main() -> None:
        await workflow.sleep_until(dt.datetime(2030, 1, 1))  # what this is about

    assert "which zone" in str(Driver(main).start().error)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e18])
def test_what_is_no_time_is_refused(seconds: float) -> None:
    async def main() -> None:
        await workflow.sleep(seconds)

    run = Driver(main).start()

    assert run.kinds == ["WorkflowStarted", "WorkflowFailed"]


def test_a_summary_is_recorded_and_old_events_have_none() -> None:
    async def main() -> None:
        await workflow.sleep(5, summary="cool down")
        await asyncio.sleep(5)

    run = Driver(main).start()
    run.fire()
    run.fire()

    assert [timer.summary for timer in started(run)] == ["cool down", ""]
    assert b"summary" not in run.lines[4]


def test_a_timer_is_an_object_with_a_name() -> None:
    async def main() -> list[Any]:
        timer = workflow.Timer(dt.timedelta(minutes=1), summary="reminder")
        await asyncio.sleep(1)
        before = timer.fired
        await timer
        return [timer.summary, before, timer.fired, timer.cancel()]

    run = Driver(main).start()
    assert "timer reminder:" in run.query("__stack_trace")
    run.fire()
    run.crash()
    run.fire()

    assert run.result == ["reminder", False, True, False]
    run.crash()
    run.instance.close()


def test_a_timer_can_be_cancelled() -> None:
    async def main() -> list[Any]:
        timer = workflow.Timer(60, summary="reminder")
        await asyncio.sleep(1)
        taken_back = timer.cancel()
        try:
            await timer
        except asyncio.CancelledError:
            return [taken_back, timer.fired]
        return []

    run = Driver(main).start()
    run.fire()

    assert run.result == [True, False]
    assert "TimerCancelled" in run.kinds
    run.crash()
    run.instance.close()


def test_cancelling_who_waits_for_a_timer_leaves_the_timer() -> None:
    async def main() -> bool:
        timer = workflow.Timer(60)

        async def wait() -> None:
            await timer

        waiter = asyncio.create_task(wait())
        await asyncio.sleep(1)
        waiter.cancel()
        await timer
        return timer.fired

    run = Driver(main).start()
    run.fire()
    run.fire()

    assert run.result is True
    assert "TimerCancelled" not in run.kinds
