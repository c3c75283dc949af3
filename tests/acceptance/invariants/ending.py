"""When all has ended nothing is left over: no row that waits, no lease, no answer that somebody waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.acceptance.invariants.sql import rows

PENDING: Final = ("aion_message", "aion_timer", "aion_activitytask")


def problems() -> Iterator[str]:
    """Say what has not ended."""
    for run, workflow, status, problem in rows(
        "SELECT id, workflow_id, status, problem FROM aion_run WHERE closed_at IS NULL"
    ):
        yield f"run {run} of {workflow} is {status}" + (f": {problem}" if problem else "")
    for table in PENDING:
        for run, count in rows(f"SELECT run_id, count(*) FROM {table} GROUP BY run_id"):
            yield f"run {run} has {count} rows in {table}"
    for run, update, state in rows(
        "SELECT run_id, update_id, state FROM aion_update WHERE state IN ('admitted', 'accepted')"
    ):
        yield f"update {update} of run {run} is {state}"
    for schedule, at, state in rows(
        "SELECT schedule_id, nominal_at, state FROM aion_firing "
        "WHERE state NOT IN ('ended', 'skipped')"
    ):
        yield f"the time {at} of schedule {schedule} is {state}"


def left_over() -> Iterator[str]:
    """Say what a closed run has left behind, at any moment."""
    for table in PENDING:
        found = rows(
            f"SELECT p.run_id, count(*) FROM {table} p LEFT JOIN aion_run r ON r.id = p.run_id "
            "WHERE r.id IS NULL OR r.closed_at IS NOT NULL GROUP BY p.run_id"
        )
        for run, count in found:
            yield f"closed run {run} has {count} rows in {table}"
    for (run,) in rows(
        "SELECT id FROM aion_run WHERE closed_at IS NOT NULL AND owner_id IS NOT NULL"
    ):
        yield f"closed run {run} has an owner"
