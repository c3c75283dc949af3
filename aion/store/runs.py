"""Runs: how they come into being, and how callers find them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from aion.core.events import WorkflowStarted
from aion.core.history import encode_event
from aion.core.sealing import MARK, PayloadContext, Sealer
from aion.core.status import RunStatus
from aion.store import mailbox, search_values
from aion.store.dialects import connection, dialect
from aion.store.histories import first_event, insert_events
from aion.store.rows import EXECUTION_DEADLINE, RUN_DEADLINE, START_TIMER, TIMER_COLUMNS
from aion.store.sealing import plain_failure, plain_payload, plain_problem, sealer

COLUMNS = {
    "id": "uuid",
    "workflow_id": "text",
    "workflow_type": "text",
    "definition_hash": "text",
    "behaviour_version": "smallint",
    "task_queue": "text",
    "status": "text",
    "head_seq": "integer",
    "first_seq": "integer",
    "history_bytes": "bigint",
    "started_at": "timestamptz",
    "deadline_at": "timestamptz",
    "request_id": "text",
    "parent_run_id": "uuid",
    "parent_close_policy": "text",
    "root_run_id": "uuid",
    "continued_from_run_id": "uuid",
    "chain_position": "integer",
    "search_attributes": "jsonb",
    "memo": "text",
    "problem_count": "integer",
}


class NewRun(msgspec.Struct):
    """A run to be created: its identity and its first event."""

    id: uuid.UUID
    started: WorkflowStarted
    at: dt.datetime
    seq: int = 1
    chain_position: int = 0
    sealed: bool = False
    size: int = 0  # the bytes of the first event before it was sealed

    @property
    def deadline_at(self) -> dt.datetime | None:
        """The earlier of the run's and the execution's deadline."""
        return min((at for _, at in self._deadlines()), default=None)

    def _deadlines(self) -> list[tuple[str, dt.datetime]]:
        begin = self.at + (self.started.start_delay or dt.timedelta(0))
        found = []
        if self.started.run_timeout is not None:
            found.append((RUN_DEADLINE, begin + self.started.run_timeout))
        if self.started.execution_deadline_at is not None:
            found.append((EXECUTION_DEADLINE, self.started.execution_deadline_at))
        return found

    def timers(self) -> list[tuple[uuid.UUID, str, dt.datetime, bool]]:
        """The rows of the delayed start and of the deadlines."""
        timers = [(self.id, name, at, False) for name, at in self._deadlines()]
        if self.started.start_delay is not None:
            timers.append((self.id, START_TIMER, self.at + self.started.start_delay, False))
        return timers

    def row(self, size: int) -> tuple[Any, ...]:
        """The run's row, in the order of `COLUMNS`."""
        started = self.started
        return (
            self.id,
            started.workflow_id,
            started.workflow_type,
            started.definition_hash,
            started.behaviour_version,
            started.task_queue,
            str(RunStatus.RUNNING),
            self.seq,
            self.seq,
            size,
            self.at,
            self.deadline_at,
            started.request_id,
            _uuid(started.parent_run_id),
            started.parent_close_policy,
            _uuid(started.root_run_id) or self.id,
            _uuid(started.continued_from_run_id),
            self.chain_position,
            bytes(started.search_attributes).decode(),
            bytes(started.memo).decode(),
            0,
        )


def _uuid(text: str | None) -> uuid.UUID | None:
    return uuid.UUID(text) if text else None


def sealed_run(new: NewRun, by: Sealer | None = None) -> NewRun:
    """Seal the first event of a run. Its memo is the row's too."""
    by = by or sealer()
    started = new.started
    if new.sealed or not (by.is_on or MARK in encode_event(started).decode()):
        return new
    context = PayloadContext(started.workflow_id, started.workflow_type, str(new.id))
    sealed = by.seal_fields(started, context)
    size = len(encode_event(started))
    return msgspec.structs.replace(new, started=sealed, sealed=True, size=size)


def is_one_statement(new: NewRun) -> bool:
    """Tell whether `try_insert` needs one statement only, and thus no transaction around it."""
    timers = new.started.start_delay is not None or new.deadline_at is not None
    plain = not timers and not new.started.search_attribute_kinds
    return plain and dialect().name == "postgresql"


def try_insert(new: NewRun) -> bool:
    """Create a run unless its workflow id has an open one; False then, and nothing is written.

    Must run inside a transaction, but where it `is_one_statement`. The conflict is an answer, not an error,
    so that a transaction of the caller stays usable.
    """
    new = sealed_run(new)
    data = encode_event(new.started)
    values = [_plain(value) for value in new.row(new.size or len(data))]
    with connection().cursor() as cursor:
        if dialect().name == "postgresql":
            prompt = new.started.start_delay is None
            at = dialect().time(new.at)
            cursor.execute(_INSERT_WHOLE, [*values, new.seq, at, data.decode(), at, prompt])
            if cursor.fetchone()[0] != 1:
                return False
        else:
            cursor.execute(_INSERT_RUN, values)
            if cursor.rowcount != 1:
                return False
            _insert_beginnings(cursor, [(new, data)])
            return True
        _insert_timers(cursor, [new])
        _insert_search_values(cursor, [new])
    return True


