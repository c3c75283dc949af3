"""What a recovery compares and repairs: projections, leftovers of closed runs, lost rows of open ones.

Runs are walked in the order of their ids, a bounded number at a time. What a comparison finds is looked at
again under the run's lock before anything is changed, so a turn in between is never undone.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from aion.core.errors import HistoryError, PayloadUnavailable
from aion.core.history import Recorded, decode_event
from aion.core.search_attributes import ValueRow, value_rows
from aion.core.shown import Shown
from aion.core.status import STATUS_AFTER, TERMINAL_EVENTS
from aion.store import histories, search_values, shown
from aion.store.dialects import connection, dialect
from aion.store.listing import Selection
from aion.store.rows import START_TIMER
from aion.store.sealing import (
    plain_body,
    plain_failure,
    plain_payload,
    stored_failure,
    stored_payload,
)

log = logging.getLogger("aion.recovery")

_DECIDING: Final = [kind.__name__ for kind in STATUS_AFTER]
_CLOSING: Final = [kind.__name__ for kind in TERMINAL_EVENTS]
_WAITING: Final = ("aion_message", "aion_timer", "aion_activitytask")


class Compared(msgspec.Struct):
    """A run's row beside what its history says; `closing` are the attributes of its closing event."""

    id: uuid.UUID
    status: str
    head_seq: int
    closed_at: dt.datetime | None
    result: str | None
    failure: str | None
    first_seq: int
    last_seq: int
    event_count: int
    history_bytes: int
    kind: str
    decided_at: dt.datetime
    closing: str | None
    is_readable: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether the history has no gap."""
        return self.event_count == self.last_seq - self.first_seq + 1


class ShownByRows(msgspec.Struct):
    """What the rows of a run show: search attributes as values and as rows, and the memo."""

    search_attributes: dict[str, Any]
    memo: dict[str, Any] | None  # None: it cannot be read
    values: set[ValueRow]

    def agrees(self, right: Shown) -> bool:
        """Tell whether this is what a history says."""
        return (
            self.search_attributes == right.search_attributes
            and self.memo == right.memo
            and self.values == set(value_rows(right.search_attributes, right.kinds))
        )


class Walked(msgspec.Struct, frozen=True):
    """A run that a walk came by, and the length of its history."""

    id: uuid.UUID
    events: int


def walked(
    only: Selection, *, after: uuid.UUID | None, limit: int, idle: bool = False
) -> list[Walked]:
    """List runs in the order of their ids, behind one; `idle` are those that should wait for something."""
    sql = dialect()
    where, parameters = _walk(only, idle=idle)
    if after is not None:
        where += " AND r.id > %s"
        parameters.append(sql.uuid(after))
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT r.id, r.head_seq - r.first_seq + 1 FROM aion_run r WHERE {where} "
            "ORDER BY r.id LIMIT %s",
            [*parameters, limit],
        )
        return [Walked(sql.read_uuid(row[0]), row[1]) for row in cursor.fetchall()]


def count(only: Selection, *, idle: bool = False) -> int:
    """Count the runs of a walk."""
    where, parameters = _walk(only, idle=idle)
    with connection().cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM aion_run r WHERE {where}", parameters)
        return int(cursor.fetchone()[0])


def _walk(only: Selection, *, idle: bool) -> tuple[str, list[Any]]:
    where, parameters = only.sql()
    if idle:
        where += ") AND (r.status = 'running' AND r.owner_id IS NULL AND r.held_until IS NULL"
    return f"({where})", list(parameters)


def compare(ids: Sequence[uuid.UUID]) -> list[Compared]:
    """Read the rows of runs beside what their histories say. Runs without any event are left out."""
    sql = dialect()
    many = sql.many(ids)
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT r.id, r.status, r.head_seq, r.closed_at, r.result, r.failure, h.low, h.high, "
            "h.count, h.size, e.kind, e.recorded_at, "
            f"CASE WHEN {sql.among('e.kind', 'text')} THEN e.attributes END FROM aion_run r "
            "JOIN (SELECT run_id, min(seq) AS low, max(seq) AS high, count(*) AS count, "
            f"sum({_bytes_of('attributes')}) AS size, "
            f"max(CASE WHEN {sql.among('kind', 'text')} THEN seq END) AS decided "
            f"FROM aion_event WHERE {sql.among('run_id', 'uuid')} GROUP BY run_id) h "
            "ON h.run_id = r.id JOIN aion_event e ON e.run_id = r.id AND e.seq = h.decided "
            f"WHERE {sql.among('r.id', 'uuid')}",
            [sql.many(_CLOSING), sql.many(_DECIDING), many, many],
        )
        return [_compared(row) for row in cursor.fetchall()]


def _bytes_of(column: str) -> str:
    if dialect().name == "postgresql":
        return f"octet_length({column})"
    return f"length(CAST({column} AS BLOB))"


def _open(values: dict[str, Any]) -> None:
    """Bring payloads back, so that they can be compared: sealed twice, nothing looks the same."""
    run_id = values["id"]
    try:
        if values["result"] is not None:
            values["result"] = plain_payload(values["result"], run_id)
        if values["failure"] is not None:
            values["failure"] = plain_failure(values["failure"], run_id)
        if values["closing"] is not None:
            values["closing"] = plain_body(values["kind"], values["closing"], run_id)
    except PayloadUnavailable as error:
        log.warning("Run %s cannot be compared with its history: %s", run_id, error)
        values["is_readable"] = False


def _compared(row: tuple[Any, ...]) -> Compared:
    sql = dialect()
    values = dict(zip(Compared.__struct_fields__[:-1], row, strict=True))
    values["id"] = sql.read_uuid(values["id"])
    values["decided_at"] = sql.read_time(values["decided_at"])
    values["history_bytes"] = int(values["history_bytes"])
    _open(values)
    if values["closed_at"] is not None:
        values["closed_at"] = sql.read_time(values["closed_at"])
    return Compared(**values)


def torn(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Find runs that do not go on where the run ends that they say they continue.

    A run that is gone cannot be compared: retention deletes the oldest of a chain first.
    """
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT r.id FROM aion_run r JOIN aion_run b ON b.id = r.continued_from_run_id "
            f"WHERE {sql.among('r.id', 'uuid')} AND (r.workflow_id <> b.workflow_id "
            "OR r.first_seq <> b.head_seq + 1 OR r.chain_position <> b.chain_position + 1 "
            "OR b.closed_at IS NULL) ORDER BY r.id",
            [sql.many(ids)],
        )
        return [sql.read_uuid(row[0]) for row in cursor.fetchall()]


