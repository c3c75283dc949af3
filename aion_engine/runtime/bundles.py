"""Attempts that travel in one message and run one after another in one process of the pool.

Theory of operation
-------------------
A message costs a broker, a worker and its pool about as much as a short activity. So where many attempts
wait for the same queue, one message carries some of them. Each is claimed when its turn comes, along with
the outcome of the one before where the database can; none is claimed early, so timeouts count from its own
beginning and a crash costs the one that ran.

Nobody may wait behind a long activity while other processes are idle. Types that are known to be long travel
alone, and a thread watches: when an attempt runs for too long, those behind it are handed over anew, as if
they had just been scheduled.

While a queue has a backlog, all its workers are busy, and a message that is not full may wait a moment for
more. Where there is none, a few attempts are few messages. The loops are rung for some outcomes together.

What is lost with a process that dies is what any message in its hands would be: the sweep finds it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from aion.conf import settings
from aion.core.ports import Dispatcher, Handover
from aion.operations.bell import SeldomRinging, seldom
from aion.store.attempts import Attempt
from aion_engine.runtime.durations import LONG, Durations
from aion_engine.runtime.here import here

log = logging.getLogger("aion.activities")

HOLD: Final = 0.05  # seconds that a message waits for more behind a backlog
RINGS: Final = 0.1  # seconds between two rings for outcomes, while there are more to come
BACKLOG: Final = 4  # messages that nobody has taken
_LOOK: Final = 0.02  # seconds between two looks of the watcher
_PARTS: Final = 8  # at least into so many a backlog is cut, so that as many processes share it

Reference = tuple[uuid.UUID, int]


def size_of(waiting: int, *, backlog: bool) -> int:
    """Say how many of the attempts that wait for a queue one message carries."""
    most: int = settings.ACTIVITY_BUNDLE
    return most if backlog else max(1, min(most, waiting // _PARTS))


class Bundle:
    """What is left of a message's attempts: taken one by one, or all at once by the watcher."""

    def __init__(self, rows: Sequence[Attempt]) -> None:
        self._lock = threading.Lock()
        self._rest = deque(rows)
        self._running: Attempt | None = None
        self._since = time.monotonic()

    def take(self) -> Attempt | None:
        """Give the next one, which runs from now on."""
        with self._lock:
            self._since = time.monotonic()
            self._running = self._rest.popleft() if self._rest else None
            return self._running

    def leave(self) -> list[Attempt]:
        """Give all that is left."""
        with self._lock:
            rest = list(self._rest)
            self._rest.clear()
            return rest

    def leave_if_long(self, durations: Durations) -> list[Attempt]:
        """Give all that is left if the one that runs is long, which is remembered."""
        took = time.monotonic() - self._since
        running = self._running
        if took <= LONG or running is None or not self._rest:
            return []
        durations.note(running.order.activity_type, took)
        return self.leave()


class Watcher:
    """Hands over anew what waits behind a long activity. One for each process, with a thread if needed."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._change = threading.Condition()
        self._bundles: set[Bundle] = set()
        self._ringing = SeldomRinging(RINGS)
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watching(self, bundle: Bundle) -> Iterator[None]:
        """Watch a bundle while the block runs; hand over what the block has left."""
        if self._pid != os.getpid():
            self._begin()
        with self._change:
            self._bundles.add(bundle)
            self._change.notify()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="aion-bundles", daemon=True
                )
                self._thread.start()
        try:
            with seldom(self._ringing):
                yield
        finally:
            with self._change:
                self._bundles.discard(bundle)
            _hand_over(bundle.leave())

    def _watch(self) -> None:
        while True:
            with self._change:
                while not self._bundles:
                    self._change.wait()
                bundles = list(self._bundles)
            try:
                self._ringing.ring_if_due()
                for bundle in bundles:
                    _hand_over(bundle.leave_if_long(here.durations))
            except Exception:
                log.exception("Activities behind a long one cannot be handed over; the sweep will")
            time.sleep(_LOOK)


def _hand_over(rows: Sequence[Attempt]) -> None:
    if rows:
        dispatcher: Dispatcher = settings.port("DISPATCHER")
        dispatcher.publish(
            [
                Handover(
                    row.id,
                    row.attempt,
                    row.task_queue,
                    row.order.activity_type,
                    priority=row.priority,
                )
                for row in rows
            ]
        )


watcher = Watcher()
