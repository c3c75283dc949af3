"""The bell that hears what others commit to a SQLite file."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection, connections

from aion_engine.runtime.sqlite_bell import SQLiteBell
from tests.sample.models import Effect

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite only"),
]


def commit_elsewhere() -> None:
    def write() -> None:
        Effect.objects.create(key="from another connection")
        connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


def test_a_commit_of_another_connection_rings() -> None:
    waiter = SQLiteBell().loop_waiter()
    assert not waiter.wait(0.05)

    commit_elsewhere()

    assert waiter.wait(30)


def test_a_commit_before_the_first_wait_is_not_missed() -> None:
    waiter = SQLiteBell().result_waiter(uuid.uuid4())

    commit_elsewhere()

    assert waiter.wait(30)


def test_own_commits_do_not_ring() -> None:
    waiter = SQLiteBell().loop_waiter()

    Effect.objects.create(key="own")

    assert not waiter.wait(0.05)


def test_a_ring_of_the_process_needs_no_commit() -> None:
    bell = SQLiteBell()
    waiter = bell.loop_waiter()

    bell.ring_loops()

    assert waiter.wait(30)
    assert connection.vendor == "sqlite"
