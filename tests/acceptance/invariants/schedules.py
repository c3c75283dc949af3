"""A time of a schedule starts at most one run, and the history of the schedule says which."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.invariants.sql import field_id, rows, run_id


def problems() -> Iterator[str]:
    """Check every schedule."""
    yield from _gaps()
    yield from _shared_runs()
    yield from _missing_runs()
    yield from _untold_firings()


def _gaps() -> Iterator[str]:
    found = rows(
        "SELECT s.schedule_id, s.head_seq, count(e.seq) FROM aion_schedule s "
        "LEFT JOIN aion_scheduleevent e ON e.schedule_id = s.id GROUP BY s.id, s.schedule_id, s.head_seq "
        "HAVING count(e.seq) <> s.head_seq OR min(e.seq) <> 1 OR max(e.seq) <> s.head_seq"
    )
    for schedule, head, count in found:
        yield f"schedule {schedule} says {head} events and has {count}"


def _shared_runs() -> Iterator[str]:
    found = rows(
        "SELECT run_id, count(*) FROM aion_firing WHERE run_id IS NOT NULL "
        "GROUP BY run_id HAVING count(*) > 1"
    )
    for run, count in found:
        yield f"run {run} was started by {count} times of schedules"


def _missing_runs() -> Iterator[str]:
    found = rows(
        "SELECT f.schedule_id, f.nominal_at, f.state, f.run_id FROM aion_firing f "
        "LEFT JOIN aion_run r ON r.id = f.run_id "
        "WHERE CASE WHEN f.state IN ('running', 'ended') THEN r.id IS NULL "
        "ELSE f.run_id IS NOT NULL END"
    )
    for schedule, at, state, run in found:
        yield f"the time {at} of schedule {schedule} is {state} with run {run}"


def _untold_firings() -> Iterator[str]:
    """Each run that a schedule started is in its history, once, and the other way round."""
    found = rows(
        "SELECT f.schedule_id, f.run_id, count(e.seq) FROM aion_firing f "
        "LEFT JOIN aion_scheduleevent e ON e.schedule_id = f.schedule_id "
        f"AND e.kind = 'ScheduleTriggered' AND {field_id('e', 'run_id')} = {run_id('f.run_id')} "
        "WHERE f.run_id IS NOT NULL GROUP BY f.schedule_id, f.run_id HAVING count(e.seq) <> 1"
    )
    for schedule, run, count in found:
        yield f"run {run} of schedule {schedule} is {count} times in the schedule's history"
    found = rows(
        f"SELECT e.schedule_id, {field_id('e', 'run_id')} FROM aion_scheduleevent e "
        "WHERE e.kind = 'ScheduleTriggered' AND NOT EXISTS (SELECT 1 FROM aion_firing f "
        f"WHERE f.schedule_id = e.schedule_id AND {run_id('f.run_id')} = {field_id('e', 'run_id')})"
    )
    for schedule, run in found:
        yield f"schedule {schedule} has started run {run} by no time that it knows"
