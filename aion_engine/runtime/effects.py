"""From the events of a turn to the rows they mean. A table of small functions, one for each kind."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from aion.core import events
from aion.core.errors import InvalidArgument
from aion.core.failures import encode_failure, failure_from
from aion.core.history import Recorded, encode_event
from aion.core.ids import uuid7
from aion.core.requests import UpdateRequest
from aion.core.status import STATUS_AFTER, TERMINAL_EVENTS
from aion.store import mailbox, updates
from aion.store.outgoing import Outgoing
from aion.store.rows import ActivityOrder, NewEvents, RunRow, RunUpdate, TimerOrder
from aion.store.turns import TurnWrites
from aion.store.updates import UpdateAnswer
from aion_engine.runtime import lineage
from aion_engine.runtime.outcomes import outcome_of, report_to_parent


class Turn:
    """One run's turn on its way into a batch: the run, its first event, and the batch's writes."""

    __slots__ = ("run", "started", "writes")

    def __init__(
        self, run: RunRow, started: events.WorkflowStarted | None, writes: TurnWrites
    ) -> None:
        self.run = run
        self.started = started
        self.writes = writes


def _activity(turn: Turn, recorded: Recorded, event: Any) -> None:
    turn.writes.activities.append(
        ActivityOrder(
            id=uuid7(),
            run_id=turn.run.id,
            activity_id=event.activity_id,
            activity_type=event.activity_type,
            task_queue=event.task_queue or turn.run.task_queue,
            order=encode_event(event).decode(),
            priority=event.priority or turn.run.priority,
        )
    )


def _activity_cancel(turn: Turn, recorded: Recorded, event: Any) -> None:
    turn.writes.activities_cancelled.append((turn.run.id, event.activity_id))


def _timer(turn: Turn, recorded: Recorded, event: Any) -> None:
    turn.writes.timers.append(
        TimerOrder(turn.run.id, event.timer_id, event.fire_at, turn.run.priority)
    )


def _timer_cancel(turn: Turn, recorded: Recorded, event: Any) -> None:
    turn.writes.timers_cancelled.append((turn.run.id, event.timer_id))


def _child(turn: Turn, recorded: Recorded, event: Any) -> None:
    try:
        child = lineage.child_of(turn.run, turn.started, event, recorded.recorded_at)
    except InvalidArgument as error:  # its cron: the parent hears of it as of a taken id
        refused = events.ChildWorkflowFailed(
            workflow_id=event.workflow_id, run_id=event.run_id, failure=failure_from(error)
        )
        turn.writes.messages_out.append(mailbox.message(turn.run.id, refused))
        return
    turn.writes.new_runs.append(child)


def _send(turn: Turn, recorded: Recorded, event: Any) -> None:
    turn.writes.outgoing.append(Outgoing(turn.run.id, event))


def _signal(turn: Turn, recorded: Recorded, event: Any) -> None:
    if event.sender_run_id and event.request_id:  # those of callers were written when they sent
        turn.writes.requests.append((turn.run.id, turn.run.workflow_id, event.request_id))
    _acknowledge(turn, recorded, event)


def _acknowledge(turn: Turn, recorded: Recorded, event: Any) -> None:
    if event.sender_run_id:
        turn.writes.messages_out.append(delivered(event))


def delivered(event: Any) -> mailbox.Posted:
    """Tell the run that sent a signal or cancel request that it was taken."""
    answer = events.ExternalRequestDelivered(request_id=event.sender_request_id)
    return mailbox.message(uuid.UUID(event.sender_run_id), answer)


def _accepted(turn: Turn, recorded: Recorded, event: Any) -> None:
    turn.writes.updates.append(UpdateAnswer(turn.run.id, event.update_id, "accepted"))


def _answered(turn: Turn, recorded: Recorded, event: Any) -> None:
    turn.writes.updates.append(
        UpdateAnswer(
            turn.run.id,
            event.update_id,
            "completed",
            bytes(event.result).decode() if event.failure is None else None,
            None if event.failure is None else encode_failure(event.failure).decode(),
        )
    )


EFFECTS: Final[dict[type, Callable[[Turn, Recorded, Any], None]]] = {
    events.ActivityScheduled: _activity,
    events.ActivityCancelRequested: _activity_cancel,
    events.TimerStarted: _timer,
    events.TimerCancelled: _timer_cancel,
    events.ChildWorkflowStarted: _child,
    events.SignalSent: _send,
    events.ExternalCancelRequested: _send,
    events.SignalReceived: _signal,
    events.CancelRequested: _acknowledge,
    events.UpdateAccepted: _accepted,
    events.UpdateCompleted: _answered,
}


def add_turn(
    run: RunRow,
    gained: list[Recorded],
    *,
    owner_id: Any,
    writes: TurnWrites,
    started: events.WorkflowStarted | None = None,
    cancelled: bool = False,
    for_successor: Sequence[events.Event | UpdateRequest] = (),
) -> RunUpdate:
    """Add one run's turn to a batch: its events, the rows they mean, and the run's new projection.

    `started` is the run's first event, needed where the turn starts children or a successor;
    `cancelled` says that somebody asked the run to cancel; `for_successor` are the messages that a
    successor inherits.
    """
    update = RunUpdate(
        id=run.id,
        head_seq=gained[-1].seq if gained else run.head_seq,
        history_bytes=run.history_bytes,
        status=STATUS_AFTER[events.WorkflowStarted],
        owner_id=owner_id,
        had_problem=run.problem_count > 0,
    )
    writes.runs.append(update)
    if not gained:
        return update
    successor = None
    if isinstance(gained[-1].event, TERMINAL_EVENTS):
        gained[-1], successor = lineage.conclude(run, started, gained[-1], cancelled=cancelled)
    update.gained_events = len(gained)
    writes.events.append(NewEvents(run.id, run.head_seq, gained))
    turn = Turn(run, started, writes)
    for recorded in gained:
        effect = EFFECTS.get(type(recorded.event))
        if effect is not None:
            effect(turn, recorded, recorded.event)
    _project(turn, gained[-1], update)
    if successor is not None:
        update.has_successor = True
        writes.new_runs.append(successor)
        _bequeath(run.id, successor.id, for_successor, writes)
    elif update.closed_at is not None:
        report_to_parent(run, gained[-1].event, writes)
    return update


def _bequeath(
    run_id: uuid.UUID,
    successor_id: uuid.UUID,
    messages: Sequence[events.Event | UpdateRequest],
    writes: TurnWrites,
) -> None:
    """Put messages that a run leaves into the mailbox of its successor, where who waits will find them."""
    for one in messages:
        if isinstance(one, UpdateRequest):
            writes.updates_moved.append((successor_id, run_id, one.update_id))
            writes.messages_out.append(
                (successor_id, updates.KIND, msgspec.json.encode(one).decode())
            )
        else:
            writes.messages_out.append(mailbox.message(successor_id, one))


def _project(turn: Turn, last: Recorded, update: RunUpdate) -> None:
    """A closing event is always the last one of its turn."""
    status = STATUS_AFTER.get(type(last.event))
    if status is None or status.is_open:
        return
    update.status = status
    update.closed_at = last.recorded_at
    update.owner_id = None
    update.result, update.failure = outcome_of(last.event)
    turn.writes.closed.append(update.id)
    turn.writes.parents_closed.append(update.id)


def timed_out(run: RunRow, gained: list[Recorded], kind: str, at: dt.datetime) -> Recorded:
    """Make the event that closes a run whose deadline has passed."""
    return closing(run, gained, events.WorkflowTimedOut(kind=kind), at)


def closing(run: RunRow, gained: list[Recorded], event: events.Event, at: dt.datetime) -> Recorded:
    """Put an event behind those that a turn has gained so far."""
    seq = (gained[-1].seq if gained else run.head_seq) + 1
    return Recorded(seq, max(at, gained[-1].recorded_at) if gained else at, event)
