"""A bell for several processes on one SQLite file: it rings by itself whenever anything is written.

SQLite counts, for each connection, the commits of all others (`PRAGMA data_version`). Asking costs some ten
microseconds and takes no lock, so a waiter asks every millisecond at first, and every ten later on.
"""

from __future__ import annotations

import time
from typing import Final

from django.db import DatabaseError

from aion.store.dialects import connection
from aion_engine.runtime.polling_bell import LocalWaiter, PollingBell

_FIRST_LOOK: Final = 0.001  # seconds until the first question: what is waited for is often near
_LOOK: Final = 0.01  # seconds between two questions later on: some 0.1 % of a core
_GROWTH: Final = 0.1  # of the time that has been waited


class SQLiteWaiter(LocalWaiter):
    """Waits for rings within this process, and for commits of others."""

    _seen: int | None = None

    def __init__(self, bell: PollingBell, topic: str) -> None:
        super().__init__(bell, topic)
        self._has_changed()  # what is committed from now on is news, also before the first wait

    def wait(self, timeout: float) -> bool:
        """Block until rung, or until somebody has written to the database."""
        begin = time.monotonic()
        while True:
            waited = time.monotonic() - begin
            left = timeout - waited
            look = min(_FIRST_LOOK + _GROWTH * waited, _LOOK)
            if super().wait(max(min(look, left), 0)):
                return True
            if self._has_changed():
                return True
            if left <= 0:
                return False

    def _has_changed(self) -> bool:
        try:
            with connection().cursor() as cursor:
                cursor.execute("PRAGMA data_version")
                version: int = cursor.fetchone()[0]
        except DatabaseError:
            return False  # whoever waits looks at the database next, and meets the error there
        before, self._seen = self._seen, version
        return before is not None and before != version


class SQLiteBell(PollingBell):
    """Rings within the process, and hears what other processes commit."""

    listens = True
    waiter = SQLiteWaiter
