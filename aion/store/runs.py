"""Runs: how callers find them, and how one is closed from outside."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, NamedTuple

import msgspec

from aion.core.status import RunStatus
from aion.store import sessions
from aion.store.dialects import connection, dialect
from aion.store.histories import first_event
from aion.store.sealing import plain_failure, plain_payload, plain_problem


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
    priority: int


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
    "problem_count, held_until, memo, search_attributes, continued_from_run_id, parent_run_id, owner_id, "
    "priority"
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
    rows = sessions.at_once(
        "SELECT r.status, r.result, r.failure, CASE WHEN r.closed_at IS NOT NULL THEN "
        "(SELECT s.id FROM aion_run s WHERE s.continued_from_run_id = r.id) END "
        "FROM aion_run r WHERE r.id = %s",
        [sql.uuid(run_id)],
    )
    if not rows:
        return None
    row = rows[0]
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