def lock(ids: Iterable[uuid.UUID]) -> list[uuid.UUID]:
    """Lock runs until the transaction ends; those that somebody works on are left out."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT r.id FROM aion_run r WHERE {sql.among('r.id', 'uuid')} {sql.lock}",
            [sql.many(ids)],
        )
        return [sql.read_uuid(row[0]) for row in cursor.fetchall()]


def _plain_bytes(run: Compared) -> int:
    """Give the bytes of a history before any codec; those that are stored where it cannot be read."""
    try:
        return sum(recorded.stored_size for recorded in histories.load_one(run.id))
    except (PayloadUnavailable, HistoryError):
        return run.history_bytes


def write_projection(run: Compared) -> None:
    """Write what a run's row should say. For the holder of its lock."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_run SET status = %s, head_seq = %s, closed_at = %s, result = %s, "
            "failure = %s, history_bytes = %s, owner_id = NULL WHERE id = %s",
            [
                run.status,
                run.last_seq,
                sql.time(run.closed_at),
                None if run.result is None else stored_payload(run.result, run.id),
                None if run.failure is None else stored_failure(run.failure, run.id),
                _plain_bytes(run),
                sql.uuid(run.id),
            ],
        )


def with_memos(histories: dict[uuid.UUID, list[Recorded]]) -> dict[uuid.UUID, list[Recorded]]:
    """Bring the memos of histories back; those where that fails are left out."""
    found = {}
    for run_id, history in histories.items():
        try:
            found[run_id] = [_with_memo(recorded, run_id) for recorded in history]
        except PayloadUnavailable as error:
            log.warning("The memo of run %s cannot be compared: %s", run_id, error)
    return found


def _with_memo(recorded: Recorded, run_id: uuid.UUID) -> Recorded:
    event: Any = recorded.event
    memo = getattr(event, "memo", None)
    if memo is None:
        return recorded
    plain = plain_payload(bytes(memo).decode(), run_id)
    changed = msgspec.structs.replace(event, memo=msgspec.Raw(plain.encode()))
    return msgspec.structs.replace(recorded, event=changed)


def _memo(text: str, run_id: uuid.UUID) -> dict[str, Any] | None:
    """Read a memo; None where it cannot be brought back: then it is written anew."""
    try:
        memo: dict[str, Any] = msgspec.json.decode(plain_payload(text, run_id))
    except PayloadUnavailable:
        return None
    return memo


