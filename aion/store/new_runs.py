"""New runs: the rows that they come into being with, in one statement or a few."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from aion.core.events import WorkflowStarted
from aion.core.history import encode_event
from aion.core.sealing import MARK, PayloadContext, Sealer
from aion.core.status import RunStatus
from aion.store import mailbox, open_runs, search_values, sessions, timer_rows
from aion.store.dialects import connection, dialect
from aion.store.histories import insert_events
from aion.store.rows import EXECUTION_DEADLINE, RUN_DEADLINE, START_TIMER, TimerOrder
from aion.store.sealing import sealer

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
    "priority": "smallint",
    "limited": "boolean",
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

    def timers(self) -> list[TimerOrder]:
        """The delayed start and the deadlines."""
        named = self._deadlines()
        if self.started.start_delay is not None:
            named.append((START_TIMER, self.at + self.started.start_delay))
        return [TimerOrder(self.id, name, at, self.started.priority) for name, at in named]

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
            started.priority,
            open_runs.apply_to(started.workflow_type),
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
    if dialect().name == "postgresql":
        prompt = new.started.start_delay is None
        at = dialect().time(new.at)
        begin = [at, new.started.priority, prompt]
        rows = [*values, new.seq, at, data.decode(), *begin]
        [(count,)] = sessions.at_once(_INSERT_WHOLE, rows, prepare=True)
        if count != 1:
            return False
        with connection().cursor() as cursor:
            _insert_timers(cursor, [new])
            _insert_search_values(cursor, [new])
        return True
    with connection().cursor() as cursor:
        cursor.execute(_INSERT_RUN, values)
        if cursor.rowcount != 1:
            return False
        _insert_beginnings(cursor, [(new, data)])
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
    "begin AS (INSERT INTO aion_message (run_id, kind, body, created_at, parked, priority) "
    f"SELECT id, '{mailbox.START}', '{{}}', %s::timestamptz, false, %s::smallint FROM new WHERE %s::boolean) "
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
    timer_rows.insert(cursor, [timer for new in news for timer in new.timers()])


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
