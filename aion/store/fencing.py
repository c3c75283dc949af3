"""Ends the database sessions of dead workers, so that no lock of theirs outlives them.

Theory of operation
-------------------
A worker that is stopped, or cut off from the database, in the middle of a transaction keeps its row locks: a
signal to such a run would wait for as long as the network takes to notice. The session's own time-out does
not help in every state (none of the releases before 17 ends one that waits inside of a pipeline). So the
sessions that hold such locks carry the worker's id in their name; whoever finds the worker dead ends them.

That needs no privilege beyond being the same database user. SQLite has no sessions to end: there a process
that is dead holds no lock.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from typing import Any, Final

from django.db import Error as DatabaseError
from django.db.backends.signals import connection_created

from aion.store.dialects import atomic, connection, dialect

log = logging.getLogger("aion.tick")

_MARK: Final = "aion_session_name"


def _name(worker_id: uuid.UUID) -> str:
    return f"aion-{worker_id.hex}"


def belong_to(worker_id: uuid.UUID) -> None:
    """Name this thread's session after a worker, now and after each reconnect."""
    own = connection()
    setattr(own, _MARK, _name(worker_id))
    if own.connection is not None:
        _on_connection(own)


def belong_to_for_now(worker_id: uuid.UUID) -> None:
    """Name this thread's session after a worker until the transaction ends."""
    if dialect().name == "postgresql":
        with connection().cursor() as cursor:
            cursor.execute("SELECT set_config('application_name', %s, true)", [_name(worker_id)])


def _on_connection(connection: Any, **_: Any) -> None:
    name = getattr(connection, _MARK, None)
    if name is not None and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('application_name', %s, false)", [name])


connection_created.connect(_on_connection, dispatch_uid="aion.fencing")


def end_sessions(worker_ids: Iterable[uuid.UUID]) -> int:
    """End the sessions of workers that are dead; give their number."""
    if dialect().name != "postgresql":
        return 0
    try:
        with atomic(), connection().cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = ANY(%s)",
                [[_name(worker_id) for worker_id in worker_ids]],
            )
            return int(cursor.fetchone()[0])
    except DatabaseError as error:
        log.warning("The sessions of dead workers cannot be ended: %s", error)
        return 0
