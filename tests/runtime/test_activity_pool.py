"""How long the threads that claim activities sleep when there is nothing to claim."""

from __future__ import annotations

import datetime as dt

import pytest

from aion.models import ActivityTask
from aion.store import due_work
from aion_engine.runtime.activity_pool import _LOOK, ActivityPool
from aion_engine.runtime.identity import new_worker
from tests.support.clocks import StandingClock
from tests.support.rows import insert_activity, quiet_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> ActivityPool:
    pool = ActivityPool(new_worker("test"), threads=1, queues=("here",))
    monkeypatch.setattr(type(pool._bell), "listens", True)
    return pool


def wait_for(clock: StandingClock, queue: str, seconds: float, *, paused: bool = False) -> None:
    task_id = insert_activity(quiet_run(), now=clock.at)
    due = clock.at + dt.timedelta(seconds=seconds)
    ActivityTask.objects.filter(id=task_id).update(
        task_queue=queue, next_attempt_at=due, paused=paused
    )


def test_with_nothing_to_come_it_sleeps_until_a_ring(
    pool: ActivityPool, clock: StandingClock
) -> None:
    assert pool._longest() == 5.0
    wait_for(clock, "elsewhere", 1)
    wait_for(clock, "here", 1, paused=True)
    assert pool._longest() == 5.0


def test_it_wakes_for_a_retry(pool: ActivityPool, clock: StandingClock) -> None:
    wait_for(clock, "here", 30)
    assert pool._longest() == 5.0
    wait_for(clock, "here", 1.5)
    assert pool._longest() == 1.5
    assert due_work.next_ready() == clock.at + dt.timedelta(seconds=1.5)


def test_it_looks_often_at_what_could_not_be_begun(
    pool: ActivityPool, clock: StandingClock
) -> None:
    wait_for(clock, "here", -1)
    assert pool._longest() == _LOOK


def test_without_a_bell_it_looks_often(pool: ActivityPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(pool._bell), "listens", False)
    assert pool._longest() == _LOOK
