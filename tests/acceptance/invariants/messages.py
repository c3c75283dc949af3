"""Signals are recorded once, updates are answered as their history says, messages between runs arrive."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.invariants.sql import field, field_id, rows, run_id


def problems() -> Iterator[str]:
    """Check what runs were told."""
    yield from _repeated("SignalReceived", "request_id")
    yield from _repeated("UpdateAccepted", "update_id")
    yield from _repeated("UpdateCompleted", "update_id")
    yield from _wrong_states_of_updates()
    yield from _delivered_but_not_received()
    yield from _answered_twice()


def _repeated(kind: str, key: str) -> Iterator[str]:
    found = rows(
        f"SELECT e.run_id, {field('e', key)}, count(*) FROM aion_event e WHERE e.kind = '{kind}' "
        f"AND COALESCE({field('e', key)}, '') <> '' AND NOT EXISTS (SELECT 1 FROM aion_event o "
        "WHERE o.run_id = e.run_id AND o.seq > e.seq AND o.kind = 'WorkflowReopened') "
        f"GROUP BY e.run_id, {field('e', key)} HAVING count(*) > 1"
    )
    for run, each, count in found:
        yield f"run {run} has {count} {kind} of {each}"


def _wrong_states_of_updates() -> Iterator[str]:
    """What a reopening has undone does not count: it was asked anew. Each event is looked at once."""
    found = rows(
        "WITH again AS MATERIALIZED (SELECT o.run_id, o.seq, "
        f"CAST({field('o', 'keep_until')} AS integer) AS keep_until "
        "FROM aion_event o WHERE o.kind = 'WorkflowReopened'), "
        f"told AS MATERIALIZED (SELECT e.run_id, {field('e', 'update_id')} AS update_id, "
        "max(CASE WHEN e.kind = 'UpdateAccepted' THEN e.seq END) AS accepted, "
        "max(CASE WHEN e.kind = 'UpdateCompleted' THEN e.seq END) AS completed "
        "FROM aion_event e WHERE e.kind IN ('UpdateAccepted', 'UpdateCompleted') "
        "AND NOT EXISTS (SELECT 1 FROM again WHERE again.run_id = e.run_id "
        "AND again.seq > e.seq AND again.keep_until < e.seq) "
        f"GROUP BY e.run_id, {field('e', 'update_id')}) "
        "SELECT u.run_id, u.update_id, u.state, t.accepted, t.completed FROM aion_update u "
        "LEFT JOIN told t ON t.run_id = u.run_id AND t.update_id = u.update_id WHERE CASE u.state "
        "WHEN 'completed' THEN t.accepted IS NULL OR t.completed IS NULL OR t.completed < t.accepted "
        "WHEN 'refused' THEN t.accepted IS NOT NULL OR t.completed IS NOT NULL "
        "WHEN 'admitted' THEN t.accepted IS NOT NULL OR t.completed IS NOT NULL "
        "ELSE t.accepted IS NULL OR t.completed IS NOT NULL END"
    )
    for run, update, state, accepted, completed in found:
        yield (
            f"update {update} of run {run} is {state}, accepted at {accepted} and completed at "
            f"{completed}"
        )


def _delivered_but_not_received() -> Iterator[str]:
    found = rows(
        f"SELECT s.run_id, {field('s', 'request_id')} FROM aion_event s JOIN aion_event d "
        "ON d.run_id = s.run_id AND d.kind = 'ExternalRequestDelivered' "
        f"AND {field('d', 'request_id')} = {field('s', 'request_id')} WHERE s.kind = 'SignalSent' "
        "AND NOT EXISTS (SELECT 1 FROM aion_event o "  # copied by a reset, it was another run's
        "WHERE o.run_id = s.run_id AND o.seq > s.seq AND o.kind = 'WorkflowReopened') "
        "AND NOT EXISTS (SELECT 1 FROM aion_event r WHERE r.kind = 'SignalReceived' "
        f"AND {field_id('r', 'sender_run_id')} = {run_id('s.run_id')} "
        f"AND {field('r', 'sender_request_id')} = {field('s', 'request_id')})"
    )
    for run, request in found:
        yield f"signal {request} of run {run} counts as delivered, and nobody has received it"


def _answered_twice() -> Iterator[str]:
    found = rows(
        f"SELECT e.run_id, {field('e', 'request_id')}, count(*) FROM aion_event e "
        "WHERE e.kind IN ('ExternalRequestDelivered', 'ExternalRequestFailed') "
        "AND NOT EXISTS (SELECT 1 FROM aion_event o "
        "WHERE o.run_id = e.run_id AND o.seq > e.seq AND o.kind = 'WorkflowReopened') "
        f"GROUP BY e.run_id, {field('e', 'request_id')} HAVING count(*) > 1"
    )
    for run, request, count in found:
        yield f"request {request} of run {run} was answered {count} times"