_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_INSERT_RUN = (
    f"INSERT INTO aion_run ({_NAMES}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) "
    "ON CONFLICT DO NOTHING"
)
_MARKS = ", ".join(f"%s::{kind}" for kind in COLUMNS.values())
_INSERT_WHOLE = (
    f"WITH new AS (INSERT INTO aion_run ({_NAMES}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING "
    "RETURNING id), "
    "first AS (INSERT INTO aion_event (run_id, seq, kind, recorded_at, attributes) "
    "SELECT id, %s::integer, 'WorkflowStarted', %s::timestamptz, %s FROM new), "
    "begin AS (INSERT INTO aion_message (run_id, kind, body, created_at, parked) "
    f"SELECT id, '{mailbox.START}', '{{}}', %s::timestamptz, false FROM new WHERE %s::boolean) "
    "SELECT count(*) FROM new"
)


def insert_many(news: Sequence[NewRun], *, cursor: Any) -> list[NewRun]:
    """Create the runs of a batch (children, successors); give those whose workflow id was taken.

    Must run inside a transaction, after the runs that they replace were closed in it.
    """
    if not news:
        return []
    sealed = [sealed_run(new) for new in news]
    encoded = [(new, encode_event(new.started)) for new in sealed]
    rows = [new.row(new.size or len(data)) for new, data in encoded]
    inserted = dialect().insert_free(cursor, "aion_run", COLUMNS, rows)
    _insert_beginnings(cursor, [(new, data) for new, data in encoded if new.id in inserted])
    return [new for new in news if new.id not in inserted]


def _plain(value: Any) -> Any:
    sql = dialect()
    if isinstance(value, uuid.UUID):
        return sql.uuid(value)
    return sql.time(value) if isinstance(value, dt.datetime) else value


def _insert_beginnings(cursor: Any, encoded: list[tuple[NewRun, bytes]]) -> None:
    """Write first events, the messages that make the first turns, and the timers."""
    insert_events(
        cursor,
        [(new.id, new.seq, "WorkflowStarted", new.at, data.decode()) for new, data in encoded],
    )
    if not encoded:
        return
    now = encoded[0][0].at
    _insert_search_values(cursor, [new for new, _ in encoded])
    prompt = [new.id for new, _ in encoded if new.started.start_delay is None]
    mailbox.post([(run_id, mailbox.START, "{}") for run_id in prompt], now=now, cursor=cursor)
    _insert_timers(cursor, [new for new, _ in encoded])


def _insert_timers(cursor: Any, news: list[NewRun]) -> None:
    timers = [timer for new in news for timer in new.timers()]
    if timers:
        dialect().insert(cursor, "aion_timer", TIMER_COLUMNS, timers)


def _insert_search_values(cursor: Any, news: list[NewRun]) -> None:
    """Write what lists find new runs by; no statement where there is nothing."""
    kinds = [(new, new.started.search_attribute_kinds) for new in news]
    search_values.insert(
        [
            (new.id, msgspec.json.decode(new.started.search_attributes), given)
            for new, given in kinds
            if given
        ],
        cursor=cursor,
    )


def id_for_parent(run_id: uuid.UUID, chain_position: int) -> uuid.UUID:
    """Give the id under which a child's parent knows it: that of the first run of its chain."""
    first = first_event(run_id) if chain_position else None
    return uuid.UUID(first.first_run_id) if first is not None and first.first_run_id else run_id


class RunSummary(msgspec.Struct):
    """A run as its row says. Result, failure, problem and memo are as stored until it is `opened`."""

    id: uuid.UUID
    workflow_id: str
    workflow_type: str
    task_queue: str
    status: RunStatus
    head_seq: int
    first_seq: int
    history_bytes: int
    started_at: dt.datetime
    closed_at: dt.datetime | None
    deadline_at: dt.datetime | None
    definition_hash: str
    request_id: str
    result: str | None
    failure: str | None
    problem: str | None
    problem_count: int
    held_until: dt.datetime | None
    memo: str
    search_attributes: Any
    continued_from_run_id: uuid.UUID | None
    parent_run_id: uuid.UUID | None
    owner_id: uuid.UUID | None


def opened(run: RunSummary) -> RunSummary:
    """Give a run that was read, with its payloads as they were.

    Raises:
        PayloadUnavailable: one cannot be brought back.
    """
    return msgspec.structs.replace(
        run,
        result=None if run.result is None else plain_payload(run.result, run.id),
        failure=None if run.failure is None else plain_failure(run.failure, run.id),
        problem=None if run.problem is None else plain_problem(run.problem, run.id),
        memo=plain_payload(run.memo, run.id),
    )


_SUMMARY = (
    "id, workflow_id, workflow_type, task_queue, status, head_seq, first_seq, history_bytes, "
    "started_at, closed_at, deadline_at, definition_hash, request_id, result, failure, problem, "
    "problem_count, held_until, memo, search_attributes, continued_from_run_id, parent_run_id, owner_id"
)


