"""Limits of the open runs of a workflow type, kept by all who start runs together.

Theory of operation
-------------------
A run of a type with a limit is marked as it comes into being, and a partial index holds the marked ones that
are open: so types without a limit cost nothing, and rows are counted, not a counter that may be wrong.

Who starts takes a lock for the type, inserts, and counts: it holds the lock until its transaction ends, so
the next one sees what it has committed. On SQLite the insert itself is that lock. Turns take no such lock:
they must not wait: their children and successors are marked and counted, and never refused.

What was open before its type had a limit is marked by the next worker that starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aion.conf import settings
from aion.core.errors import OpenRunLimitReached
from aion.store.dialects import atomic, connection, dialect

_LOCKS: Final = 0x41696F6E  # the first half of the key of an advisory lock: "Aion"
_BATCH: Final = 500


def apply_to(workflow_type: str) -> bool:
    """Tell whether a workflow type has a limit."""
    return workflow_type in settings.OPEN_RUN_LIMITS


def lock(workflow_types: Iterable[str]) -> None:
    """Let nobody else start runs of these types, those that have a limit, until the transaction ends.

    Must run inside a transaction, before the runs are inserted.
    """
    limited = sorted(set(filter(apply_to, workflow_types)))
    if not limited or dialect().name != "postgresql":
        return
    with connection().cursor() as cursor:
        for name in limited:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, name])


def check(workflow_types: Iterable[str]) -> None:
    """Look whether the runs that were inserted are too many. The transaction holds the lock of their types.

    Raises:
        OpenRunLimitReached: they are; the transaction must be rolled back.
    """
    for name in sorted(set(filter(apply_to, workflow_types))):
        limit = settings.OPEN_RUN_LIMITS[name]
        if _count(name, most=limit + 1) > limit:
            raise OpenRunLimitReached(
                f"Workflow type {name!r} has as many open runs as AION['OPEN_RUN_LIMITS'] allows: {limit}. "
                "Start it when some have ended",
                workflow_type=name,
                limit=limit,
            )


def _count(workflow_type: str, *, most: int) -> int:
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM aion_run WHERE workflow_type = %s AND limited "
            "AND closed_at IS NULL LIMIT %s) AS open",
            [workflow_type, most],
        )
        return int(cursor.fetchone()[0])


def include_earlier() -> None:
    """Mark the open runs that came into being before their type had a limit, some at a time.

    Those that somebody holds are left to the next worker that starts.
    """
    sql = dialect()
    for name in settings.OPEN_RUN_LIMITS:
        marked = _BATCH
        while marked == _BATCH:
            with atomic(), connection().cursor() as cursor:
                cursor.execute(
                    "UPDATE aion_run SET limited = %s WHERE id IN (SELECT id FROM aion_run "
                    "WHERE workflow_type = %s AND closed_at IS NULL AND NOT limited "
                    f"LIMIT %s {sql.lock_free_rows})",
                    [True, name, _BATCH],
                )
                marked = cursor.rowcount
