"""What must hold when a world has come to rest."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from django.db import connection

from aion.core import events
from aion.core.pending import effective
from aion.models import Event, Message, Request, Run
from aion.store import histories
from aion_engine.runtime.recovery import Recovery
from tests.acceptance import invariants
from tests.language.worlds import check_everything
from tests.simulation.database import Database
from tests.simulation.schedule_checks import schedule_problems
from tests.simulation.workload import Workload

BOOKED = msgspec.Raw(b'"booked a"')
HUNG = msgspec.Raw(b'"hung"')


def problems(work: Workload) -> list[str]:
    """Give a sentence for each invariant that does not hold."""
    found = [
        *work.world.problems,
        *_open_runs(work.world.database),
        *_row_problems(),
        *schedule_problems(),
    ]
    lives = _lives()
    found += [*_signals(work, lives), *_starts(work, lives), *_bookings(lives), *_watched(lives)]
    found += _last_attempts(work, lives)
    if not found:
        found += _recovered()
    return found


def _row_problems() -> Iterator[str]:
    yield from invariants.problems()
    yield from invariants.unfinished()
    try:
        check_everything()
    except Exception as error:
        yield "".join(traceback.format_exception(error)[-3:])


def _open_runs(database: Database) -> Iterator[str]:
    if not database.look("SELECT 1 FROM aion_run WHERE closed_at IS NULL"):
        return
    for run in Run.objects.filter(closed_at=None):
        waiting = list(Message.objects.filter(run=run).values_list("kind", "parked"))
        yield f"{run.workflow_id} ({run.id}) is still {run.status}: {run.problem or waiting}"


Chain = list[tuple[Any, list[events.Event]]]
"""Runs of a workflow id with what has happened in each and was not undone."""


def _lives() -> dict[str, Chain]:
    """Every run with its events, by workflow id, the oldest first."""
    found: dict[str, Chain] = {}
    columns = ("workflow_id", "request_id", "continued_from_run_id")
    rows = list(Run.objects.only(*columns).order_by("first_seq"))
    recorded = histories.load(run.id for run in rows)
    for run in rows:
        life = [one.event for one in effective(recorded[run.id])]
        found.setdefault(run.workflow_id, []).append((run, life))
    return found


def _signals(work: Workload, lives: dict[str, Chain]) -> Iterator[str]:
    """What was accepted is seen once, unless somebody ended the chain without its code."""
    for workflow_id, key in work.accepted:
        chain = lives[workflow_id]
        told = [event for _, life in chain for event in life]
        seen = [e for e in told if isinstance(e, events.SignalReceived) and e.request_id == key]
        if not seen and not _ended_from_outside(workflow_id):
            yield f"signal {key} for {workflow_id} was accepted and is not in its history"
        successors = sum(run.continued_from_run_id is not None for run, _ in chain)
        if len(seen) > 1 + successors:  # forwarded unread, or copied, it is there once more
            yield f"signal {key} for {workflow_id} is {len(seen)} times in its history"
    gone = set(Request.objects.values_list("request_id", flat=True)).intersection(work.withdrawn)
    if gone:
        yield f"rolled back and taken all the same: {gone}"


def _ended_from_outside(workflow_id: str) -> bool:
    """Whether a run was terminated, maybe to be reopened later. A reset sends what was unread again."""
    ends = Event.objects.filter(run__workflow_id=workflow_id, kind="WorkflowTerminated")
    return any('"reason":"reset"' not in text for text in ends.values_list("attributes", flat=True))


def _starts(work: Workload, lives: dict[str, Chain]) -> Iterator[str]:
    for workflow_id, key in work.started:
        made = [
            run
            for run, _ in lives.get(workflow_id, [])
            if run.request_id == key and run.continued_from_run_id is None
        ]
        if len(made) != 1:
            yield f"the start of {workflow_id} made {len(made)} runs"


def _bookings(lives: dict[str, Chain]) -> Iterator[str]:
    """A transactional activity's writes are there once where its outcome is, and never twice.

    A reopened run may order an activity anew of which the result, or the whole order, was undone.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT run, activity FROM sim_ledger")
        booked = Counter((run, activity) for run, activity in cursor.fetchall())
    for chain in lives.values():
        before = {run.id: run.continued_from_run_id for run, _ in chain}
        for run, life in chain:
            reopened = sum(isinstance(event, events.WorkflowReopened) for event in life)
            for each in _booked(life):
                line = _line(run.id, before)
                if not any((str(one), each) in booked for one in line):
                    yield f"activity {each} of run {run.id} has not booked"
            for (run_id, activity), count in booked.items():
                if run_id == str(run.id) and count > 1 + reopened:
                    yield f"activity {activity} of run {run_id} has booked {count} times"


def _booked(life: list[events.Event]) -> Iterator[str]:
    for event in life:
        if isinstance(event, events.ActivityCompleted) and event.result == BOOKED:
            yield event.activity_id


def _line(run_id: Any, before: dict[Any, Any]) -> Iterator[Any]:
    """A run and those before it, of which a reset has copied."""
    while run_id is not None:
        yield run_id
        run_id = before[run_id]


def _watched(lives: dict[str, Chain]) -> Iterator[str]:
    """What gives no sign of life never completes; and no pause of a run is filled with its life."""
    for chain in lives.values():
        for run, life in chain:
            paused = False
            for event in life:
                if isinstance(event, events.ActivityCompleted) and event.result == HUNG:
                    yield f"activity {event.activity_id} of run {run.id} hung, and was let"
                if paused and isinstance(event, _LIFE):
                    yield f"run {run.id} is paused and takes {type(event).__name__}"
                if isinstance(event, events.WorkflowPaused | events.WorkflowResumed):
                    paused = isinstance(event, events.WorkflowPaused)


def _last_attempts(work: Workload, lives: dict[str, Chain]) -> Iterator[str]:
    """An outcome is that of the last attempt: one that was given up has none."""
    for chain in lives.values():
        for run, life in chain:
            if any(isinstance(event, events.WorkflowReopened) for event in life):
                continue  # its activities may have begun anew
            for event in life:
                if isinstance(event, events.ActivityStarted):
                    begun = work.activities.begun.get((str(run.id), event.activity_id), 0)
                    if begun > event.attempt:
                        yield (
                            f"activity {event.activity_id} of run {run.id} ended with attempt "
                            f"{event.attempt}, and {begun} had begun"
                        )


_LIFE = (events.ActivityOutcome, events.TimerFired, events.SignalReceived, events.UpdateAccepted)


def _recovered() -> Iterator[str]:
    """Nothing is left for a recovery to repair."""
    report = {what: count for what, count in Recovery().run().items() if count}
    report.pop("dead workers", None)  # those that were killed a moment ago
    if report:
        yield f"a recovery found something to do: {report}"
