"""What a history still waits for, and what replay sees of a history that was reopened. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from aion.core.events import (
    ActivityOutcome,
    ActivityScheduled,
    ChildOutcome,
    ChildWorkflowStarted,
    Ending,
    Event,
    ExternalCancelRequested,
    ExternalRequestDelivered,
    ExternalRequestFailed,
    Role,
    SignalSent,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    WorkflowFailed,
    WorkflowReopened,
)
from aion.core.history import Recorded
from aion.core.status import TERMINAL_EVENTS


class PendingWork(msgspec.Struct):
    """What was asked for and has no outcome: activities, timers, children and messages, by their ids."""

    activities: dict[str, ActivityScheduled] = {}
    timers: dict[str, TimerStarted] = {}
    children: dict[str, ChildWorkflowStarted] = {}
    requests: dict[str, SignalSent | ExternalCancelRequested] = {}


def pending_work(history: Iterable[Recorded]) -> PendingWork:
    """Find what a history still waits for."""
    work = PendingWork()
    for recorded in history:
        match recorded.event:
            case ActivityScheduled() as event:
                work.activities[event.activity_id] = event
            case ActivityOutcome() as event:
                work.activities.pop(event.activity_id, None)
            case TimerStarted() as event:
                work.timers[event.timer_id] = event
            case TimerFired() | TimerCancelled() as event:
                work.timers.pop(event.timer_id, None)
            case ChildWorkflowStarted() as event:
                work.children[event.run_id] = event
            case ChildOutcome() as event:
                work.children.pop(event.run_id, None)
            case SignalSent() | ExternalCancelRequested() as event if event.request_id:
                work.requests[event.request_id] = event
            case ExternalRequestDelivered() | ExternalRequestFailed() as event:
                work.requests.pop(event.request_id, None)
    return work


def effective(history: Sequence[Recorded]) -> list[Recorded]:
    """Leave out what was undone by reopening; the marks of reopening stay, as notes."""
    kept: list[Recorded] = []
    for recorded in history:
        if isinstance(recorded.event, WorkflowReopened):
            while kept and kept[-1].seq > recorded.event.keep_until:
                kept.pop()
        kept.append(recorded)
    return kept


def last_group(history: Sequence[Recorded]) -> int:
    """Give the index of the last arrival, with the notes that belong to it: where its group begins."""
    index = len(history) - 1
    while index > 0 and history[index].event.role is not Role.ARRIVAL:
        index -= 1
    while index > 0 and history[index - 1].event.role is Role.NOTE:
        index -= 1
    return index


def end_begins(history: Sequence[Recorded]) -> int:
    """Give the index from which nothing is left to go on with; the length of a history that is open.

    Where the code ended, that is the group of the arrival by which it ended: what stands behind that arrival
    was folded when there was no code any more. Where the run was ended from outside, it is the end alone.
    """
    *_, last = history
    if not isinstance(last.event, TERMINAL_EVENTS):
        return len(history)
    if last.event.role is Role.NOTE or _fits_no_more(last.event):
        return len(history) - 1
    decided_by = last.event.decided_by if isinstance(last.event, Ending) else 0
    known = [index for index, each in enumerate(history) if each.seq == decided_by]
    return last_group(history[: known[0] + 1] if known else history)


def _fits_no_more(event: Event) -> bool:
    """Tell whether an event fails a run whose code no longer fits; the code has nothing to do with it."""
    return isinstance(event, WorkflowFailed) and event.failure.kind == "non_determinism"


def group_ends(history: Sequence[Recorded]) -> list[int]:
    """List the seqs up to which a history may be cut: each is the end of a whole group.

    Notes belong to the arrival that they stand before. The first event is always among them: behind it the
    code begins anew.
    """
    ends = [history[0].seq]
    whole = history[: end_begins(history)]
    for index, recorded in enumerate(whole[1:], 1):
        followed = index + 1 < len(whole) and whole[index + 1].event.role is Role.COMMAND
        if recorded.event.role is not Role.NOTE and not followed:
            ends.append(recorded.seq)
    return ends
