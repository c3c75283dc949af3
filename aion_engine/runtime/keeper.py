"""The keeper: a thread beside the loop that keeps a worker's leases and tells its attempts to stop.

It has its own database connection, so that a long turn never costs the lease. Twice a second it asks, in one
query, about all attempts of this worker; every third of the lease it says that the worker lives; and when
nobody has ticked for a while it ticks itself, so that a dead beat delays nothing for long; a pruning that
is late it begins on another thread.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterable

from django.db import Error as DatabaseError
from django.db import connections

from aion.conf import settings
from aion.operations.clock import clock
from aion.store import activities, workers
from aion.store.activities import Held
from aion.store.workers import WorkerIdentity
from aion_engine.runtime import stop_watch
from aion_engine.runtime.board import Board, Notice
from aion_engine.runtime.execution import Running
from aion_engine.runtime.giving_up import give_up_held, hand_over
from aion_engine.runtime.processes import is_alive
from aion_engine.runtime.pruning import PruningThread
from aion_engine.runtime.strangers import Strangers
from aion_engine.runtime.tick import tick

log = logging.getLogger("aion.keeper")


class Keeper:
    """Keeps one worker alive in the tables.

    `running` gives the attempts of this process; `board` tells those of forked processes. It ticks where
    the last tick is older than `tick_after` seconds, by default when beat is late.
    """

    def __init__(
        self,
        worker: WorkerIdentity,
        *,
        running: Callable[[], Iterable[Running]] = tuple,
        board: Board | None = None,
        ticks: bool = True,
        tick_after: float | None = None,
    ) -> None:
        self.worker = worker
        self._running = running
        self._board = board
        self._ticks = ticks
        self._pruning = PruningThread()
        self._tick_after = settings.TICK_STALE_AFTER if tick_after is None else tick_after
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="aion-keeper", daemon=True)
        self._strangers = Strangers(worker.id)
        self._next_beat = 0.0
        self._next_tick_check = 0.0
        self._ticked = False

    def start(self) -> None:
        """Register the worker and begin to keep it."""
        try:
            workers.register(self.worker, now=clock.now())
        except DatabaseError as error:
            log.warning("The worker will be registered when the database is back: %s", error)
        self._next_beat = time.monotonic() + settings.LEASE / 3
        self._thread.start()

    def stop(self) -> None:
        """Give all leases back at once and forget the worker."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._pruning.stop()
        self._thread.join(timeout=5)
        try:
            hand_over(self.worker.id, now=clock.now())
        except DatabaseError as error:
            log.warning("Leases end by time-out, they could not be given back: %s", error)

    def _keep(self) -> None:
        while not self._stopping.wait(stop_watch.LOOK):
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
        beats = now >= self._next_beat
        if beats:
            self._beat()
            self._next_beat = now + settings.LEASE / 3
        self._look_at_attempts(also_idle=beats)
        if self._ticks and now >= self._next_tick_check:
            self._ticked = self._tick_if_stale()
            # Whose own tick was the last one need not look before it is stale.
            self._next_tick_check = now + self._tick_after * (1 if self._ticked else 0.5)
            self._pruning.begin_if_late()

    def _beat(self) -> None:
        if not workers.beat(self.worker, now=clock.now()):
            log.warning("Worker %s was given up for dead; it registers again", self.worker.name)
            workers.register(self.worker, now=clock.now())

    def _look_at_attempts(self, *, also_idle: bool = False) -> None:
        running = list(self._running())
        if not running and self._board is None and not also_idle:
            return
        looked_at = time.monotonic()
        held = activities.held_by(self.worker.id)
        notice = Notice(
            looked_at,
            {each.id.hex: (each.attempt, each.reason) for each in held},
            {each.id.hex: each.pid for each in held},
        )
        stop_watch.tell(running, notice)
        self._strangers.give_up(running, notice)
        if self._board is not None:
            self._board.write(notice)
            _give_up_dead_children(self.worker, held)

    def _tick_if_stale(self) -> bool:
        """Tick where nobody has for a while; tell whether this was the one who did."""
        if not self._ticked:
            last = workers.last_tick()
            if last is not None and clock.now() - last <= dt.timedelta(seconds=self._tick_after):
                return False
        return tick().ran


def _give_up_dead_children(worker: WorkerIdentity, held: Iterable[Held]) -> None:
    """A pool process that died takes its attempts with it; its parent, this worker, lives on."""
    for each in held:
        if is_alive(each.pid):
            continue
        give_up_held(worker.id, each.id, each.attempt, f"its process {each.pid} died")
