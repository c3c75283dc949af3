"""The PostgreSQL bell: for installations without Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from aion.core.ids import uuid7
from aion_engine.runtime import postgres_bell
from aion_engine.runtime.postgres_bell import PostgresBell
from tests.support.waiting import eventually

LISTENERS = (
    "FROM pg_stat_activity WHERE query LIKE 'LISTEN aion_bell%' AND datname = current_database()"
)

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def short_idleness(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(postgres_bell, "_IDLE", 0.1)
    yield
    eventually(lambda: listeners() == 0, what="no connection is left behind")


def listeners() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {LISTENERS}")
        return int(cursor.fetchone()[0])


def test_a_ring_reaches_those_who_wait_for_it() -> None:
    bell = PostgresBell()
    mine, other = uuid7(), uuid7()
    waiter, stranger = bell.result_waiter(mine), bell.result_waiter(other)
    for each in (waiter, stranger):
        each._event.clear()

    PostgresBell().ring_closed([mine])

    assert waiter.wait(30)
    assert not stranger.wait(0.1)
    waiter.close()
    stranger.close()


def test_a_ring_that_is_not_urgent_disturbs_nobody_who_gathers() -> None:
    bell = PostgresBell()
    waiter = bell.loop_waiter()
    waiter.wait(0.1)

    PostgresBell().ring_loops(urgent=False)
    eventually(waiter._event.is_set)
    assert not waiter._urgent.is_set()
    PostgresBell().ring_loops()
    waiter.wait_for_urgent(30)
    assert waiter.wait(0), "it hears of the first all the same"
    waiter.close()


def test_a_ring_after_the_commit_of_a_rolled_back_transaction_is_none() -> None:
    bell = PostgresBell()
    waiter = bell.loop_waiter()
    waiter._event.clear()

    with transaction.atomic():
        PostgresBell().ring_loops()
        transaction.set_rollback(True)

    assert not waiter.wait(0.2)
    waiter.close()


def test_a_listener_that_lost_its_connection_listens_again() -> None:
    bell = PostgresBell()
    waiter = bell.loop_waiter()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(pg_terminate_backend(pid)) {LISTENERS}")
        assert cursor.fetchone()[0] == 1

    def heard() -> bool:
        waiter._event.clear()
        PostgresBell().ring_loops()
        return waiter.wait(0.2)

    eventually(heard)
    waiter.close()
