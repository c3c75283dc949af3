"""An activity has one outcome; a timer fires once or is cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.acceptance.invariants.sql import field, rows, text

OUTCOMES: Final = ("ActivityCompleted", "ActivityFailed", "ActivityTimedOut", "ActivityCancelled")
ENDS_OF_TIMERS: Final = ("TimerFired", "TimerCancelled")


def problems() -> Iterator[str]:
    """Check activities and timers of every run."""
    yield from _repeated("activity", "activity_id", OUTCOMES, "outcomes")
    yield from _repeated("activity", "activity_id", ("ActivityScheduled",), "orders")
    yield from _repeated("timer", "timer_id", ENDS_OF_TIMERS, "ends")
    yield from _outcomes_without_order()
    yield from _without("timer", "timer_id", ENDS_OF_TIMERS, "TimerStarted")
    yield from _pending_with_outcome()


def _repeated(what: str, key: str, kinds: tuple[str, ...], name: str) -> Iterator[str]:
    """A reopened run may do again what its reopening has undone."""
    found = rows(
        f"SELECT e.run_id, {field('e', key)}, count(*) FROM aion_event e "
        f"WHERE e.kind IN ({text(kinds)}) AND NOT EXISTS (SELECT 1 FROM aion_event o "
        "WHERE o.run_id = e.run_id AND o.seq > e.seq AND o.kind = 'WorkflowReopened') "
        f"GROUP BY e.run_id, {field('e', key)} HAVING count(*) > 1"
    )
    for run_id, each, count in found:
        yield f"{what} {each} of run {run_id} has {count} {name}"


def _outcomes_without_order() -> Iterator[str]:
    """A local activity has no order in history; its outcome says that it is local."""
    yield from _without(
        "activity",
        "activity_id",
        OUTCOMES,
        "ActivityScheduled",
        "AND e.attributes NOT LIKE '%%\"local\":true%%' ",
    )


def _without(
    what: str, key: str, kinds: tuple[str, ...], order: str, only: str = ""
) -> Iterator[str]:
    found = rows(
        f"SELECT e.run_id, {field('e', key)} FROM aion_event e "
        f"WHERE e.kind IN ({text(kinds)}) {only}"
        "AND NOT EXISTS (SELECT 1 FROM aion_event s WHERE s.run_id = e.run_id AND s.seq < e.seq "
        f"AND s.kind = '{order}' AND {field('s', key)} = {field('e', key)})"
    )
    for run_id, each in found:
        yield f"{what} {each} of run {run_id} ended without having been asked for"


def _pending_with_outcome() -> Iterator[str]:
    found = rows(
        "SELECT a.run_id, a.activity_id FROM aion_activitytask a JOIN aion_event e "
        f"ON e.run_id = a.run_id AND e.kind IN ({text(OUTCOMES)}) "
        f"AND {field('e', 'activity_id')} = a.activity_id WHERE NOT EXISTS (SELECT 1 FROM aion_event o "
        "WHERE o.run_id = e.run_id AND o.seq > e.seq AND o.kind = 'WorkflowReopened')"
    )
    for run_id, activity_id in found:
        yield f"activity {activity_id} of run {run_id} is pending and has an outcome"