def get(run_id: uuid.UUID) -> RunSummary | None:
    """Read one run; None when there is none."""
    return _one("id = %s", [dialect().uuid(run_id)])


def latest(workflow_id: str) -> RunSummary | None:
    """Read the open run of a workflow id, else its newest; None when there is none."""
    return _one(
        "workflow_id = %s ORDER BY CASE WHEN closed_at IS NULL THEN 0 ELSE 1 END, "
        "started_at DESC, chain_position DESC, id DESC",
        [workflow_id],
    )


def successor(run_id: uuid.UUID) -> RunSummary | None:
    """Read the run that continues a run; None when there is none."""
    return _one("continued_from_run_id = %s", [dialect().uuid(run_id)])


def last_of_chain(run_id: uuid.UUID) -> RunSummary | None:
    """Read the run that a run's chain ends with, maybe itself; None when the run is gone."""
    return _one(
        "id = (WITH RECURSIVE link(id, place) AS (SELECT id, 0 FROM aion_run WHERE id = %s "
        "UNION ALL SELECT r.id, place + 1 FROM link JOIN aion_run r "
        "ON r.continued_from_run_id = link.id) SELECT id FROM link ORDER BY place DESC LIMIT 1)",
        [dialect().uuid(run_id)],
    )


def copied_from(run_id: uuid.UUID) -> list[uuid.UUID]:
    """List the runs whose history the beginning of this run's is copied from by resets, newest first.

    A reset copies the first event, so that it names what the copied run continued.
    """
    first = first_event(run_id)
    run, found = get(run_id), []
    while run is not None and run.continued_from_run_id is not None and first is not None:
        if str(run.continued_from_run_id) == first.continued_from_run_id:
            break
        found.append(run.continued_from_run_id)
        run = get(run.continued_from_run_id)
    return found


def requested(
    workflow_id: str, request_id: str, *, besides: uuid.UUID | None = None
) -> RunSummary | None:
    """Read the run that a request started, besides one; None when there is none."""
    where, parameters = "workflow_id = %s AND request_id = %s", [workflow_id, request_id]
    if besides is None:
        return _one(where, parameters)
    return _one(f"{where} AND id <> %s", [*parameters, dialect().uuid(besides)])


def _one(where: str, parameters: list[Any]) -> RunSummary | None:
    with connection().cursor() as cursor:
        cursor.execute(f"SELECT {_SUMMARY} FROM aion_run WHERE {where} LIMIT 1", parameters)
        row = cursor.fetchone()
    if row is None:
        return None
    sql = dialect()
    values = dict(zip(_SUMMARY.split(", "), row, strict=True))
    for name in ("id", "continued_from_run_id", "parent_run_id", "owner_id"):
        values[name] = None if values[name] is None else sql.read_uuid(values[name])
    for name in ("started_at", "closed_at", "deadline_at", "held_until"):
        values[name] = None if values[name] is None else sql.read_time(values[name])
    values["status"] = RunStatus(values["status"])
    attributes = values["search_attributes"]
    if isinstance(attributes, str):
        values["search_attributes"] = msgspec.json.decode(attributes)
    return RunSummary(**values)


class RunState(NamedTuple):
    """What a waiter looks at: result and failure are as stored; the successor is that of a closed run."""

    status: RunStatus
    result: str | None
    failure: str | None
    successor_id: uuid.UUID | None


def state(run_id: uuid.UUID) -> RunState | None:
    """Read where a run stands; None when there is none."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT r.status, r.result, r.failure, CASE WHEN r.closed_at IS NOT NULL THEN "
            "(SELECT s.id FROM aion_run s WHERE s.continued_from_run_id = r.id) END "
            "FROM aion_run r WHERE r.id = %s",
            [sql.uuid(run_id)],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return RunState(RunStatus(row[0]), row[1], row[2], row[3] and sql.read_uuid(row[3]))


def newest_other(workflow_id: str, run_id: uuid.UUID) -> RunSummary | None:
    """Read the newest run of a workflow id besides one; None when there is none."""
    return _one(
        "workflow_id = %s AND id <> %s ORDER BY started_at DESC, chain_position DESC, id DESC",
        [workflow_id, dialect().uuid(run_id)],
    )


def close_from_outside(
    run_id: uuid.UUID, status: RunStatus, *, at: dt.datetime, failure: str | None = None
) -> None:
    """Mark a run closed and take away what waits for it. For operations that hold its lock."""
    sql = dialect()
    key = sql.uuid(run_id)
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_run SET status = %s, closed_at = %s, failure = %s, owner_id = NULL, "
            "problem = NULL, problem_count = 0, held_until = NULL WHERE id = %s",
            [str(status), sql.time(at), failure, key],
        )
        for table in ("aion_timer", "aion_activitytask", "aion_message"):
            cursor.execute(f"DELETE FROM {table} WHERE run_id = %s", [key])
