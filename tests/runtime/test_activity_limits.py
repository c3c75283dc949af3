"""Limits of activities hold for all workers together, and who waits is let in by age."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest

from aion.core.ids import uuid7
from aion.models import ActivityLimit, ActivityTask
from aion.operations.clock import clock as the_clock
from aion.store import activities
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine, in_thread

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]


@pytest.fixture
def limited(settings: Any) -> Callable[..., None]:
    def limit(**limits: float) -> None:
        settings.AION = {**settings.AION, "ACTIVITY_LIMITS": {"narrow": limits}}

    return limit


@pytest.fixture
def work(engine: Engine, script: Register, acting: Register) -> Callable[..., None]:
    """Ask for activities in the narrow queue, one run for each key."""

    @acting
    def nothing() -> None:
        return None

    @script
    async def main(me: kit.Scripted, key: str) -> None:
        act = kit.act.with_options(task_queue="narrow", limit_key=key)
        await act.execute("nothing")

    def ask(*keys: str) -> None:
        for key in keys:
            engine.start("main", key)
        engine.turns()

    return ask


def begin_all(engine: Engine) -> list[Any]:
    """Begin what may begin now."""
    found = []
    for task_id, number in activities.ready(now=the_clock.now(), limit=100):
        if activities.claim_attempt(
            task_id, number, owner_id=engine.worker.id, pid=1, now=the_clock.now()
        ):
            found.append(activities.find(task_id))
    return found


def end(engine: Engine, attempt: Any) -> None:
    from aion.operations import activity_outcome

    activity_outcome.complete(attempt, b"null")


def test_so_many_run_at_once_and_the_oldest_goes_next(
    engine: Engine, limited: Callable[..., None], work: Callable[..., None], clock: StandingClock
) -> None:
    limited(concurrency=2)
    work(*["k"] * 5)

    first = begin_all(engine)
    assert len(first) == 2
    assert begin_all(engine) == []
    waiting = [row.id for row in ActivityTask.objects.filter(crowded=True).order_by("id")]
    assert len(waiting) == 3
    end(engine, first[0])

    [third] = begin_all(engine)
    assert third.id == waiting[0]
    assert not ActivityTask.objects.get(id=third.id).crowded


def test_a_failed_attempt_gives_its_place_to_another(
    engine: Engine, limited: Callable[..., None], work: Callable[..., None], clock: StandingClock
) -> None:
    from aion.core.failures import failure_from
    from aion.operations import activity_outcome

    limited(concurrency=1)
    work("k", "k")
    [first] = begin_all(engine)

    assert activity_outcome.fail(first, failure_from(ValueError("again")))

    [second] = begin_all(engine)
    assert second.id != first.id


def test_a_dead_worker_takes_no_place_for_ever(
    engine: Engine, limited: Callable[..., None], work: Callable[..., None], clock: StandingClock
) -> None:
    limited(concurrency=1)
    work("k", "k")
    dead = Engine()
    assert len(begin_all(dead)) == 1
    assert begin_all(engine) == []

    clock.move(60)
    engine.tick()

    assert len(begin_all(engine)) == 1


def test_each_key_has_its_own_places(
    engine: Engine, limited: Callable[..., None], work: Callable[..., None], clock: StandingClock
) -> None:
    limited(concurrency_per_key=1, concurrency=3)
    work("a", "a", "a", "b", "c", "d")

    first = begin_all(engine)
    assert [one.order.limit_key for one in first] == ["a", "b", "c"]
    end(engine, first[1])

    assert [one.order.limit_key for one in begin_all(engine)] == ["d"], "a is full"
    end(engine, first[0])
    assert [one.order.limit_key for one in begin_all(engine)] == ["a"]


def test_activities_without_a_key_are_not_limited_by_it(
    engine: Engine, limited: Callable[..., None], work: Callable[..., None], clock: StandingClock
) -> None:
    limited(concurrency_per_key=1, rate_per_key=1)
    work("", "", "")

    assert len(begin_all(engine)) == 3


def test_a_rate_spaces_attempts_in_the_order_in_which_they_came(
    engine: Engine, limited: Callable[..., None], work: Callable[..., None], clock: StandingClock
) -> None:
    limited(rate=2)
    work(*["k"] * 7)
    begun: list[tuple[float, Any]] = []
    start = clock.read()

    for _ in range(40):
        begun += [((clock.read() - start).total_seconds(), one.id) for one in begin_all(engine)]
        clock.move(0.125)

    seconds = [at for at, _ in begun]
    assert seconds == [0, 0, 0.5, 1.0, 1.5, 2.0, 2.5], "one second's worth is saved up"
    ids = [task_id for _, task_id in begun]
    assert ids == sorted(ids)


def test_a_rate_below_one_a_second_saves_nothing_up(
    engine: Engine, limited: Callable[..., None], work: Callable[..., None], clock: StandingClock
) -> None:
    limited(rate_per_key=0.5)
    work("a", "a", "b")

    assert len(begin_all(engine)) == 2
    clock.move(1.9)
    assert begin_all(engine) == []
    clock.move(0.1)
    assert len(begin_all(engine)) == 1


def test_slots_that_nobody_used_are_lost(
    engine: Engine, limited: Callable[..., None], work: Callable[..., None], clock: StandingClock
) -> None:
    """Workers that come back after a while do not make up for it at once."""
    limited(rate=1)
    work(*["k"] * 20)
    assert len(begin_all(engine)) == 1

    clock.move(600)

    assert len(begin_all(engine)) == 1


def test_a_queue_without_limits_writes_nothing_of_them(
    engine: Engine, limited: Callable[..., None], script: Register, acting: Register
) -> None:
    limited(concurrency=1)

    @acting
    def nothing() -> None:
        return None

    @script
    async def main(me: kit.Scripted) -> None:
        await kit.act.execute("nothing")

    for _ in range(3):
        engine.start("main")
    engine.turns()

    assert len(begin_all(engine)) == 3
    assert not ActivityLimit.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_workers_at_once_keep_a_limit_together(
    engine: Engine, limited: Callable[..., None], work: Callable[..., None]
) -> None:
    limited(concurrency=3, rate=1000)
    work(*["k"] * 12)
    gate = threading.Barrier(4)

    def claim_all() -> int:
        gate.wait(10)
        worker = uuid7()
        now = the_clock.now() + dt.timedelta(seconds=1)
        return sum(
            activities.claim_attempt(task_id, number, owner_id=worker, pid=1, now=now) is not None
            for task_id, number in activities.ready(now=now, limit=100)
        )

    threads = [in_thread(claim_all) for _ in range(4)]

    assert sum(thread.done() for thread in threads) == 3
    assert ActivityTask.objects.filter(state="running").count() == 3
    assert ActivityTask.objects.filter(crowded=True).count() == 9
