"""Senders against turns: a message comes before the close, or its sender hears of the close."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from aion import client
from aion.core.errors import RunClosed, WorkflowAlreadyStarted
from aion.models import Message, Run
from aion.store import turns
from tests.support import kit
from tests.support.engine import Engine, in_thread, running_worker
from tests.support.rows import kinds_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Register = Callable[[Any], Any]


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@contextmanager
def turn_before_its_writes(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A turn in another thread that has folded everything and has not written yet, while in the block."""
    folded, go_on = threading.Event(), threading.Event()
    write = turns.write

    def wait_and_write(*args: Any, **kwargs: Any) -> None:
        folded.set()
        assert go_on.wait(20)
        write(*args, **kwargs)

    monkeypatch.setattr(turns, "write", wait_and_write)
    turn = in_thread(engine.turn)
    assert folded.wait(10)
    try:
        yield
    finally:
        monkeypatch.setattr(turns, "write", write)
        go_on.set()
        turn.done()


SENDS: dict[str, Callable[[client.WorkflowHandle], None]] = {
    "signal": lambda handle: handle.signal("go", 2),
    "cancel": lambda handle: handle.cancel(),
    "terminate": lambda handle: handle.terminate(),
}


@pytest.mark.parametrize("verb", SENDS)
def test_a_sender_behind_a_closing_turn_hears_of_the_close(
    verb: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = client.start_workflow(kit.Waiting)
    handle.signal("go", 1)

    with turn_before_its_writes(engine, monkeypatch):
        sender = in_thread(SENDS[verb], handle)
        eventually(somebody_waits_for_a_lock)

    with pytest.raises(RunClosed):
        sender.done()
    assert handle.result(0) == [1]
    assert Message.objects.count() == 0


def test_a_sender_behind_a_turn_that_stays_open_is_folded_next(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = client.start_workflow(kit.Waiting, 2)
    handle.signal("go", 1)

    with turn_before_its_writes(engine, monkeypatch):
        sender = in_thread(SENDS["signal"], handle)
        eventually(somebody_waits_for_a_lock)

    sender.done()
    engine.turns()
    assert handle.result(0) == [1, 2]


def test_a_signal_accepted_before_a_turn_is_in_it(engine: Engine) -> None:
    """The sender commits while the run already closes in code: one more event, then the close."""
    handle = client.start_workflow(kit.Waiting)
    handle.signal("go", 1)
    handle.signal("go", 2)
    engine.turns()

    assert kinds_of(handle.run_id) == [  # type: ignore[arg-type]
        "WorkflowStarted",
        "SignalReceived",
        "SignalReceived",
        "WorkflowCompleted",
    ]


def test_a_turn_passes_by_a_run_whose_sender_has_not_committed(engine: Engine) -> None:
    busy, free = client.start_workflow(kit.Waiting), client.start_workflow(kit.Waiting)
    engine.turns()
    sent, commit = threading.Event(), threading.Event()

    def send() -> None:
        with transaction.atomic():
            busy.signal("go", 1)
            sent.set()
            assert commit.wait(20)

    sender = in_thread(send)
    assert sent.wait(10)
    free.signal("go", 2)
    engine.turns()

    assert free.result(0) == [2]
    assert busy.describe().status == "running"
    commit.set()
    sender.done()
    engine.turns()
    assert busy.result(0) == [1]


def test_signals_from_many_threads_are_all_seen() -> None:
    with running_worker(activity_threads=0):
        handle = client.start_workflow(kit.Waiting, 60)

        def send(first: int) -> None:
            for number in range(first, first + 10):
                handle.signal("go", number, request_id=str(number))
                handle.signal("go", number, request_id=str(number))

        for sender in [in_thread(send, first) for first in range(0, 60, 10)]:
            sender.done()

        assert sorted(handle.result(20)) == list(range(60))


def test_every_accepted_signal_is_seen_when_a_run_closes_meanwhile() -> None:
    accepted: list[int] = []

    with running_worker(activity_threads=0):
        handle = client.start_workflow(kit.Waiting, 5)

        def send(first: int) -> None:
            for number in range(first, first + 20):
                try:
                    handle.signal("go", number)
                except RunClosed:
                    return
                accepted.append(number)

        for sender in [in_thread(send, first) for first in (0, 100, 200)]:
            sender.done()
        handle.result(20)

    assert sorted(handle.query("got")) == sorted(accepted)


def test_concurrent_starts_of_one_id_make_one_run() -> None:
    together = threading.Barrier(6)

    def start(number: int) -> bool:
        together.wait(10)
        try:
            return client.start_workflow(kit.Waiting, id="a", request_id=f"r{number}").created
        except WorkflowAlreadyStarted:
            return False

    threads = [in_thread(start, number) for number in range(6)]

    assert sum(thread.done() for thread in threads) == 1
    assert Run.objects.count() == 1


def test_concurrent_repeats_of_one_request_make_one_run() -> None:
    together = threading.Barrier(6)

    def start() -> tuple[Any, bool]:
        together.wait(10)
        handle = client.start_workflow(kit.greet, "x", id="a", request_id="r")
        return handle.run_id, handle.created

    with running_worker(activity_threads=0):
        done = [thread.done() for thread in [in_thread(start) for _ in range(6)]]

    assert len({run_id for run_id, _ in done}) == 1
    assert sum(created for _, created in done) == 1
    assert Run.objects.count() == 1
