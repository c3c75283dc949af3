"""Tunes the one database session of a turn loop. Callers' sessions are left as they are.

Theory of operation
-------------------
A turn runs the same few statements again and again, so on PostgreSQL the loop's session

* sends them in pipeline mode: those that need no answer travel together, in one round trip;
* prepares them on the server after a few uses, and keeps one plan for each: parsing and planning would cost
  more than running them;
* plans by index and nested loop only: every hot statement takes few rows through an index that fits, and a
  plan that was made while a table was nearly empty must still be right when it holds a million rows;
* ends its transaction when it hangs in one for longer than the lease: a worker that is stopped while it holds
  row locks must not keep its runs from the others.

All of this is state of the session. `AION["TUNE_SESSION"] = False` leaves it out, for poolers that hand a
session to another client after each transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from aion.conf import settings
from aion.store import dialects

_MARK = "aion_loop"


def tune(connection: BaseDatabaseWrapper) -> None:
    """Tune this thread's session, now and after each reconnect."""
    if connection.vendor != "postgresql" or not settings.TUNE_SESSION:
        return
    setattr(connection, _MARK, True)
    if connection.connection is not None:
        _apply(connection)


@contextmanager
def pipelined() -> Iterator[None]:
    """Send what this block executes in pipeline mode, where the session is tuned for it.

    A statement's error may surface at a later statement of the block, or at its end.
    """
    connection = dialects.connection()
    if not getattr(connection, _MARK, False) or connection.connection is None:
        yield
        return
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def _apply(connection: Any) -> None:
    from django.db.backends.postgresql.base import ServerBindingCursor

    # Client-side binding, Django's default, knows neither pipelines nor prepared statements.
    connection.connection.cursor_factory = ServerBindingCursor
    connection.connection.prepare_threshold = 2
    connection.connection.prepared_max = 500
    milliseconds = round(settings.LEASE * 1000)
    with connection.cursor() as cursor:
        for setting in (
            "enable_seqscan = off",
            "enable_bitmapscan = off",
            "enable_hashjoin = off",
            "enable_mergejoin = off",
            "enable_material = off",
            "enable_sort = off",
            "plan_cache_mode = force_generic_plan",
            "jit = off",
            f"idle_in_transaction_session_timeout = {milliseconds}",
        ):
            cursor.execute(f"SET {setting}")


def _on_connection(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if getattr(connection, _MARK, False):
        _apply(connection)


connection_created.connect(_on_connection, dispatch_uid="aion.sessions")


def unhurried() -> str:
    """Give the clause with which an update does not wait for the disk: for claims and heartbeats.

    One that a crash of the database undoes costs a repeated attempt, which its fence allows for. In a
    transaction the clause would hold for all of it, so there it is left out.
    """
    if dialects.dialect().name != "postgresql" or dialects.connection().in_atomic_block:
        return ""
    return "FROM (SELECT set_config('synchronous_commit', 'off', true)) AS unhurried "
