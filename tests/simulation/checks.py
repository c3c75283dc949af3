"""What must hold when a world has come to rest."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from django.db import connection

from aion.core import events
from aion.models import Message, Request, Run
from aion.store import histories
from aion_engine.runtime.recovery import Recovery
from tests.acceptance import invariants
from tests.language.worlds import check_everything
from tests.simulation.workload import Workload

BOOKED = msgspec.Raw(b'"booked a"')


def problems(work: Workload) -> list[str]:
    """Give a sentence for each invariant that does not hold."""
    found = [*work.world.problems, *_open_runs(), *_row_problems()]
    lives = _lives()
    found += [*_signals(work, lives), *_starts(work, lives), *_bookings(lives)]
    if not found:
        found += _recovered()
    return found


def _row_problems() -> Iterator[str]:
    yield from invariants.problems()
    try:
        check_everything()
    except Exception as error:
        yield "".join(traceback.format_exception(error)[-3:])


def _open_runs() -> Iterator[str]:
    for run in Run.objects.filter(closed_at=None):
        waiting = list(Message.objects.filter(run=run).values_list("kind", "parked"))
        yield f"{run.workflow_id} ({run.id}) is still {run.status}: {run.problem or waiting}"


Chain = list[tuple[Any, list[events.Event]]]


def _lives() -> dict[str, Chain]:
    """Every run with its events, by workflow id, the oldest first."""
    found: dict[str, Chain] = {}
    rows = list(Run.objects.order_by("first_seq"))
    recorded = histories.load(run.id for run in rows)
    for run in rows:
        life = [one.event for one in recorded[run.id]]
        found.setdefault(run.workflow_id, []).append((run, life))
    return found


def _signals(work: Workload, lives: dict[str, Chain]) -> Iterator[str]:
    """What was accepted is seen once, unless somebody ended the run without its code."""
    for workflow_id, key in work.accepted:
        chain = lives[workflow_id]
        told = [event for _, life in chain for event in life]
        seen = [e for e in told if isinstance(e, events.SignalReceived) and e.request_id == key]
        ended = any(isinstance(event, events.WorkflowTerminated) for event in told)
        if not seen and not ended:
            yield f"signal {key} for {workflow_id} was accepted and is not in its history"
        successors = sum(run.continued_from_run_id is not None for run, _ in chain)
        if len(seen) > 1 + successors:  # forwarded unread, it is there once more
            yield f"signal {key} for {workflow_id} is {len(seen)} times in its history"
    gone = set(Request.objects.values_list("request_id", flat=True)).intersection(work.withdrawn)
    if gone:
        yield f"rolled back and taken all the same: {gone}"


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
    """A transactional activity's writes are there once where its outcome is, and never twice."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT run, activity FROM sim_ledger")
        booked = Counter((run, activity) for run, activity in cursor.fetchall())
    for (run, activity), count in booked.items():
        if count > 1:
            yield f"activity {activity} of run {run} has booked {count} times"
    for chain in lives.values():
        for row, life in chain:
            for event in life:
                done = isinstance(event, events.ActivityCompleted) and event.result == BOOKED
                if done and (str(row.id), event.activity_id) not in booked:
                    yield f"activity {event.activity_id} of run {row.id} has not booked"


def _recovered() -> Iterator[str]:
    """Nothing is left for a recovery to repair."""
    report = {what: count for what, count in Recovery().run().items() if count}
    report.pop("dead workers", None)  # those that were killed a moment ago
    if report:
        yield f"a recovery found something to do: {report}"
