"""The bell that needs nothing: it rings within the process. The base of those that ring further."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable

log = logging.getLogger("aion.bell")

LOOPS = "loops"
ACTIVITIES = "activities"
_SILENCE = 60.0  # seconds between two complaints of one kind


class LocalWaiter:
    """Waits for rings within this process."""

    def __init__(self, bell: PollingBell, topic: str) -> None:
        self._bell = bell
        self._topic = topic
        self._event = threading.Event()
        self._urgent = threading.Event()

    def ring(self, *, urgent: bool = True) -> None:
        """Wake the waiter."""
        # One that is set already will be heard before whoever waits looks at what is new.
        if not self._event.is_set():
            self._event.set()
        if urgent and not self._urgent.is_set():
            self._urgent.set()

    def wait(self, timeout: float) -> bool:
        """Block until rung."""
        rung = self._event.wait(timeout)
        self._event.clear()
        self._urgent.clear()
        return rung

    def wait_for_urgent(self, timeout: float) -> None:
        """Block until an urgent ring; what is rung besides is there for the next wait."""
        self._urgent.wait(timeout)
        self._urgent.clear()

    def close(self) -> None:
        """Stop listening."""
        self._bell._leave(self._topic, self)


class PollingBell:
    """Rings within the process; between processes there is only polling."""

    listens = False
    drives = False
    waiter: type[LocalWaiter] = LocalWaiter

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[str, list[LocalWaiter]] = defaultdict(list)

    def ring_loops(self, *, urgent: bool = True) -> None:
        """Wake the loops of this process."""
        self._ring(LOOPS, urgent=urgent)

    def ring_activities(self) -> None:
        """Wake the activity pools of this process."""
        self._ring(ACTIVITIES)

    def ring_closed(self, run_ids: Iterable[uuid.UUID]) -> None:
        """Wake the result waiters of this process."""
        for run_id in run_ids:
            self._ring(run_id.hex)

    def loop_waiter(self) -> LocalWaiter:
        """Listen for `ring_loops`."""
        return self._join(LOOPS)

    def activity_waiter(self) -> LocalWaiter:
        """Listen for `ring_activities`."""
        return self._join(ACTIVITIES)

    def result_waiter(self, run_id: uuid.UUID) -> LocalWaiter:
        """Listen for the end of one run."""
        return self._join(run_id.hex)

    def find_problem(self) -> str:
        """Nothing that it needs could be away."""
        return ""

    def _ring(self, topic: str, *, urgent: bool = True) -> None:
        if topic not in self._waiters:
            return
        with self._lock:
            waiters = list(self._waiters.get(topic, ()))
        for waiter in waiters:
            waiter.ring(urgent=urgent)

    def _join(self, topic: str) -> LocalWaiter:
        waiter = self.waiter(self, topic)
        with self._lock:
            self._waiters[topic].append(waiter)
        return waiter

    def _leave(self, topic: str, waiter: LocalWaiter) -> bool:
        """Remove a waiter; tell whether the topic has none left."""
        with self._lock:
            waiters = self._waiters.get(topic, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(topic, None)
                return True
        return False


class Complaints:
    """Logs a recurring error at most once a minute."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._last = float("-inf")

    def log(self, error: Exception) -> None:
        """Log, unless it was logged a moment ago."""
        if time.monotonic() - self._last > _SILENCE:
            self._last = time.monotonic()
            log.warning("%s: %s; work is found by polling meanwhile", self._what, error)
