"""What a history still waits for, and what replay sees of a history that was reopened. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from aion.core.events import (
    ActivityOutcome,
    ActivityScheduled,
    ChildOutcome,
    ChildWorkflowStarted,
    ExternalCancelRequested,
    ExternalRequestDelivered,
    ExternalRequestFailed,
    Role,
    SignalSent,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    WorkflowReopened,
)
from aion.core.history import Recorded


class PendingWork(msgspec.Struct):
    """What was asked for and has no outcome: activities, timers, children and messages, by their ids."""

    activities: dict[str, ActivityScheduled] = {}
    timers: dict[str, TimerStarted] = {}
    children: dict[str, ChildWorkflowStarted] = {}
    requests: set[str] = set()


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
            case SignalSent() | ExternalCancelRequested() as event:
                work.requests.add(event.request_id)
            case ExternalRequestDelivered() | ExternalRequestFailed() as event:
                work.requests.discard(event.request_id)
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


def group_ends(history: Sequence[Recorded]) -> list[int]:
    """List the seqs up to which a history may be cut: each is the end of a whole group.

    Notes belong to the arrival that they stand before.
    """
    ends: list[int] = []
    for before, after in pairwise(history):
        starts_group = after.event.role in (Role.ARRIVAL, Role.NOTE)
        if starts_group and before.event.role is not Role.NOTE:
            ends.append(before.seq)
    return ends
