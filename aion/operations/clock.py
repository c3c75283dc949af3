"""The one place where operations read the time, so that tests can set it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable


def _system() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Clock:
    """The current time, aware UTC; `read` and `read_monotonic` may be replaced by tests."""

    def __init__(self) -> None:
        self.read: Callable[[], dt.datetime] = _system
        self.read_monotonic: Callable[[], float] = time.monotonic

    def now(self) -> dt.datetime:
        """Give the time."""
        return self.read()

    def monotonic(self) -> float:
        """Give seconds that never go back, for waits and limits within a process."""
        return self.read_monotonic()

    def reset(self) -> None:
        """Go back to the system's clock."""
        self.read = _system
        self.read_monotonic = time.monotonic


clock = Clock()
