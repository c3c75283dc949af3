"""Workers in processes of their own, as users run them."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from aion.models import Event, Message, Run, Worker
from aion.store.dialects import atomic
from benchmarks.celery_worker import COMMAND as CELERY_WORKER
from benchmarks.celery_worker import own_queue
from benchmarks.measuring import wait_until
from benchmarks.processes import Processes, running

_PLAIN_WORKER = (sys.executable, "manage.py", "aion_worker", "--verbosity", "0", "--skip-checks")


@dataclass
class Workers:
    """Ready workers; `since` and `worked` are clock and processor time when they were."""

    processes: Processes
    since: float = field(default_factory=time.perf_counter)
    worked: float = 0.0

    def __post_init__(self) -> None:
        self.worked = self.processes.cpu_seconds()

    def seconds(self) -> float:
        """Give the time since they were ready."""
        return time.perf_counter() - self.since

    def cpu_milliseconds(self) -> float:
        """Give the processor time that they have used since then."""
        return (self.processes.cpu_seconds() - self.worked) * 1000


@contextmanager
def working(count: int = 1, environment: Mapping[str, str] | None = None) -> Iterator[Workers]:
    """Run so many `manage.py aion_worker` meanwhile."""
    with running(*[_PLAIN_WORKER] * count, environment=environment) as processes:
        yield _ready(processes)


@contextmanager
def working_remotely() -> Iterator[Workers]:
    """Run what takes turns and runs remote activities.

    On PostgreSQL that is one Celery worker on Redis, in its default size; on SQLite, where there is no
    broker, the threads of `manage.py aion_worker`.
    """
    broker = os.environ.get("AION_BENCHMARKS_REDIS_URL")
    if not broker:
        with working() as workers:
            yield workers
        return
    queue = f"aion-benchmarks-{secrets.token_hex(4)}"
    environment = {"AION_BENCHMARKS_BROKER": broker, "AION_BENCHMARKS_QUEUE": queue}
    with own_queue(broker, queue), running(CELERY_WORKER, environment=environment) as processes:
        yield _ready(processes)


def _ready(processes: Processes) -> Workers:
    pids = {process.pid for process in processes.started}

    def all_registered() -> bool:
        processes.check()
        return Worker.objects.filter(pid__in=pids).count() == len(pids)

    wait_until(all_registered, timeout=180, pause=0.005)
    return Workers(processes)


def wait_until_closed(*, timeout: float = 200) -> None:
    """Wait until all runs are closed, without looking at many rows again and again."""
    open_ones = Run.objects.filter(closed_at__isnull=True)
    while (last := open_ones.order_by("-id").first()) is not None:
        closed = Run.objects.filter(pk=last.pk, closed_at__isnull=False)
        wait_until(closed.exists, timeout=timeout, pause=0.005)


def wait_until_idle(*, timeout: float = 120) -> None:
    """Wait until no mail is left: all runs wait for something else."""
    waiting = Message.objects.filter(parked=False)
    wait_until(lambda: not waiting.exists(), timeout=timeout, pause=0.01)


def done_activities() -> int:
    return Event.objects.filter(kind="ActivityCompleted").count()


def rate_of(workers: Workers, start: Callable[[], None], total: int) -> tuple[float, float]:
    """Start runs in one transaction, which idle workers see when it commits, and wait until all are closed.

    Gives units a second, of `total` units, and milliseconds of processor time for each.
    """
    with atomic():
        start()
    begin, worked = workers.seconds(), workers.cpu_milliseconds()
    wait_until_closed()
    return total / (workers.seconds() - begin), (workers.cpu_milliseconds() - worked) / total