def shown_by_rows(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, ShownByRows]:
    """Read what the rows of runs show, and what lists find them by."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, CAST(search_attributes AS text), memo FROM aion_run "
            f"WHERE {sql.among('id', 'uuid')}",
            [sql.many(ids)],
        )
        rows = [(sql.read_uuid(row[0]), *row[1:]) for row in cursor.fetchall()]
        values = search_values.read(ids, cursor=cursor)
    return {
        run_id: ShownByRows(
            msgspec.json.decode(searched), _memo(memo, run_id), values.get(run_id, set())
        )
        for run_id, searched, memo in rows
    }


def write_shown(found: Sequence[shown.ShownWrite]) -> None:
    """Write what runs should show. For the holder of their locks."""
    with connection().cursor() as cursor:
        shown.write(cursor, found)


def remove_leftovers(only: Selection, *, limit: int) -> int:
    """Remove what waits for closed runs, up to so many rows of each kind; give their number."""
    removed = 0
    where, parameters = only.sql()
    with connection().cursor() as cursor:
        for table in _WAITING:
            cursor.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT w.id FROM {table} w JOIN aion_run r "
                f"ON r.id = w.run_id WHERE r.closed_at IS NOT NULL AND ({where}) LIMIT %s)",
                [*parameters, limit],
            )
            removed += cursor.rowcount
    return removed


def wrongly_parked(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """List the runs of these that are neither paused nor held, and whose mail, timers or activities are.

    Mail that waits for a delayed start waits rightly.
    """
    sql = dialect()
    begun = (
        "NOT EXISTS (SELECT 1 FROM aion_timer s WHERE s.run_id = w.run_id "
        f"AND s.timer_id = '{START_TIMER}')"
    )
    parked = " UNION ".join(
        f"SELECT w.run_id FROM {table} w WHERE {sql.among('w.run_id', 'uuid')} AND {condition}"
        for table, condition in (
            ("aion_message", f"w.parked AND {begun}"),
            ("aion_timer", "w.parked"),
            ("aion_activitytask", "w.paused AND w.paused_at IS NULL AND w.state = 'scheduled'"),
        )
    )
    many = sql.many(ids)
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT r.id FROM aion_run r WHERE r.id IN ({parked}) "
            "AND r.status = 'running' AND r.held_until IS NULL ORDER BY r.id",
            [many, many, many],
        )
        return [sql.read_uuid(row[0]) for row in cursor.fetchall()]


def closed_or_gone(ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Choose the runs of these that are not open."""
    wanted = set(ids)
    sql = dialect()
    if not wanted:
        return wanted
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM aion_run WHERE closed_at IS NULL AND {sql.among('id', 'uuid')}",
            [sql.many(wanted)],
        )
        return wanted - {sql.read_uuid(row[0]) for row in cursor.fetchall()}


def histories_of(
    ids: Sequence[uuid.UUID], kinds: Iterable[type]
) -> dict[uuid.UUID, list[Recorded]]:
    """Load the events of some kinds, in the order of their seq. Their payloads are as stored."""
    sql = dialect()
    found: dict[uuid.UUID, list[Recorded]] = defaultdict(list)
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT run_id, seq, recorded_at, kind, attributes FROM aion_event "
            f"WHERE {sql.among('run_id', 'uuid')} AND {sql.among('kind', 'text')} ORDER BY run_id, seq",
            [sql.many(ids), sql.many([kind.__name__ for kind in kinds])],
        )
        for run_id, seq, at, kind, attributes in cursor.fetchall():
            recorded = Recorded(seq, sql.read_time(at), decode_event(kind, attributes))
            found[sql.read_uuid(run_id)].append(recorded)
    return found


def timer_ids(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, set[str]]:
    """Give the ids of the timers that runs have."""
    return _names("timer_id", "aion_timer", ids)


def activity_ids(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, set[str]]:
    """Give the ids of the activities that have a row."""
    return _names("activity_id", "aion_activitytask", ids)


def _names(column: str, table: str, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, set[str]]:
    sql = dialect()
    found: dict[uuid.UUID, set[str]] = defaultdict(set)
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT run_id, {column} FROM {table} WHERE {sql.among('run_id', 'uuid')}",
            [sql.many(ids)],
        )
        for run_id, name in cursor.fetchall():
            found[sql.read_uuid(run_id)].add(name)
    return found


def mailboxes(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[tuple[str, str]]]:
    """Give kind and body of the messages that wait for runs."""
    sql = dialect()
    found: dict[uuid.UUID, list[tuple[str, str]]] = defaultdict(list)
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT run_id, kind, body FROM aion_message WHERE {sql.among('run_id', 'uuid')}",
            [sql.many(ids)],
        )
        for run_id, kind, body in cursor.fetchall():
            found[sql.read_uuid(run_id)].append((kind, body))
    return found
