"""Claims: lock runs that have work, and read what waits for them.

Theory of operation
-------------------
A claim is a row lock, held until the turn's transaction ends: no lease, nothing to give back. It skips
runs that somebody else holds, so claimers never wait for each other. Runs *owned* by another worker (it
runs their local activities) are left to it.

A run is ready when its mailbox holds a message that is not parked, or a timer is due. Both are found by a
small index; the head of the queue is the oldest message, so work is taken in the order of its arrival. A
message of a run with another priority stands some places before or behind its own: `PLACE` is one number,
that of the message itself where all runs are of one priority. So nothing waits for ever. Due timers come in
the order of their times, but for those of urgent runs, which a small index of their own finds first.

Once the rows are locked, *everything* in their mailboxes is read. A sender takes the same lock before it
posts, so between the read and the commit no further signal can be accepted for these runs.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from aion.core.priority import ALL as PRIORITIES
from aion.core.priority import DEFAULT, LEAD
from aion.store import dialects
from aion.store.attempts import fronts
from aion.store.dialects import Dialect, connection, dialect
from aion.store.rows import Claimed, MessageRow, RunRow, TimerRow

_RUN = (
    "r.id, r.workflow_id, r.workflow_type, r.task_queue, r.status, r.head_seq, r.first_seq, "
    "r.history_bytes, r.owner_id, r.closed_at, r.problem_count, r.held_until, "
    "r.parent_run_id, r.chain_position, r.priority"
)


PLACE = f"m.id + m.priority * {LEAD}"
"""Where a message of alias m stands in the queue."""

_MORE_URGENT = ", ".join(str(each) for each in PRIORITIES if each < DEFAULT)
_URGENT = f"NOT t.parked AND t.priority < {DEFAULT} AND t.priority IN ({_MORE_URGENT})"
"""The first part is what the index holds, the second lets it be read by priority and time."""


def claim(
    *,
    worker_id: uuid.UUID,
    now: dt.datetime,
    limit: int,
    queues: Sequence[str] = (),
    own: Iterable[uuid.UUID] = (),
    expecting: bool = False,
) -> list[Claimed]:
    """Lock up to `limit` runs with work, and those of `own` that can be locked; urgent and old work first.

    Must run inside a transaction; the locks last until its end. Three statements, or one where there is
    nothing to do. A pipeline that is `expecting` work sends all of it at once, and a further one that reads
    the first events of new runs.
    """
    at_once = expecting and dialects.is_pipelined()
    sql, parameters = _claim_sql(worker_id, now, limit, queues, list(own), noted=at_once)
    with (
        dialects.cursor() as locked,
        dialects.cursor() as mail,
        dialects.cursor() as due,
        dialects.cursor() as first,
    ):
        locked.execute(sql, parameters)
        if at_once:
            _ask_waiting(mail, due, None, now)
            first.execute(_FIRST_EVENTS)
        runs = {run.id: Claimed(run, [], []) for run in map(_run_row, locked.fetchall())}
        if not runs:
            return []
        if not at_once:
            _ask_waiting(mail, due, runs, now)
        _read_waiting(runs, mail, due)
        for run_id, *event in first.fetchall() if at_once else ():
            runs[run_id].first = tuple(event)
    return sorted(runs.values(), key=_place)


_FREE = "(r.owner_id IS NULL OR r.owner_id = %s)"


def free_of(worker_id: uuid.UUID, queues: Sequence[str]) -> tuple[str, list[Any]]:
    """Say of alias r that a worker may take it from these queues, from any if none are given."""
    sql = dialect()
    if not queues:
        return _FREE, [sql.uuid(worker_id)]
    here = f"{_FREE} AND {sql.among('r.task_queue', 'text')}"
    return here, [sql.uuid(worker_id), sql.many(queues)]


def _claim_sql(
    worker_id: uuid.UUID,
    now: dt.datetime,
    limit: int,
    queues: Sequence[str],
    own: list[uuid.UUID],
    *,
    noted: bool,
) -> tuple[str, list[Any]]:
    """Build the claim: each part locks what it selects, so that its limit counts runs it really got.

    Were the locks taken outside, one locked run with a full mailbox would use up the limit and hide all
    others. A run may come from several parts, and from one part for each of its messages. What is locked can
    be `noted` in a setting of the transaction: so the next statements find it before the answer is read.
    """
    sql = dialect()
    free, whose = free_of(worker_id, queues)
    me = sql.uuid(worker_id)
    parts = [
        f"SELECT {_RUN} FROM aion_message m JOIN aion_run r ON r.id = m.run_id "
        f"WHERE NOT m.parked AND {free} ORDER BY {PLACE} LIMIT %s {sql.lock}",
        f"SELECT {_RUN} FROM aion_timer t JOIN aion_run r ON r.id = t.run_id "
        f"WHERE NOT t.parked AND t.fire_at <= %s AND {free} ORDER BY t.fire_at LIMIT %s {sql.lock}",
        f"SELECT {_RUN} FROM aion_timer t JOIN aion_run r ON r.id = t.run_id "
        f"WHERE {_URGENT} AND t.fire_at <= %s AND {free} "
        f"ORDER BY t.priority, t.fire_at LIMIT %s {sql.lock}",
    ]
    due = [sql.time(now), *whose, limit]
    parameters = [*whose, limit, *due, *due]
    if own:
        mine = f"{sql.among('r.id', 'uuid')} AND {_FREE}"
        parts.append(f"SELECT {_RUN} FROM aion_run r WHERE {mine} {sql.lock}")
        parameters.extend([sql.many(own), me])
    names = [f"part{number}" for number in range(len(parts))]
    bodies = ", ".join(f"{name} AS ({part})" for name, part in zip(names, parts, strict=True))
    union = " UNION ALL ".join(f"SELECT * FROM {name}" for name in names)
    if not noted:
        return f"WITH {bodies} {union}", parameters
    note = (
        "SELECT set_config('aion.claimed', COALESCE(array_agg(DISTINCT id), '{}')::text, true) "
        "FROM locked"
    )
    return (
        f"WITH {bodies}, locked AS ({union}), note AS ({note}) SELECT locked.* FROM note, locked",
        parameters,
    )


def _ask_waiting(
    mail: Any, due: Any, run_ids: Iterable[uuid.UUID] | None, now: dt.datetime
) -> None:
    """Ask for mailboxes and due timers, of what the claim has noted where no ids are given.

    The statements take a snapshot that is younger than the locks. They do not sort: where an index has the
    order, the planner would rather walk all of it than look up a few runs.
    """
    sql = dialect()
    ids = [] if run_ids is None else [sql.many(run_ids)]
    mail.execute(f"SELECT t.id, t.run_id, t.kind, t.body FROM {_of(sql, 'aion_message', ids)}", ids)
    due.execute(
        f"SELECT t.fire_at, t.id, t.run_id, t.timer_id FROM {_of(sql, 'aion_timer', ids)} "
        "WHERE t.fire_at <= %s",
        [*ids, sql.time(now)],
    )


def _of(sql: Dialect, table: str, ids: list[Any]) -> str:
    clause = sql.joined(table, "run_id", "uuid")
    return clause if ids else clause.replace("%s", "current_setting('aion.claimed')", 1)


_FIRST_EVENTS = (
    "SELECT e.run_id, e.seq, e.kind, e.recorded_at, e.attributes "
    "FROM unnest(current_setting('aion.claimed')::uuid[]) AS given(key) "
    "JOIN aion_run r ON r.id = given.key AND r.head_seq = r.first_seq "
    "JOIN aion_event e ON e.run_id = r.id"
)
"""The histories of those that have one event: they are new, and no process has a live instance of them."""


def _read_waiting(runs: dict[uuid.UUID, Claimed], mail: Any, due: Any) -> None:
    read_uuid = dialect().read_uuid
    for message_id, run_id, kind, body in sorted(mail.fetchall(), key=_first):
        runs[read_uuid(run_id)].messages.append(MessageRow(message_id, kind, body))
    for _, row_id, run_id, timer_id in sorted(due.fetchall(), key=_first_two):
        runs[read_uuid(run_id)].timers.append(TimerRow(row_id, timer_id))


_first, _first_two = itemgetter(0), itemgetter(0, 1)


def _run_row(row: tuple[Any, ...]) -> RunRow:
    read_uuid = dialect().read_uuid
    return RunRow(
        id=read_uuid(row[0]),
        workflow_id=row[1],
        workflow_type=row[2],
        task_queue=row[3],
        status=row[4],
        head_seq=row[5],
        first_seq=row[6],
        history_bytes=row[7],
        owner_id=None if row[8] is None else read_uuid(row[8]),
        closed=row[9] is not None,
        problem_count=row[10],
        held_until=None if row[11] is None else dialect().read_time(row[11]),
        parent_run_id=None if row[12] is None else read_uuid(row[12]),
        chain_position=row[13],
        priority=row[14],
    )


def _place(claimed: Claimed) -> int:
    return (claimed.messages[0].id if claimed.messages else 0) + claimed.run.priority * LEAD


def lock_run(run_id: uuid.UUID) -> RunRow | None:
    """Lock one run for a sender, waiting for a turn that holds it; None when there is no such run.

    Must run inside a transaction.
    """
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT {_RUN} FROM aion_run r WHERE r.id = %s {sql.lock_wait}", [sql.uuid(run_id)]
        )
        row = cursor.fetchone()
    return _run_row(row) if row else None


_NEXT_ATTEMPTS = fronts("next_attempt_at", "published_at IS NULL")


def next_due() -> tuple[dt.datetime | None, dt.datetime | None]:
    """Give when the earliest timer is due, and the earliest attempt that waits to be handed over."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT fire_at FROM aion_timer WHERE NOT parked ORDER BY fire_at LIMIT 1), "
            f"(SELECT min(next_attempt_at) FROM ({_NEXT_ATTEMPTS}) AS next)",
            [1] * len(PRIORITIES),
        )
        timer, attempt = cursor.fetchone()
    return (
        None if timer is None else sql.read_time(timer),
        None if attempt is None else sql.read_time(attempt),
    )
