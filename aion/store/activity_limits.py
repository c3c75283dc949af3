"""Limits of the activities of a task queue: how many at once and how many a second, in all and for each key.

Theory of operation
-------------------
They are kept where an attempt is claimed, under the lock of a row for each limit (`aion_activitylimit`), so
any number of workers keep them together. A queue without limits costs nothing: it is not in the setting.

*How many at once* is counted from the rows of running attempts: no counter can go wrong when a worker dies.
An attempt that finds no place is put off, marked as `crowded`, and whoever ends lets the one in that has
waited longest; so nobody has to ask again and again. It does ask after a while, in case that went wrong.

*How many a second* is a slot for each attempt, one interval behind the last. An attempt whose slot is to come
waits for it in its row, so the order of arrival is the order of beginning. Idle time is saved up for one
second's worth of attempts. A slot that was missed by far (nobody was there) is lost: no flood follows.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from aion.conf import settings
from aion.store.attempts import UNBEGUN
from aion.store.dialects import connection, dialect

_ASK_AGAIN: Final = 30.0  # seconds after which an attempt that found no place asks again, about
_MISSED: Final = dt.timedelta(seconds=10)  # a slot older than this is lost
_SECOND: Final = dt.timedelta(seconds=1)


class Wanting(msgspec.Struct, frozen=True):
    """An attempt that wants to begin."""

    id: uuid.UUID
    attempt: int
    task_queue: str
    key: str
    slot_at: dt.datetime | None


class _Bound(msgspec.Struct, frozen=True):
    """The limits of a queue, or of one key in it."""

    name: str
    task_queue: str
    key: str | None
    concurrency: int | None
    rate: float | None


def apply_to(task_queue: str) -> bool:
    """Tell whether a task queue has limits."""
    return task_queue in settings.ACTIVITY_LIMITS


def admit(one: Wanting, *, now: dt.datetime) -> bool:
    """Say whether an attempt may begin; if not, its row says when it should ask again.

    Must run inside the transaction of the claim, which holds the locks until its end. One that is not there
    to be begun takes no place.
    """
    if not _is_waiting(one):
        return False
    bounds = _bounds(one.task_queue, one.key)
    free_at = _lock(bounds)
    for bound in bounds:
        if bound.concurrency is not None and _running(bound) >= bound.concurrency:
            _put_off(one, now + dt.timedelta(seconds=_ASK_AGAIN * random.uniform(0.7, 1.3)))
            return False
    slot_at = _slot(one, bounds, free_at, now)
    if slot_at > now:
        _put_off(one, slot_at, slot_at=slot_at)
        return False
    return True


def _is_waiting(one: Wanting) -> bool:
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM aion_activitytask WHERE id = %s AND attempt = %s AND {UNBEGUN} "
            f"AND NOT paused {sql.lock_free_rows}",
            [sql.uuid(one.id), one.attempt],
        )
        return cursor.fetchone() is not None


def _bounds(task_queue: str, key: str) -> list[_Bound]:
    limits: Mapping[str, Any] = settings.ACTIVITY_LIMITS[task_queue]
    found = [
        _Bound(task_queue, task_queue, None, limits.get("concurrency"), limits.get("rate")),
        _Bound(
            f"{task_queue}\n{key}",
            task_queue,
            key,
            limits.get("concurrency_per_key"),
            limits.get("rate_per_key"),
        ),
    ]
    return [
        bound
        for bound in found
        if (bound.concurrency or bound.rate) and (bound.key is None or bound.key)
    ]


def _lock(bounds: Iterable[_Bound]) -> dict[str, dt.datetime]:
    """Lock the rows of limits, in one order everywhere; give when their next slots are free."""
    sql = dialect()
    found = {}
    with connection().cursor() as cursor:
        for bound in bounds:
            cursor.execute(
                "INSERT INTO aion_activitylimit (name, free_at) VALUES (%s, %s) "
                "ON CONFLICT DO NOTHING",
                [bound.name, sql.time(_LONG_AGO)],
            )
            cursor.execute(
                f"SELECT free_at FROM aion_activitylimit WHERE name = %s {sql.lock_rows}",
                [bound.name],
            )
            found[bound.name] = sql.read_time(cursor.fetchone()[0])
    return found


_LONG_AGO: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def _running(bound: _Bound) -> int:
    """Count the attempts that run now. Those have an owner, and an index knows them."""
    key = "" if bound.key is None else " AND limit_key = %s"
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM aion_activitytask WHERE owner_id IS NOT NULL "
            f"AND state = 'running' AND task_queue = %s{key}",
            [bound.task_queue] + ([] if bound.key is None else [bound.key]),
        )
        return int(cursor.fetchone()[0])


def _slot(
    one: Wanting, bounds: Iterable[_Bound], free_at: dict[str, dt.datetime], now: dt.datetime
) -> dt.datetime:
    """Give the moment at which an attempt may begin, and take it."""
    if one.slot_at is not None and now < one.slot_at + _MISSED:
        return one.slot_at
    rated = [(bound.name, bound.rate) for bound in bounds if bound.rate]
    begins = [_begin(free_at[name], rate, now) for name, rate in rated]
    slot_at = max([now, *begins])
    sql = dialect()
    with connection().cursor() as cursor:
        for (name, rate), begin in zip(rated, begins, strict=True):
            # Saved up time is spent only where the slot is this limit's own.
            from_ = begin if slot_at == now else slot_at
            cursor.execute(
                "UPDATE aion_activitylimit SET free_at = %s WHERE name = %s",
                [sql.time(from_ + _SECOND / rate), name],
            )
    return slot_at


def _begin(free_at: dt.datetime, rate: float, now: dt.datetime) -> dt.datetime:
    """Give the next slot of a limit; what was saved up reaches back for at most one second's worth."""
    saved = max(_SECOND - _SECOND / rate, dt.timedelta(0))
    return max(free_at, now - saved)


