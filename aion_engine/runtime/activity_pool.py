"""Runs activities in threads, claimed from the rows: for `aion_worker`, without a broker."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Final

from django.db import Error as DatabaseError
from django.db import connections

from aion.conf import settings
from aion.operations.bell import the_bell
from aion.operations.clock import clock
from aion.store import activities, due_work
from aion.store.workers import WorkerIdentity
from aion_engine.runtime import execution
from aion_engine.runtime.execution import Running
from aion_engine.runtime.hygiene import tidy_connections
from aion_engine.runtime.stop_watch import tell_shutdown

log = logging.getLogger("aion.activities")

_LOOK: Final = 0.25  # seconds between two looks at what waits and could not be begun


class ActivityPool:
    """A claiming thread and as many running threads as there are attempts, up to a limit."""

    def __init__(
        self, worker: WorkerIdentity, *, threads: int, queues: tuple[str, ...] = ()
    ) -> None:
        self._worker = worker
        self._size = threads
        self._queues = queues
        self._bell = the_bell()
        self._waiter = self._bell.activity_waiter()
        self._running: dict[uuid.UUID, Running] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._claim, name="aion-claims", daemon=True)
        self._idle = threading.Semaphore(0)
        self._work: list[Running] = []
        self._threads: list[threading.Thread] = []
        self._free = threads

    def start(self) -> None:
        """Begin to claim."""
        self._thread.start()

    def running(self) -> Iterable[Running]:
        """Give the attempts that run now."""
        with self._lock:
            return list(self._running.values())

    def stop(self, timeout: float) -> None:
        """Claim no more, tell what runs to stop, and wait for it a while."""
        self._stopping.set()
        self._waiter.ring()
        until = time.monotonic() + timeout
        tell_shutdown(self.running())
        self._thread.join(timeout)
        for _ in self._threads:
            self._idle.release()
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        self._waiter.close()

    # --- claiming ---

    def _claim(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._claim_some():
                    self._waiter.wait(self._longest())
            except DatabaseError as error:
                log.warning("Activities cannot be claimed: %s", error)
                connections[settings.DATABASE].close()
                self._stopping.wait(1)
                continue
        connections[settings.DATABASE].close()

    def _longest(self) -> float:
        """Give the seconds until something comes due without a ring, or a lost ring is made up for."""
        if not self._bell.listens or self._free <= 0:
            return min(float(settings.POLL_INTERVAL), _LOOK)
        longest = float(settings.BELL_POLL_INTERVAL)
        due = due_work.next_ready(queues=self._queues)
        if due is None:
            return longest
        left = (due - clock.now()).total_seconds()
        return min(left, longest) if left > 0 else _LOOK

    def _claim_some(self) -> bool:
        free = self._free
        if free <= 0:
            return False
        waiting = dict(activities.ready(now=clock.now(), limit=free, queues=self._queues))
        found = activities.find_all(list(waiting)) if waiting else {}
        rows = [found[each] for each in waiting if each in found]
        current = [row for row in rows if row.attempt == waiting[row.id]]
        claimed = execution.begin_all(current, self._worker)
        for running in claimed:
            self._hand_to_thread(running)
        return bool(claimed)

    def _hand_to_thread(self, running: Running) -> None:
        with self._lock:
            self._running[running.attempt.id] = running
            self._work.append(running)
            self._free -= 1
            if len(self._threads) < self._size and len(self._threads) < len(self._running):
                thread = threading.Thread(target=self._run, name="aion-activity", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._idle.release()

    # --- running ---

    def _run(self) -> None:
        try:
            while True:
                self._idle.acquire()
                with self._lock:
                    if not self._work:
                        if self._stopping.is_set():
                            return
                        continue
                    running = self._work.pop(0)
                try:
                    execution.run(running, self._worker)
                except Exception:
                    log.exception("Attempt %s could not be settled", running.attempt.id)
                finally:
                    tidy_connections()
                    with self._lock:
                        if self._running.get(running.attempt.id) is running:
                            del self._running[running.attempt.id]
                        self._free += 1
                    self._waiter.ring()
        finally:
            connections.close_all()
