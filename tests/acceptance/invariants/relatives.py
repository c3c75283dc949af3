"""Chains go on without gap or fork; children and parents agree; close policies reach every child."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.acceptance.invariants.sql import field_id, rows, run_id, text

OUTCOMES: Final = {
    "ChildWorkflowCompleted": "completed",
    "ChildWorkflowFailed": "failed",
    "ChildWorkflowCancelled": "cancelled",
    "ChildWorkflowTimedOut": "timed_out",
    "ChildWorkflowTerminated": "terminated",
}


def problems() -> Iterator[str]:
    """Check every run that goes on for another, or was started by one."""
    yield from _broken_chains()
    yield from _missing_successors()
    yield from _children_without_start()
    yield from _starts_without_child()
    yield from _repeated_outcomes()
    yield from _wrong_outcomes()
    yield from _forgotten_children()


def _broken_chains() -> Iterator[str]:
    found = rows(
        "SELECT r.id, r.first_seq, r.chain_position, p.id, p.head_seq, p.closed_at FROM aion_run r "
        "LEFT JOIN aion_run p ON p.id = r.continued_from_run_id "
        "WHERE CASE WHEN r.continued_from_run_id IS NULL "
        "THEN r.first_seq <> 1 OR r.chain_position <> 0 "
        "ELSE p.id IS NULL OR p.closed_at IS NULL OR r.first_seq <> p.head_seq + 1 "
        "OR r.chain_position <> p.chain_position + 1 OR r.workflow_id <> p.workflow_id END"
    )
    for each, first, position, before, head, closed in found:
        yield (
            f"run {each} begins at {first} as number {position} of its chain, behind run {before} "
            f"(last event {head}, closed at {closed})"
        )


def _missing_successors() -> Iterator[str]:
    found = rows(
        f"SELECT e.run_id, e.kind, {field_id('e', 'successor_run_id')} FROM aion_event e "
        f"WHERE {field_id('e', 'successor_run_id')} <> '' AND e.kind LIKE 'Workflow%%' "
        f"AND NOT EXISTS (SELECT 1 FROM aion_run s WHERE {run_id('s.id')} = "
        f"{field_id('e', 'successor_run_id')} AND s.continued_from_run_id = e.run_id)"
    )
    for each, kind, successor in found:
        yield f"run {each} goes on as {successor} after {kind}, and there is no such run"


def _children_without_start() -> Iterator[str]:
    """The first run of a child's chain is recorded in its parent, once."""
    found = rows(
        "SELECT c.id, c.parent_run_id, count(e.seq) FROM aion_run c LEFT JOIN aion_event e "
        "ON e.run_id = c.parent_run_id AND e.kind = 'ChildWorkflowStarted' "
        f"AND {field_id('e', 'run_id')} = {run_id('c.id')} "
        "WHERE c.parent_run_id IS NOT NULL AND c.continued_from_run_id IS NULL "
        "GROUP BY c.id, c.parent_run_id HAVING count(e.seq) <> 1"
    )
    for each, parent, count in found:
        yield f"child {each} has {count} starts in the history of its parent {parent}"


def _starts_without_child() -> Iterator[str]:
    """A child whose id was taken has no run: its parent has, or will have, a failure instead."""
    found = rows(
        f"SELECT e.run_id, {field_id('e', 'run_id')} FROM aion_event e "
        "WHERE e.kind = 'ChildWorkflowStarted' AND NOT EXISTS (SELECT 1 FROM aion_run c "
        f"WHERE {run_id('c.id')} = {field_id('e', 'run_id')} AND c.parent_run_id = e.run_id) "
        "AND NOT EXISTS (SELECT 1 FROM aion_event o WHERE o.run_id = e.run_id AND o.seq > e.seq "
        f"AND o.kind = 'ChildWorkflowFailed' AND {field_id('o', 'run_id')} = {field_id('e', 'run_id')}) "
        "AND NOT EXISTS (SELECT 1 FROM aion_message m WHERE m.run_id = e.run_id "
        "AND m.kind = 'ChildWorkflowFailed') "
        # A run that has closed before it heard of the taken id does not hear of it any more.
        "AND EXISTS (SELECT 1 FROM aion_run p WHERE p.id = e.run_id AND p.closed_at IS NULL)"
    )
    for parent, child in found:
        yield f"run {parent} has started child {child}, which is not there"


def _repeated_outcomes() -> Iterator[str]:
    found = rows(
        f"SELECT e.run_id, {field_id('e', 'run_id')}, count(*), count(s.seq) FROM aion_event e "
        "LEFT JOIN aion_event s ON s.run_id = e.run_id AND s.seq < e.seq "
        f"AND s.kind = 'ChildWorkflowStarted' AND {field_id('s', 'run_id')} = {field_id('e', 'run_id')} "
        f"WHERE e.kind IN ({text(OUTCOMES)}) AND NOT EXISTS (SELECT 1 FROM aion_event o "
        "WHERE o.run_id = e.run_id AND o.seq > e.seq AND o.kind = 'WorkflowReopened') "
        f"GROUP BY e.run_id, {field_id('e', 'run_id')} HAVING count(*) > 1 OR count(s.seq) <> 1"
    )
    for parent, child, outcomes, starts in found:
        yield f"child {child} has {outcomes} outcomes and {starts} starts before in run {parent}"


def _wrong_outcomes() -> Iterator[str]:
    """The parent heard what the last run of the child's chain says."""
    cases = " ".join(f"WHEN '{kind}' THEN '{status}'" for kind, status in OUTCOMES.items())
    found = rows(
        "WITH RECURSIVE chain(first_id, id, status, closed_at) AS ("
        "SELECT id, id, status, closed_at FROM aion_run "
        "WHERE parent_run_id IS NOT NULL AND continued_from_run_id IS NULL UNION ALL "
        "SELECT c.first_id, r.id, r.status, r.closed_at FROM chain c "
        "JOIN aion_run r ON r.continued_from_run_id = c.id) "
        "SELECT e.run_id, e.kind, c.id, c.status FROM chain c JOIN aion_event e "
        f"ON e.kind IN ({text(OUTCOMES)}) AND {field_id('e', 'run_id')} = {run_id('c.first_id')} "
        "WHERE NOT EXISTS (SELECT 1 FROM aion_run n WHERE n.continued_from_run_id = c.id) "
        f"AND c.status <> CASE e.kind {cases} END"
    )
    for parent, kind, child, status in found:
        yield f"run {parent} has {kind} of run {child}, which is {status}"


def _forgotten_children() -> Iterator[str]:
    """An open child of a closed parent has been told, or its message waits: it was written with the close."""
    found = rows(
        "SELECT c.id, c.parent_close_policy, p.id FROM aion_run c "
        "JOIN aion_run p ON p.id = c.parent_run_id "
        "WHERE c.closed_at IS NULL AND p.closed_at IS NOT NULL "
        "AND c.parent_close_policy IN ('terminate', 'request_cancel') "
        "AND NOT EXISTS (SELECT 1 FROM aion_message m WHERE m.run_id = c.id "
        "AND (m.kind = 'CancelRequested' OR m.kind = 'terminate')) "
        "AND NOT (c.parent_close_policy = 'request_cancel' AND EXISTS ("
        "SELECT 1 FROM aion_event e WHERE e.run_id = c.id AND e.kind = 'CancelRequested'))"
    )
    for child, policy, parent in found:
        yield f"child {child} is open and its parent {parent} has closed: it has not heard of {policy}"