def _put_off(one: Wanting, until: dt.datetime, *, slot_at: dt.datetime | None = None) -> None:
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_activitytask SET next_attempt_at = %s, published_at = NULL, slot_at = %s, "
            f"crowded = %s WHERE id = %s AND attempt = %s AND {UNBEGUN}",
            [
                sql.time(until),
                sql.time(slot_at),
                slot_at is None,
                sql.uuid(one.id),
                one.attempt,
            ],
        )


def left(task_queue: str, key: str, *, now: dt.datetime) -> None:
    """Let in who comes first by priority and has waited longest, for a place has become free.

    With limits for each key that is the first of the same key, and the first of some others: they ask again.
    """
    if not apply_to(task_queue):
        return
    per_key = settings.ACTIVITY_LIMITS[task_queue].get("concurrency_per_key")
    if per_key and key:
        _let_in("AND a.limit_key = %s", [task_queue, key], 1, now)
    _let_in(_FIRST_OF_ITS_KEY if per_key else "", [task_queue], _KEYS if per_key else 1, now)


_KEYS: Final = 10
_FIRST_OF_ITS_KEY: Final = (
    "AND (a.limit_key = '' OR NOT EXISTS (SELECT 1 FROM aion_activitytask o WHERE o.crowded "
    "AND o.task_queue = a.task_queue AND o.limit_key = a.limit_key "
    "AND (o.priority, o.scheduled_at, o.id) < (a.priority, a.scheduled_at, a.id)))"
)


def _let_in(condition: str, parameters: list[Any], limit: int, now: dt.datetime) -> None:
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_activitytask SET next_attempt_at = %s, crowded = %s WHERE id IN "
            "(SELECT a.id FROM aion_activitytask a WHERE a.crowded AND a.state = 'scheduled' "
            f"AND a.task_queue = %s {condition} ORDER BY a.priority, a.scheduled_at, a.id LIMIT %s "
            f"{sql.lock_free_rows})",
            [sql.time(now), False, *parameters, limit],
        )
