"""From the events of a turn to the rows they mean. A table of small functions, one for each kind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from aion.core import events
from aion.core.errors import TimeoutError as AionTimeoutError
from aion.core.failures import Failure, encode_failure, failure_from
from aion.core.history import Recorded, encode_event
from aion.core.ids import uuid7
from aion.core.status import STATUS_AFTER
from aion.store.rows import ActivityOrder, NewEvents, RunRow, RunUpdate, TimerOrder
from aion.store.turns import TurnWrites


def _activity(run: RunRow, event: Any, writes: TurnWrites) -> None:
    writes.activities.append(
        ActivityOrder(
            id=uuid7(),
            run_id=run.id,
            activity_id=event.activity_id,
            activity_type=event.activity_type,
            task_queue=event.task_queue or run.task_queue,
            order=encode_event(event).decode(),
        )
    )


def _activity_cancel(run: RunRow, event: Any, writes: TurnWrites) -> None:
    writes.activities_cancelled.append((run.id, event.activity_id))


def _timer(run: RunRow, event: Any, writes: TurnWrites) -> None:
    writes.timers.append(TimerOrder(run.id, event.timer_id, event.fire_at))


def _timer_cancel(run: RunRow, event: Any, writes: TurnWrites) -> None:
    writes.timers_cancelled.append((run.id, event.timer_id))


EFFECTS: Final[dict[type, Callable[[RunRow, Any, TurnWrites], None]]] = {
    events.ActivityScheduled: _activity,
    events.ActivityCancelRequested: _activity_cancel,
    events.TimerStarted: _timer,
    events.TimerCancelled: _timer_cancel,
}


def add_turn(
    run: RunRow, gained: list[Recorded], *, owner_id: Any, writes: TurnWrites
) -> RunUpdate:
    """Add one run's turn to a batch: its events, the rows they mean, and the run's new projection."""
    head = gained[-1].seq if gained else run.head_seq
    update = RunUpdate(
        id=run.id,
        head_seq=head,
        history_bytes=run.history_bytes,
        status=STATUS_AFTER[events.WorkflowStarted],
        owner_id=owner_id,
    )
    if gained:
        writes.events.append(NewEvents(run.id, run.head_seq, gained))
    for recorded in gained:
        effect = EFFECTS.get(type(recorded.event))
        if effect is not None:
            effect(run, recorded.event, writes)
    if gained:
        _project(gained[-1], update, writes)
    writes.runs.append(update)
    return update


def _project(last: Recorded, update: RunUpdate, writes: TurnWrites) -> None:
    """A closing event is always the last one of its turn."""
    status = STATUS_AFTER.get(type(last.event))
    if status is None or status.is_open:
        return
    update.status = status
    update.closed_at = last.recorded_at
    update.owner_id = None
    update.result, update.failure = _outcome(last.event)
    writes.closed.append(update.id)


def _outcome(event: events.Event) -> tuple[str | None, str | None]:
    """Give result and failure of a run as its closing event says."""
    match event:
        case events.WorkflowCompleted():
            return bytes(event.result).decode(), None
        case events.WorkflowFailed():
            return None, encode_failure(event.failure).decode()
        case events.WorkflowCancelled():
            failure = Failure(type="CancelledError", message=event.reason, kind="cancelled")
            return None, encode_failure(failure).decode()
        case events.WorkflowTimedOut():
            error = AionTimeoutError(f"The {event.kind} timeout passed", kind=event.kind)
            return None, encode_failure(failure_from(error)).decode()
        case _:
            return None, None


def timed_out(run: RunRow, gained: list[Recorded], kind: str, at: dt.datetime) -> Recorded:
    """Make the event that closes a run whose deadline has passed."""
    seq = (gained[-1].seq if gained else run.head_seq) + 1
    at = max(at, gained[-1].recorded_at) if gained else at
    return Recorded(seq, at, events.WorkflowTimedOut(kind=kind))
