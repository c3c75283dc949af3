"""The statement of several parts by which PostgreSQL records an outcome and begins the next attempt.

SQLite cannot run it. Its parts run one by one here, in a transaction that is committed whatever they found,
as a statement is; so all that goes before and behind it is the real code.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

from aion.store import finishing, mailbox
from aion.store.attempts import Attempt, stale
from aion.store.dialects import PostgreSQL, atomic, connection
from aion.store.finishing import Successor
from tests.simulation import world as worlds


@contextlib.contextmanager
def at_once_in_some_worlds() -> Iterator[None]:
    with mock.patch.multiple(finishing, dialect=_dialect, _at_once=_at_once):
        yield


def _dialect() -> Any:
    name = "postgresql" if worlds.current.faults.at_once else "sqlite"
    return SimpleNamespace(name=name, lock_free_rows=PostgreSQL.lock_free_rows)


def _at_once(
    attempt: Attempt,
    messages: list[mailbox.Posted],
    now: dt.datetime,
    successor: Successor | None,
) -> None:
    fence, parameters = finishing.fence_of(attempt)
    with atomic(), connection().cursor() as cursor:
        cursor.execute(f"DELETE FROM aion_activitytask WHERE {fence}", parameters)
        is_gone = cursor.rowcount == 1
        if is_gone:
            mailbox.post(messages, now=now)
        is_begun = False
        if successor is not None:
            cursor.execute(*finishing.begun_if_free(successor))
            is_begun = cursor.rowcount == 1
    if successor is not None and is_begun:
        successor.begin()
    if not is_gone:
        raise stale(attempt)
