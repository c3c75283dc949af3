"""Starts that come faster than one worker can take them: the queue grows, all is fair, and it drains.

Urgent runs that come in between overtake what waits.

AION_OVERLOAD_SECONDS=300 in front of it (or `make overload`) starts for five minutes and prints what it saw.
The suite starts some hundred runs.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection, connections, transaction

from aion import client
from aion.models import Event, Message, Run, Worker
from tests.acceptance import invariants
from tests.acceptance.conftest import number
from tests.acceptance.processes import Cluster, Process
from tests.sample.workflows import hurried
from tests.support.waiting import eventually

SECONDS = number("AION_OVERLOAD_SECONDS", 0)
RATE = number("AION_OVERLOAD_RATE", 400)  # starts a second in the long form
FEW = 400  # runs in the short form
AT_ONCE = 50  # starts in one transaction
STARTERS = 2
MEBIBYTE = 1024 * 1024
MOST_GROWTH = (
    120 * MEBIBYTE
)  # live instances and the allocator's reserve; a queue in memory would be more


@dataclass
class Sample:
    seconds: float
    started: int
    closed: int
    memory: int

    def __str__(self) -> str:
        return (
            f"{self.seconds:6.1f} s: {self.started:7} started, {self.started - self.closed:7} open, "
            f"worker {self.memory / MEBIBYTE:5.0f} MiB"
        )


def memory_of(process: Process) -> int:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


class Flood:
    """Starts runs from several threads: for minutes at a rate above the worker's, or some at once."""

    def __init__(self) -> None:
        self._ends = time.monotonic() + SECONDS
        self._left = FEW // AT_ONCE
        self._next = time.monotonic()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._start) for _ in range(STARTERS)]
        for thread in self._threads:
            thread.start()

    @property
    def flows(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _start(self) -> None:
        try:
            while self._goes_on():
                with transaction.atomic():
                    for _ in range(AT_ONCE):
                        client.start_workflow(hurried)
        finally:
            connections.close_all()

    def _goes_on(self) -> bool:
        with self._lock:
            self._left -= 1
            self._next += AT_ONCE / RATE
            pause = self._next - time.monotonic()
        if not SECONDS:
            return self._left >= 0
        time.sleep(max(pause, 0))
        return time.monotonic() < self._ends


@pytest.mark.postgres
@pytest.mark.timeout(120 + 12 * SECONDS)
def test_a_worker_that_is_flooded_is_fair_and_drains(embedded_workers: Cluster) -> None:
    embedded_workers.configure(
        aion={"LEASE": 15.0}
    )  # users': the machine may be busy for three seconds
    worker = embedded_workers.aion_worker("only")
    identity = Worker.objects.get().id
    samples: list[Sample] = []
    begin = time.monotonic()

    def look() -> bool:
        started = Run.objects.count()
        closed = Run.objects.filter(closed_at__isnull=False).count()
        samples.append(Sample(time.monotonic() - begin, started, closed, memory_of(worker)))
        if SECONDS:
            print(samples[-1], flush=True)
            time.sleep(min(5, SECONDS / 20))
        return not flood.flows and not probing.is_alive() and started == closed

    flood = Flood()
    probing = threading.Thread(target=probe, args=(flood,))
    probing.start()
    eventually(look, timeout=60 + 10 * SECONDS, what="all runs have ended")
    probing.join()

    statuses = set(Run.objects.values_list("status", flat=True))
    assert statuses == {"completed"}, "nothing timed out or failed"
    started_again = Event.objects.filter(kind="ActivityStarted", attributes__contains='"attempt"')
    assert not started_again.exists(), "a first attempt is not numbered"
    assert Worker.objects.get().id == identity, "it never lost its lease"
    assert not Message.objects.exists()
    most = max(sample.started - sample.closed for sample in samples)
    kept_up = f"the worker keeps up with {RATE} starts a second: set AION_OVERLOAD_RATE higher"
    assert not SECONDS or most > 5 * RATE, kept_up
    growth = max(sample.memory for sample in samples) - samples[0].memory
    print(f"{samples[-1]}; the most open: {most}")
    print(f"grown by {growth / MEBIBYTE:.0f} MiB; out of order by {displacement()} runs at most")
    print(latencies())
    assert growth < MOST_GROWTH
    assert overtaken() > 0, "urgent runs do not wait for those that came before"
    assert displacement() <= 3 * (200 + AT_ONCE * STARTERS), "the oldest come first, batch by batch"
    assert invariants.problems() == []


def probe(flood: Flood) -> None:
    """Start urgent runs while others wait: one every five seconds, in the short form some at its end."""
    try:
        while flood.flows:
            time.sleep(0.01)
            if SECONDS and int(time.monotonic()) % 5 == 0:
                client.start_workflow(hurried, priority=1)
                time.sleep(1)
        for _ in range(3):
            client.start_workflow(hurried, priority=1)
    finally:
        connections.close_all()


def overtaken() -> int:
    """How many runs began before an urgent one and ended behind it, at least, for each urgent one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min((SELECT count(*) FROM aion_run r WHERE r.priority = 3 "
            "AND r.started_at < u.started_at AND r.closed_at > u.closed_at)) FROM aion_run u "
            "WHERE u.id IN (SELECT id FROM aion_run WHERE priority = 1 ORDER BY started_at DESC LIMIT 3)"
        )
        return int(cursor.fetchone()[0])


def latencies() -> str:
    """From the start to the end, of the first and last runs and of the urgent ones."""
    with connection.cursor() as cursor:
        found = []
        for name, where in (
            ("the first 100", "priority = 3 ORDER BY started_at, id LIMIT 100"),
            ("the last 100", "priority = 3 ORDER BY started_at DESC, id DESC LIMIT 100"),
            ("all urgent", "priority = 1"),
        ):
            cursor.execute(
                "SELECT count(*), avg(extract(epoch FROM closed_at - started_at)), "
                "max(extract(epoch FROM closed_at - started_at)) "
                f"FROM (SELECT * FROM aion_run WHERE {where}) AS r"
            )
            number, mean, most = cursor.fetchone()
            found.append(f"{name} ({number}): {mean:.1f} s, at most {most:.1f} s")
    return "; ".join(found)


def displacement() -> int:
    """How many places a run began its first turn behind its place in the order of the starts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(taken - come) FROM (SELECT row_number() OVER (ORDER BY r.started_at, r.id) AS come, "
            "row_number() OVER (ORDER BY e.recorded_at, r.started_at, r.id) AS taken "
            "FROM aion_run r JOIN aion_event e ON e.run_id = r.id AND e.seq = 2 "
            "WHERE r.priority = 3) AS places"
        )
        return int(cursor.fetchone()[0])
