"""Database sessions that end while somebody uses them (PostgreSQL)."""

from __future__ import annotations

import asyncio

from asgiref.sync import sync_to_async
from django.db import connection, connections


def end_other_sessions() -> int:
    """End every session of this database but the one that asks; give their number.

    One of them may be that of the thread in which asgiref runs synchronous code. The thread outlives a test
    and would meet its dead connection in another one, so it lets go of it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        ended = int(cursor.fetchone()[0])
    asyncio.run(sync_to_async(connections.close_all)())
    return ended
