"""A session tuned as that of a turn loop, on the thread of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.base.base import BaseDatabaseWrapper

from aion.store import dialects, sessions


@contextmanager
def tuned_session() -> Iterator[BaseDatabaseWrapper]:
    """Tune this thread's connection meanwhile. On SQLite there is nothing to tune."""
    own = dialects.connection()
    own.close()
    sessions.tune(own)
    yield own
    for name in ("aion_loop", dialects.PIPELINE):
        vars(own).pop(name, None)
    own.execute_wrappers.clear()
    own.close()
