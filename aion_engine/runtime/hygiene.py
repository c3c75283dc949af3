"""Database connections of threads that live long."""

from __future__ import annotations

import threading
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

_threads = threading.local()


def _connected(**_: Any) -> None:
    _threads.has_connected = True


connection_created.connect(_connected, dispatch_uid="aion.hygiene")


def tidy_connections() -> None:
    """Close this thread's connections that are broken or older than `CONN_MAX_AGE`.

    What Django does around requests, but for one thing: an age of 0 means "until the end of the request"
    there, and a worker would connect anew for each activity. Here it means that there is no limit.
    In a thread that has never connected there is nothing to look at, and most activities are such.
    """
    if not getattr(_threads, "has_connected", False):
        return
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["CONN_MAX_AGE"] == 0:
            connection.close_at = None
        connection.close_if_unusable_or_obsolete()


def in_transactions() -> list[str]:
    """Name the databases on which this thread is in a transaction."""
    return [each.alias for each in connections.all(initialized_only=True) if each.in_atomic_block]


def renew_connections(*, but: list[str]) -> None:
    """Give this thread new connections for all databases but some, in whatever state the old ones are.

    Code that was interrupted may have left a statement under way, or a transaction that nobody leaves.
    """
    for connection in connections.all(initialized_only=True):
        if connection.alias not in but:
            connection.close()
            del connections[connection.alias]
