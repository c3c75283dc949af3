"""Runs that wait for many remote activities: their outcomes gather for a moment, other work does not wait."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from aion import client, workflow
from aion_engine.runtime import turn_loop
from aion_engine.runtime.batches import Batch
from tests.support import kit
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def wide(script: Callable[[Any], Any], acting: Callable[[Any], Any]) -> None:
    @acting
    def work(number: int) -> int:
        return number

    @script
    async def main(me: kit.Scripted, count: int, within: float = 0) -> list[int]:
        return await asyncio.gather(*(kit.act.execute("work", each) for each in range(count)))

    @script
    async def one_by_one(me: kit.Scripted, count: int) -> int:
        for done in asyncio.as_completed([kit.act.execute("work", each) for each in range(count)]):
            await done
            await workflow.sleep(1)
        return count


def after_an_outcome(engine: Engine) -> Batch:
    assert engine.act()
    return engine.turn()


def test_a_batch_of_some_outcomes_of_many_is_patient(engine: Engine) -> None:
    handle = engine.start("main", 20)
    assert not engine.turn().patient, "it has asked for them"

    found = [after_an_outcome(engine).patient for _ in range(20)]
    assert found == [True] * 4 + [False] * 16, "the next may be one of the last that it waits for"
    assert handle.result(0) == list(range(20))


def test_code_that_goes_on_with_each_outcome_is_not_kept_waiting(engine: Engine) -> None:
    engine.start("one_by_one", 20)
    engine.turn()
    assert not after_an_outcome(engine).patient, "it has started a timer"
    assert after_an_outcome(engine).patient, "it sleeps"


@pytest.mark.parametrize("what", ["signal", "start"])
def test_a_batch_with_anything_else_is_not(what: str, engine: Engine) -> None:
    handle = engine.start("main", 20)
    engine.turn()
    assert engine.act()
    if what == "signal":
        handle.signal("note", 1)
    else:
        client.start_workflow(kit.greet, "you")

    assert not engine.turn().patient


def test_the_loop_gathers_until_something_urgent_comes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.start("main", 20)
    engine.turn()
    waits: list[float] = []
    monkeypatch.setattr(engine.loop._waiter, "wait_for_urgent", waits.append)

    assert engine.act()
    assert engine.loop.step()
    assert waits == [turn_loop._PATIENCE]
    assert dt.timedelta(seconds=turn_loop._PATIENCE) < dt.timedelta(seconds=0.1)
