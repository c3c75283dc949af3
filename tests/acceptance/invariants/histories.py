"""Histories have no gaps, end once, and each run's row says what its history says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.acceptance.invariants.sql import rows, size, text, value

STATUS_OF: Final = {
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
CLOSING: Final = [kind for kind, status in STATUS_OF.items() if status not in ("running", "paused")]
_SEALED: Final = (
    '%"$aion"%'  # what a codec wrote has another size and form than what was given to it
)


def problems() -> Iterator[str]:
    """Check every run's history and row."""
    yield from _gaps()
    yield from _wrong_statuses()
    yield from _events_after_the_end()
    yield from _wrong_results()
    yield from _wrong_sizes()
    yield from _wrong_beginnings()


def _gaps() -> Iterator[str]:
    found = rows(
        "SELECT r.id, r.first_seq, r.head_seq, min(e.seq), max(e.seq), count(e.seq) "
        "FROM aion_run r LEFT JOIN aion_event e ON e.run_id = r.id "
        "GROUP BY r.id, r.first_seq, r.head_seq "
        "HAVING count(e.seq) = 0 OR min(e.seq) <> r.first_seq OR max(e.seq) <> r.head_seq "
        "OR count(e.seq) <> max(e.seq) - min(e.seq) + 1"
    )
    for run_id, first, head, low, high, count in found:
        yield f"run {run_id} says {first}..{head} and has {count} events {low}..{high}"
    for run_id, count in rows(
        "SELECT e.run_id, count(*) FROM aion_event e LEFT JOIN aion_run r ON r.id = e.run_id "
        "WHERE r.id IS NULL GROUP BY e.run_id"
    ):
        yield f"{count} events belong to run {run_id}, which is not there"


def _wrong_statuses() -> Iterator[str]:
    cases = " ".join(f"WHEN '{kind}' THEN '{status}'" for kind, status in STATUS_OF.items())
    found = rows(
        f"SELECT r.id, r.status, e.kind, r.closed_at FROM aion_run r JOIN aion_event e "
        "ON e.run_id = r.id AND e.seq = (SELECT max(l.seq) FROM aion_event l "
        f"WHERE l.run_id = r.id AND l.kind IN ({text(STATUS_OF)})) "
        f"WHERE r.status <> CASE e.kind {cases} END "
        "OR (r.closed_at IS NULL) <> (r.status IN ('running', 'paused'))"
    )
    for run_id, status, kind, closed_at in found:
        yield f"run {run_id} is {status} (closed at {closed_at}) after {kind}"


def _events_after_the_end() -> Iterator[str]:
    found = rows(
        f"SELECT e.run_id, e.kind, r.head_seq - e.seq FROM aion_event e JOIN aion_run r "
        f"ON r.id = e.run_id WHERE e.kind IN ({text(CLOSING)}) AND e.seq < r.head_seq "
        "AND NOT EXISTS (SELECT 1 FROM aion_event n WHERE n.run_id = e.run_id "
        "AND n.seq = e.seq + 1 AND n.kind = 'WorkflowReopened')"
    )
    for run_id, kind, count in found:
        yield f"run {run_id} has {count} events after {kind}"


def _wrong_results() -> Iterator[str]:
    """The last event of a closed run is its end; what the row shows as result and failure is in there."""
    for column, kinds, field in (
        ("result", "'WorkflowCompleted'", "result"),
        ("failure", "'WorkflowFailed'", "failure"),
    ):
        found = rows(
            f"SELECT r.id, r.{column} FROM aion_run r "
            "LEFT JOIN aion_event e ON e.run_id = r.id AND e.seq = r.head_seq "
            f"WHERE COALESCE(r.{column}, '') NOT LIKE %s AND "
            f"CASE WHEN e.kind IN ({kinds}) THEN COALESCE(r.{column}, '') <> {value('e', field)} "
            f"WHEN r.closed_at IS NULL THEN r.{column} IS NOT NULL ELSE false END",
            _SEALED,
        )
        for run_id, shown in found:
            yield f"run {run_id} shows the {column} {shown}, which is not that of its last event"


def _wrong_sizes() -> Iterator[str]:
    found = rows(
        f"SELECT r.id, r.history_bytes, sum({size('e.attributes')}) FROM aion_run r "
        "JOIN aion_event e ON e.run_id = r.id GROUP BY r.id, r.history_bytes "
        "HAVING sum(CASE WHEN e.attributes LIKE %s THEN 1 ELSE 0 END) = 0 "
        f"AND sum({size('e.attributes')}) <> r.history_bytes",
        _SEALED,
    )
    for run_id, shown, real in found:
        yield f"run {run_id} says that its history has {shown} bytes, and it has {real}"


def _wrong_beginnings() -> Iterator[str]:
    found = rows(
        "SELECT e.run_id, e.seq, e.kind FROM aion_event e JOIN aion_run r ON r.id = e.run_id "
        "WHERE (e.seq = r.first_seq) <> (e.kind = 'WorkflowStarted')"
    )
    for run_id, seq, kind in found:
        yield f"run {run_id} has {kind} at {seq}: it does not begin, or it begins twice"
