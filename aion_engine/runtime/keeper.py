"""The keeper: a thread beside the loop that keeps a worker's leases and tells its attempts to stop.

It has its own database connection, so that a long turn never costs the lease. Twice a second it asks, in one
query, about all attempts of this process; every third of the lease it says that the worker lives; and when
nobody has ticked for a while it ticks itself, so that a dead beat delays nothing for long.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable

from django.db import Error as DatabaseError
from django.db import connections

from aion.conf import settings
from aion.operations.clock import clock
from aion.store import activities, workers
from aion.store.workers import WorkerIdentity
from aion_engine.runtime.stop_watch import tell
from aion_engine.runtime.execution import Running
from aion_engine.runtime.giving_up import give_up
from aion_engine.runtime.tick import tick

log = logging.getLogger("aion.keeper")

_LOOK = 0.5  # seconds between looks at the own attempts


class Keeper:
    """Keeps one worker alive in the tables. `running` gives the attempts of this process."""

    def __init__(
        self,
        worker: WorkerIdentity,
        *,
        running: Callable[[], Iterable[Running]] = tuple,
        forks: bool = False,
        ticks: bool = True,
    ) -> None:
        self.worker = worker
        self._running = running
        self._forks = forks
        self._ticks = ticks
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._next_beat = 0.0
        self._next_tick_check = 0.0
        self._next_fork_check = 0.0

    def start(self) -> None:
        """Register the worker and begin to keep it."""
        workers.register(self.worker, now=clock.now())
        self._next_beat = time.monotonic() + settings.LEASE / 3
        self._thread = threading.Thread(target=self._keep, name="aion-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give all leases back at once and forget the worker."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        try:
            now = clock.now()
            workers.give_back_runs([self.worker.id], now=now)
            for attempt in activities.owned_by([self.worker.id], limit=10_000):
                give_up(attempt, "its worker shut down")
            workers.forget([self.worker.id])
        except DatabaseError as error:
            log.warning("Leases end by time-out, they could not be given back: %s", error)

    def _keep(self) -> None:
        while not self._stopping.wait(_LOOK):
            try:
                self._look()
            except DatabaseError as error:
                log.warning("The keeper lost its connection: %s", error)
                connections[settings.DATABASE].close()
            except Exception:
                log.exception("The keeper failed and goes on")
        connections[settings.DATABASE].close()

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + settings.LEASE / 3
            self._beat()
        tell(self.worker, self._running())
        if self._forks and now >= self._next_fork_check:
            self._next_fork_check = now + 2
            self._give_up_dead_children()
        if self._ticks and now >= self._next_tick_check:
            self._next_tick_check = now + settings.TICK_STALE_AFTER / 2
            self._tick_if_stale()

    def _beat(self) -> None:
        if not workers.beat(self.worker, now=clock.now()):
            log.warning("Worker %s was given up for dead; it registers again", self.worker.name)
            workers.register(self.worker, now=clock.now())

    def _give_up_dead_children(self) -> None:
        """A prefork child that died takes its attempts with it; its parent, this worker, lives on."""
        for task_id, pid in activities.pids_of(self.worker.id):
            if not _alive(pid):
                attempt = activities.find(task_id)
                if attempt is not None and attempt.owner_id == self.worker.id:
                    give_up(attempt, f"its process {pid} died")

    def _tick_if_stale(self) -> None:
        last = workers.last_tick()
        stale = dt.timedelta(seconds=settings.TICK_STALE_AFTER)
        if last is None or clock.now() - last > stale:
            tick()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

