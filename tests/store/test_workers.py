"""Workers: who is alive, what the dead leave, and one tick at a time."""

from __future__ import annotations

import datetime as dt

import pytest

from aion.core.errors import StaleAttempt
from aion.core.ids import uuid7
from aion.models import Message, Run, Worker
from aion.store import owners, workers
from aion.store.dialects import atomic
from tests.support.clocks import START
from tests.support.engine import in_thread
from tests.support.locks import locked
from tests.support.rows import insert_activity, mailbox_of, quiet_run, worker

pytestmark = pytest.mark.django_db


def after(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


def test_a_worker_lives_as_long_as_it_is_seen() -> None:
    alive, silent = worker("alive"), worker("silent")
    workers.register(alive, now=START)
    workers.register(silent, now=START)

    assert workers.beat(alive, now=after(10)) is True

    assert workers.dead(silent_since=after(5)) == [silent.id]
    assert workers.dead(silent_since=START) == []
    row = Worker.objects.get(id=alive.id)
    assert (row.name, row.host, row.pid, row.queues) == ("alive", "here", 1, ["default"])
    assert (row.started_at, row.last_seen_at) == (START, after(10))


def test_a_worker_that_was_given_up_hears_of_it() -> None:
    lost = worker()
    workers.register(lost, now=START)
    workers.forget([lost.id])

    assert workers.beat(lost, now=after(1)) is False


def test_owners_without_a_row_are_found() -> None:
    known, ghost, phantom = worker(), uuid7(), uuid7()
    workers.register(known, now=START)
    owned = [quiet_run() for _ in range(3)]
    for run_id, owner in zip(owned, (known.id, ghost, None), strict=True):
        Run.objects.filter(id=run_id).update(owner_id=owner)
    from aion.models import ActivityTask

    insert_activity(owned[2])
    ActivityTask.objects.update(owner_id=phantom)

    assert set(workers.owners_without_worker()) == {ghost, phantom}


def test_runs_given_back_are_free_and_woken() -> None:
    dead, other = uuid7(), uuid7()
    mine, others = quiet_run(), quiet_run()
    Run.objects.filter(id=mine).update(owner_id=dead)
    Run.objects.filter(id=others).update(owner_id=other)

    assert workers.give_back_runs([dead], now=START) == [mine]
    assert workers.give_back_runs([dead], now=START) == []

    assert Run.objects.get(id=mine).owner_id is None
    assert Run.objects.get(id=others).owner_id == other
    assert (mailbox_of(mine), mailbox_of(others)) == (["wake"], [])


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_run_in_somebodys_turn_is_given_back_later() -> None:
    dead = uuid7()
    busy, free = quiet_run(), quiet_run()
    Run.objects.update(owner_id=dead)

    with locked(busy):
        assert workers.give_back_runs([dead], now=START) == [free]

    assert workers.give_back_runs([dead], now=START) == [busy]


def test_one_tick_in_an_interval() -> None:
    assert workers.last_tick() is None
    assert workers.take_tick(now=START, not_since=after(-1)) is True
    assert workers.take_tick(now=after(0.5), not_since=after(-0.5)) is False
    assert workers.last_tick() == START
    assert workers.take_tick(now=after(1), not_since=START) is True
    assert workers.last_tick() == after(1)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ticked_before", [True, False])
def test_of_many_who_tick_at_once_one_does(ticked_before: bool) -> None:
    if ticked_before:
        workers.take_tick(now=START, not_since=START)

    def take() -> bool:
        with atomic():
            return workers.take_tick(now=after(5), not_since=after(4))

    threads = [in_thread(take) for _ in range(6)]

    assert sum(thread.done() for thread in threads) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_tick_that_is_going_on_is_not_waited_for() -> None:
    workers.take_tick(now=START, not_since=START)

    with atomic():
        assert workers.take_tick(now=after(5), not_since=after(4)) is True
        other = in_thread(lambda: workers.take_tick(now=after(5), not_since=after(4)))
        assert other.done() is False


def test_the_owner_of_an_open_run_passes_the_check() -> None:
    me, run_id = uuid7(), quiet_run()
    Run.objects.update(owner_id=me)

    with atomic():
        owners.check(run_id, me)

    for change in ({"owner_id": uuid7()}, {"owner_id": None}, {"owner_id": me, "closed_at": START}):
        Run.objects.update(**change)
        with pytest.raises(StaleAttempt):
            with atomic():
                owners.check(run_id, me)


def test_lost_runs_are_those_closed_or_owned_by_others() -> None:
    me = uuid7()
    mine, free, others, closed = (quiet_run() for _ in range(4))
    Run.objects.filter(id=mine).update(owner_id=me)
    Run.objects.filter(id=others).update(owner_id=uuid7())
    Run.objects.filter(id=closed).update(owner_id=me, closed_at=START)

    assert owners.lost([mine, free, others, closed], me) == {others, closed}


def test_forgetting_a_worker_leaves_the_others() -> None:
    gone, here = worker(), worker()
    workers.register(gone, now=START)
    workers.register(here, now=START)

    workers.forget([gone.id, uuid7()])

    assert list(Worker.objects.values_list("id", flat=True)) == [here.id]
    assert Message.objects.count() == 0
