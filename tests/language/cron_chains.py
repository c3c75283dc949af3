"""What the tests of cron chains share: two scripts, a cron, and how to look at a chain."""

from __future__ import annotations

import asyncio
import datetime as dt
from datetime import timedelta
from typing import Any

import pytest

from aion import RetryPolicy, workflow
from aion.client import WorkflowHandle
from aion.core import events
from tests.language.worlds import found, rest
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

DAILY = "0 9 * * *"
ONCE_MORE = RetryPolicy(initial_interval=timedelta(minutes=10), maximum_attempts=2, jitter=0.0)


@pytest.fixture
def cron_scripts(script: Any) -> None:
    @script
    async def count(me: Scripted, first: int) -> int:
        last = workflow.get_last_completion_result(int)
        return first if last is None else last + 1

    @script
    async def nap(me: Scripted, seconds: float = 1000) -> str:
        await asyncio.sleep(seconds)
        return "slept"


def planned(run: WorkflowHandle) -> dt.datetime:
    at: dt.datetime = found(run, events.WorkflowStarted)[0].scheduled_at
    return at


def result_of(run: WorkflowHandle) -> Any:
    return run.result(0)


def days(engine: Engine, clock: StandingClock, number: float) -> None:
    rest(engine, clock, days=number)
