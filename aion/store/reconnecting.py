"""Reading once more where the connection broke."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import InterfaceError, OperationalError

from aion.store.dialects import connection

T = TypeVar("T")

log = logging.getLogger("aion.store")

CONNECTION_ERRORS: Final = (OperationalError, InterfaceError)
"""A session that was ended, a database that is away; deadlocks and serialization failures too."""

_PAUSES: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)


def persistently(read: Callable[[], T]) -> T:
    """Read something that changes nothing, again if the connection breaks.

    Raises:
        DatabaseError: it still fails after some seconds, or the caller's transaction was lost with it.
    """
    for pause in _PAUSES:
        try:
            return read()
        except CONNECTION_ERRORS as error:
            if connection().in_atomic_block:
                raise
            log.warning("The connection broke, once more in %.2f s: %s", pause, error)
            connection().close()
            time.sleep(pause)
    return read()
