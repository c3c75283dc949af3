"""The keeper keeps leases, notices what died, and never waits for those that hang."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from aion.core.ids import uuid7
from aion.models import ActivityTask, Tick, Worker
from aion.operations.clock import clock
from aion.store import activities, fencing
from aion_engine.runtime.board import Board
from aion_engine.runtime.identity import new_worker
from aion_engine.runtime.keeper import Keeper
from aion_engine.runtime.tick import tick
from tests.support.rows import insert_activity, quiet_run
from tests.support.waiting import eventually


@contextmanager
def kept(keeper: Keeper) -> Iterator[Keeper]:
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def dead_process() -> int:
    """A child that has ended and that nobody has asked about."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    return child


@pytest.mark.django_db(transaction=True)
def test_a_pool_process_that_died_loses_its_attempts_at_once() -> None:
    keeper = Keeper(new_worker("celery"), board=Board(), ticks=False)
    lost, kept_on = (insert_activity(quiet_run(), now=clock.now()) for _ in range(2))
    child = dead_process()
    for task_id, pid in ((lost, child), (kept_on, os.getpid())):
        assert activities.claim_attempt(
            task_id, 1, owner_id=keeper.worker.id, pid=pid, now=clock.now()
        )

    with kept(keeper):
        eventually(lambda: ActivityTask.objects.get(id=lost).attempt == 2, what="it was given up")
        assert ActivityTask.objects.get(id=kept_on).state == "running"
        os.waitpid(child, 0)

    handed_back = ActivityTask.objects.get(id=kept_on)
    assert (handed_back.state, handed_back.attempt) == ("scheduled", 1), "a stop is no failure"
    assert not Worker.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_was_given_up_registers_again(settings: object) -> None:
    keeper = Keeper(new_worker("celery"), ticks=False)
    with kept(keeper):
        Worker.objects.all().delete()
        keeper._next_beat = 0

        eventually(lambda: Worker.objects.filter(id=keeper.worker.id).exists())


@pytest.mark.django_db(transaction=True)
def test_it_ticks_when_nobody_else_does() -> None:
    with kept(Keeper(new_worker("celery"))):
        eventually(lambda: Tick.objects.exists())


@contextmanager
def somebody_writing(task_id: object, worker_id: object = None) -> Iterator[threading.Event]:
    """A transaction in another session that has locked a row and hangs."""
    locked, release, ended = threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        try:
            with transaction.atomic():
                if worker_id is not None:
                    fencing.belong_to_for_now(worker_id)  # type: ignore[arg-type]
                ActivityTask.objects.select_for_update().get(id=task_id)
                locked.set()
                while not release.wait(0.05):
                    connection.cursor().execute("SELECT 1")
        except Exception:
            ended.set()
        finally:
            connection.close()

    thread = threading.Thread(target=hang)
    thread.start()
    assert locked.wait(30)
    try:
        yield ended
    finally:
        release.set()
        thread.join()


@pytest.mark.postgres
@pytest.mark.timeout(20)
@pytest.mark.django_db(transaction=True)
def test_a_tick_waits_for_nobody_who_holds_a_row() -> None:
    task_id = insert_activity(quiet_run(), now=clock.now())
    activities.claim_attempt(task_id, 1, owner_id=uuid7(), pid=1, now=clock.now())

    with somebody_writing(task_id):
        assert tick(force=True).attempts_given_up == 0

    assert tick(force=True).attempts_given_up == 1


@pytest.mark.postgres
@pytest.mark.timeout(20)
@pytest.mark.django_db(transaction=True)
def test_the_sessions_of_a_dead_worker_are_ended_with_their_locks() -> None:
    dead = uuid7()
    task_id = insert_activity(quiet_run(), now=clock.now())
    activities.claim_attempt(task_id, 1, owner_id=dead, pid=1, now=clock.now())

    with somebody_writing(task_id, dead) as ended:
        tick(force=True)
        assert ended.wait(30)

    eventually(lambda: tick(force=True) and ActivityTask.objects.get().attempt == 2)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_sessions_of_others_are_left_alone() -> None:
    fencing.belong_to(uuid7())

    assert fencing.end_sessions([uuid7()]) == 0

    with connection.cursor() as cursor:
        cursor.execute("SHOW application_name")
        assert cursor.fetchone()[0].startswith("aion-")
    delattr(connection, fencing._MARK)
    connection.close()
