"""A clock that stands still until a test moves it."""

from __future__ import annotations

import datetime as dt

START = dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.UTC)


class StandingClock:
    """Reads `at`; hand `read` to `aion.operations.clock.clock.read`."""

    def __init__(self, at: dt.datetime = START) -> None:
        self.at = at

    def read(self) -> dt.datetime:
        return self.at

    def move(self, seconds: float) -> dt.datetime:
        self.at += dt.timedelta(seconds=seconds)
        return self.at
