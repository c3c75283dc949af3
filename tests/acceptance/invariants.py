"""What must hold of the tables however often workers were killed: plain SQL, no code of Aion's.

`problems()` gives a sentence for each violation, an empty list when all is well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection

STATUS_OF = {
    "WorkflowStarted": "running",
    "WorkflowPaused": "paused",
    "WorkflowResumed": "running",
    "WorkflowReopened": "running",
    "WorkflowCompleted": "completed",
    "WorkflowFailed": "failed",
    "WorkflowCancelled": "cancelled",
    "WorkflowTerminated": "terminated",
    "WorkflowTimedOut": "timed_out",
    "WorkflowContinuedAsNew": "continued_as_new",
}
OUTCOMES = ("ActivityCompleted", "ActivityFailed", "ActivityTimedOut", "ActivityCancelled")
PENDING = ("aion_message", "aion_timer", "aion_activitytask")


def _rows(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _kinds(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names)


def problems() -> list[str]:
    return [
        *_gaps(),
        *_wrong_statuses(),
        *_events_after_the_end(),
        *_left_over(),
        *_repeated_outcomes(),
        *_outcomes_without_order(),
    ]


def _gaps() -> Iterator[str]:
    found = _rows(
        "SELECT r.id, r.first_seq, r.head_seq, min(e.seq), max(e.seq), count(e.seq) "
        "FROM aion_run r LEFT JOIN aion_event e ON e.run_id = r.id "
        "GROUP BY r.id, r.first_seq, r.head_seq "
        "HAVING count(e.seq) = 0 OR min(e.seq) <> r.first_seq OR max(e.seq) <> r.head_seq "
        "OR count(e.seq) <> max(e.seq) - min(e.seq) + 1"
    )
    for run_id, first, head, low, high, count in found:
        yield f"run {run_id} says {first}..{head} and has {count} events {low}..{high}"


def _wrong_statuses() -> Iterator[str]:
    cases = " ".join(f"WHEN '{kind}' THEN '{status}'" for kind, status in STATUS_OF.items())
    found = _rows(
        f"SELECT r.id, r.status, e.kind, r.closed_at FROM aion_run r JOIN aion_event e "
        "ON e.run_id = r.id AND e.seq = (SELECT max(l.seq) FROM aion_event l "
        f"WHERE l.run_id = r.id AND l.kind IN ({_kinds(STATUS_OF)})) "
        f"WHERE r.status <> CASE e.kind {cases} END "
        "OR (r.closed_at IS NULL) <> (r.status IN ('running', 'paused'))"
    )
    for run_id, status, kind, closed_at in found:
        yield f"run {run_id} is {status} (closed at {closed_at}) after {kind}"


def _events_after_the_end() -> Iterator[str]:
    closing = [kind for kind, status in STATUS_OF.items() if status not in ("running", "paused")]
    found = _rows(
        f"SELECT e.run_id, e.kind, r.head_seq - e.seq FROM aion_event e JOIN aion_run r "
        f"ON r.id = e.run_id WHERE e.kind IN ({_kinds(closing)}) AND e.seq < r.head_seq "
        "AND NOT EXISTS (SELECT 1 FROM aion_event n WHERE n.run_id = e.run_id "
        "AND n.seq = e.seq + 1 AND n.kind = 'WorkflowReopened')"
    )
    for run_id, kind, count in found:
        yield f"run {run_id} has {count} events after {kind}"


def _left_over() -> Iterator[str]:
    for table in PENDING:
        found = _rows(
            f"SELECT p.run_id, count(*) FROM {table} p LEFT JOIN aion_run r ON r.id = p.run_id "
            "WHERE r.id IS NULL OR r.closed_at IS NOT NULL GROUP BY p.run_id"
        )
        for run_id, count in found:
            yield f"closed run {run_id} has {count} rows in {table}"
    for (run_id,) in _rows(
        "SELECT id FROM aion_run WHERE closed_at IS NOT NULL AND owner_id IS NOT NULL"
    ):
        yield f"closed run {run_id} has an owner"


def _activity_id(alias: str) -> str:
    if connection.vendor == "postgresql":
        return f"{alias}.attributes::json ->> 'activity_id'"
    return f"{alias}.attributes ->> 'activity_id'"


def _repeated_outcomes() -> Iterator[str]:
    found = _rows(
        f"SELECT e.run_id, {_activity_id('e')}, count(*) FROM aion_event e "
        f"WHERE e.kind IN ({_kinds(OUTCOMES)}) GROUP BY e.run_id, {_activity_id('e')} "
        "HAVING count(*) > 1"
    )
    for run_id, activity_id, count in found:
        yield f"activity {activity_id} of run {run_id} has {count} outcomes"


def _outcomes_without_order() -> Iterator[str]:
    """A local activity has no order in history; its outcome says that it is local."""
    found = _rows(
        f"SELECT e.run_id, {_activity_id('e')} FROM aion_event e "
        f"WHERE e.kind IN ({_kinds(OUTCOMES)}) AND e.attributes NOT LIKE %s "
        "AND NOT EXISTS (SELECT 1 FROM aion_event s WHERE s.run_id = e.run_id AND s.seq < e.seq "
        f"AND s.kind = 'ActivityScheduled' AND {_activity_id('s')} = {_activity_id('e')})",
        '%"local":true%',
    )
    for run_id, activity_id in found:
        yield f"activity {activity_id} of run {run_id} ended without having been asked for"
