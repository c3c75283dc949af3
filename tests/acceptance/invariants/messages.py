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
    found = rows(
        "SELECT u.run_id, u.update_id, u.state, a.seq, c.seq FROM aion_update u "
        "LEFT JOIN aion_event a ON a.run_id = u.run_id AND a.kind = 'UpdateAccepted' "
        f"AND {field('a', 'update_id')} = u.update_id AND {_counts('a')} "
        "LEFT JOIN aion_event c ON c.run_id = u.run_id AND c.kind = 'UpdateCompleted' "
        f"AND {field('c', 'update_id')} = u.update_id AND {_counts('c')} WHERE CASE u.state "
        "WHEN 'completed' THEN a.seq IS NULL OR c.seq IS NULL OR c.seq < a.seq "
        "WHEN 'refused' THEN a.seq IS NOT NULL OR c.seq IS NOT NULL "
        "WHEN 'admitted' THEN a.seq IS NOT NULL OR c.seq IS NOT NULL "
        "ELSE a.seq IS NULL OR c.seq IS NOT NULL END"
    )
    for run, update, state, accepted, completed in found:
        yield (
            f"update {update} of run {run} is {state}, accepted at {accepted} and completed at "
            f"{completed}"
        )


def _counts(alias: str) -> str:
    """Whether an event was not undone by a reopening behind it: what was undone is asked anew."""
    return (
        f"NOT EXISTS (SELECT 1 FROM aion_event o WHERE o.run_id = {alias}.run_id "
        f"AND o.seq > {alias}.seq AND o.kind = 'WorkflowReopened' "
        f"AND CAST({field('o', 'keep_until')} AS integer) < {alias}.seq)"
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
