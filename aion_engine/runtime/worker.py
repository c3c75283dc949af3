"""`aion_worker`: a plain process that takes turns and runs activities in threads. No broker, no Celery."""

from __future__ import annotations

import logging
import threading

from aion.conf import settings
from aion.store import fencing
from aion_engine.runtime import starting
from aion_engine.runtime.activity_pool import ActivityPool
from aion_engine.runtime.identity import new_worker
from aion_engine.runtime.keeper import Keeper
from aion_engine.runtime.turn_loop import TurnLoop

log = logging.getLogger("aion.worker")


class Worker:
    """A turn loop, a pool of activity threads and a keeper, with one identity."""

    def __init__(
        self,
        *,
        turns: bool = True,
        activity_threads: int | None = None,
        queues: tuple[str, ...] = (),
    ) -> None:
        self.identity = new_worker("aion", queues)
        threads = settings.ACTIVITY_THREADS if activity_threads is None else activity_threads
        self.loop = TurnLoop(self.identity.id) if turns else None
        self.pool = ActivityPool(self.identity, threads=threads, queues=queues) if threads else None
        running = self.pool.running if self.pool is not None else tuple
        # There may be no beat beside a plain worker, so it does not wait for one to be late.
        self._keeper = Keeper(self.identity, running=running, tick_after=settings.TICK_INTERVAL)
        self._stopped = threading.Event()

    def run(self) -> None:
        """Work until `stop` is called, in the calling thread."""
        fencing.belong_to(self.identity.id)
        self._keeper.start()
        starting.look_back(self.identity)
        if self.pool is not None:
            self.pool.start()
        log.info("Worker %s is ready", self.identity.name)
        try:
            if self.loop is not None:
                self.loop.run()
            else:
                self._stopped.wait()
        finally:
            if self.pool is not None:
                self.pool.stop(timeout=5)
            self._keeper.stop()

    def stop(self) -> None:
        """Ask the worker to end: running turns commit, activities are told, leases are given back."""
        self._stopped.set()
        if self.loop is not None:
            self.loop.stop()
