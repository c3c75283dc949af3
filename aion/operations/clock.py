"""The one place where operations read the time, so that tests can set it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable


def _system() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Clock:
    """The current time, aware UTC; `read` may be replaced by tests."""

    def __init__(self) -> None:
        self.read: Callable[[], dt.datetime] = _system

    def now(self) -> dt.datetime:
        """Give the time."""
        return self.read()

    def reset(self) -> None:
        """Go back to the system's clock."""
        self.read = _system


clock = Clock()
