"""Handlers that are still running when their run closes: who is told, and how often."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from typing import Any

import pytest

from aion import client, workflow
from aion.client import WorkflowHandle
from tests.language.worlds import rest
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

ABANDON = workflow.HandlerUnfinishedPolicy.ABANDON


@workflow.defn(name="unfinished.Hall")
class Hall:
    def __init__(self) -> None:
        self.how = ""

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.how)
        if self.how == "fail":
            raise ValueError("over")
        if self.how == "continue":
            workflow.continue_as_new()
        if self.how == "wait":
            await workflow.wait_condition(workflow.all_handlers_finished)
        return self.how

    @workflow.signal
    def end(self, how: str) -> None:
        self.how = how

    @workflow.signal
    async def speak(self, seconds: float = 100) -> None:
        await asyncio.sleep(seconds)

    @workflow.update
    async def sing(self) -> None:
        await asyncio.sleep(100)

    @workflow.update
    async def leave(self) -> None:
        workflow.continue_as_new()

    @workflow.signal(dynamic=True)
    async def rest(self, name: str, args: list[Any]) -> None:
        await asyncio.sleep(100)

    @workflow.signal(unfinished_policy=ABANDON)
    async def whisper(self) -> None:
        await asyncio.sleep(100)

    @workflow.update(unfinished_policy=ABANDON)
    async def hum(self) -> None:
        await asyncio.sleep(100)


@pytest.fixture
def hall(engine: Engine) -> WorkflowHandle:
    handle = client.start_workflow(Hall, id="hall", run_timeout=dt.timedelta(days=1))
    engine.turns()
    return handle


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("how", "event"),
    [
        ("return", "WorkflowCompleted"),
        ("fail", "WorkflowFailed"),
        ("continue", "WorkflowContinuedAsNew"),
        ("cancel", "WorkflowCancelled"),
    ],
)
def test_the_end_of_a_run_names_the_handlers_it_drops_once(
    engine: Engine,
    clock: StandingClock,
    hall: WorkflowHandle,
    caplog: pytest.LogCaptureFixture,
    how: str,
    event: str,
) -> None:
    hall.signal(Hall.speak)
    hall.signal(Hall.speak)
    hall.signal("unheard")
    hall.start_update(Hall.sing, id="u-7", wait_for="")
    engine.turns()
    assert warnings(caplog) == []

    if how == "cancel":
        hall.cancel()
    else:
        hall.signal(Hall.end, how)
    engine.turns()

    (said,) = warnings(caplog)
    assert "signal speak, 2 times; signal unheard; update sing (id u-7)" in said
    assert event in said
    assert "hall" in said
    assert "all_handlers_finished" in said
    assert hall.query("__stack_trace")  # replays the closed run, and says nothing
    assert len(warnings(caplog)) == 1


def test_nothing_is_said_of_those_that_may_be_dropped(
    engine: Engine, hall: WorkflowHandle, caplog: pytest.LogCaptureFixture
) -> None:
    hall.signal(Hall.whisper)
    hall.start_update(Hall.hum, wait_for="")
    hall.signal(Hall.end, "return")
    engine.turns()

    assert hall.result(0) == "return"
    assert warnings(caplog) == []


def test_nothing_is_said_when_the_run_waits_for_them(
    engine: Engine, clock: StandingClock, hall: WorkflowHandle, caplog: pytest.LogCaptureFixture
) -> None:
    hall.signal(Hall.speak, 5.0)
    hall.signal(Hall.whisper)
    update = hall.start_update(Hall.sing, wait_for="")
    hall.signal(Hall.end, "wait")
    rest(engine, clock)

    assert hall.result(0) == "wait"  # for those that may be dropped, too
    assert update.result(0) is None
    assert warnings(caplog) == []


def test_a_handler_that_ends_the_run_is_not_unfinished(
    engine: Engine, hall: WorkflowHandle, caplog: pytest.LogCaptureFixture
) -> None:
    hall.start_update(Hall.leave, wait_for="")
    engine.turns()

    assert str(hall.describe().status) == "continued_as_new"
    assert warnings(caplog) == []


@pytest.mark.parametrize("how", ["terminate", "timeout"])
def test_an_end_that_the_code_did_not_choose_is_not_its_fault(
    engine: Engine,
    clock: StandingClock,
    hall: WorkflowHandle,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    hall.signal(Hall.speak, 1_000_000.0)
    engine.turns()

    if how == "terminate":
        hall.terminate()
    else:
        clock.move(86_400)
    engine.turns()

    assert not hall.describe().status.is_open
    assert warnings(caplog) == []


def test_handlers_set_while_the_code_runs_have_policies(
    engine: Engine, script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @script
    async def main(me: Any) -> None:
        async def endless() -> None:
            await asyncio.sleep(1000)

        workflow.set_signal_handler("loud", endless)
        workflow.set_signal_handler("quiet", endless, unfinished_policy=ABANDON)
        workflow.set_update_handler("loud", endless)
        workflow.set_update_handler("quiet", endless, unfinished_policy=ABANDON)
        await workflow.wait_condition(lambda: me.notes)

    handle = engine.start("main")
    engine.turns()
    for name in ("loud", "quiet"):
        handle.signal(name)
        handle.start_update(name, id=f"u-{name}", wait_for="")
    handle.signal("note", "over")
    engine.turns()

    (said,) = warnings(caplog)
    assert "dropped them: signal loud; update loud (id u-loud)." in said


def test_the_log_of_an_update_names_it(
    engine: Engine, script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @script
    async def main(me: Any) -> None:
        async def take() -> None:
            workflow.logger.warning("taken")

        workflow.set_update_handler("take", take)
        await workflow.wait_condition(lambda: me.notes)

    handle = engine.start("main")
    engine.turns()
    handle.start_update("take", id="u1", wait_for="")
    engine.turns()

    (record,) = [one for one in caplog.records if one.getMessage() == "taken"]
    assert (record.update_id, record.update_name) == ("u1", "take")  # type: ignore[attr-defined]
