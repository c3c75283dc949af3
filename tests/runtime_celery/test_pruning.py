"""Old runs are deleted now and then, by one process at a time, without holding up a keeper."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from aion.models import Run, Tick
from aion.store import workers
from aion_engine.runtime.pruning import PruningThread, prune_if_due
from aion_engine.tasks import run_prune
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.waiting import eventually

DAYS = 24 * 3600


@pytest.fixture
def old(engine: Engine, clock: StandingClock, script: Callable[[Any], Any]) -> None:
    @script
    async def brief(me: kit.Scripted) -> Any:
        return "done"

    for _ in range(3):
        engine.start("brief")
    engine.go()
    clock.move(91 * DAYS)


@pytest.mark.django_db
def test_it_is_due_once_in_an_interval(old: None, clock: StandingClock) -> None:
    assert prune_if_due() == 3
    assert prune_if_due() is None
    clock.move(600)
    assert prune_if_due() == 0


@pytest.mark.django_db
def test_the_task_of_beat_prunes(old: None) -> None:
    run_prune()

    assert not Run.objects.exists()
    assert workers.last_tick() is None, "that somebody ticks is another thing"


@pytest.mark.django_db
def test_a_process_that_stops_leaves_the_rest(
    old: None, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aion.operations.prune.MOST_EVENTS", 1)

    assert prune_if_due(stopping=lambda: True) == 1
    clock.move(600)
    assert prune_if_due() == 2


@pytest.mark.django_db(transaction=True)
def test_without_beat_a_keepers_thread_prunes(old: None, clock: StandingClock) -> None:
    thread = PruningThread()
    Tick.objects.create(id=workers.PRUNING, ticked_at=clock.read() - dt.timedelta(seconds=1199))
    thread.begin_if_late()
    assert Run.objects.count() == 3
    clock.move(2)

    thread.begin_if_late()
    eventually(lambda: not Run.objects.exists())
    thread.stop()
