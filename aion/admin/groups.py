"""A history told in short: what belongs together is one row. Pure.

An activity from its scheduling to its outcome is one group, as is a timer, a child, an update; every other
event is a group of its own. The page of a run draws the groups as bars and lists them as its compact history.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from typing import Final

from aion.core import events
from aion.core.events import Event
from aion.core.history import Recorded

Key = tuple[str, str]
"""The kind of a group and what tells it from others of its kind."""


@dataclasses.dataclass(slots=True)
class Group:
    """Events that belong together. `kind` is activity, timer, child, update, signal, mark or note."""

    kind: str
    label: str
    events: list[Recorded]
    outcome: str = "open"
    ended_at: dt.datetime | None = None
    attempt: int = 0
    failure: str = ""

    @property
    def seq(self) -> int:
        """The number of the first event."""
        return self.events[0].seq

    @property
    def started_at(self) -> dt.datetime:
        """When the first event was recorded."""
        return self.events[0].recorded_at

    @property
    def took(self) -> dt.timedelta | None:
        """How long it took, of what takes time and has ended."""
        lasts = self.ended_at is not None and len(self.events) > 1
        return self.ended_at - self.started_at if lasts and self.ended_at else None


_OUTCOMES: Final[dict[type[Event], str]] = {
    events.ActivityCompleted: "completed",
    events.ActivityFailed: "failed",
    events.ActivityTimedOut: "failed",
    events.ActivityCancelled: "cancelled",
    events.TimerFired: "completed",
    events.TimerCancelled: "cancelled",
    events.ChildWorkflowCompleted: "completed",
    events.ChildWorkflowFailed: "failed",
    events.ChildWorkflowCancelled: "cancelled",
    events.ChildWorkflowTimedOut: "failed",
    events.ChildWorkflowTerminated: "failed",
    events.UpdateCompleted: "completed",
}


def groups(history: Iterable[Recorded]) -> list[Group]:
    """Put a history, or a part of one, into groups, in the order in which they begin."""
    found: list[Group] = []
    waiting: dict[Key, Group] = {}
    for recorded in history:
        event = recorded.event
        key = _key(event)
        group = waiting.get(key) if key is not None else None
        if group is None:
            group = _new(recorded, key)
            found.append(group)
        else:
            group.events.append(recorded)
        if isinstance(event, events.ActivityStarted):
            group.attempt = event.attempt
        if key is None:
            continue
        waiting[key] = group
        if type(event) in _OUTCOMES:
            _end(group, recorded)
            del waiting[key]
    return found


def _new(recorded: Recorded, key: Key | None) -> Group:
    event = recorded.event
    if key is not None:
        return Group(key[0], _label(event, key), [recorded])
    kind, label, outcome = _alone(event)
    return Group(kind, label, [recorded], outcome, recorded.recorded_at)


def _end(group: Group, recorded: Recorded) -> None:
    event = recorded.event
    group.ended_at = recorded.recorded_at
    group.outcome = _OUTCOMES[type(event)]
    failure = getattr(event, "failure", None)
    if failure is not None:
        group.outcome = "failed"
        group.failure = f"{failure.type}: {failure.message}"


def _key(event: Event) -> Key | None:
    match event:
        case (
            events.ActivityScheduled()
            | events.ActivityStarted()
            | events.ActivitySettledByHand()
            | events.ActivityCancelRequested()
            | events.ActivityOutcome()
        ):
            return "activity", event.activity_id
        case events.TimerStarted() | events.TimerFired() | events.TimerCancelled():
            return "timer", event.timer_id
        case events.ChildWorkflowStarted() | events.ChildOutcome():
            return "child", event.run_id
        case events.UpdateAccepted() | events.UpdateCompleted():
            return "update", event.update_id
        case _:
            return None


def _label(event: Event, key: Key) -> str:
    """Name a group by its first event. That is an outcome where the beginning is on another page."""
    match event:
        case events.ChildWorkflowStarted():
            return f"{event.workflow_type} {event.workflow_id}"
        case events.TimerStarted():
            return event.summary or "timer"
        case events.UpdateAccepted():
            return event.name
        case events.ActivityScheduled() | events.ActivityOutcome() if event.activity_type:
            return event.activity_type
        case _:
            return f"{key[0]} {key[1]}"


def _alone(event: Event) -> tuple[str, str, str]:
    """Give the kind, label and outcome of an event that stands alone."""
    match event:
        case events.SignalReceived():
            return "signal", event.name, "completed"
        case events.CancelRequested():
            return "signal", "cancel requested", "cancelled"
        case events.WorkflowFailed() | events.WorkflowTimedOut() | events.WorkflowTerminated():
            return "mark", _words(event), "failed"
        case events.WorkflowCompleted() | events.WorkflowContinuedAsNew():
            return "mark", _words(event), "completed"
        case events.WorkflowCancelled():
            return "mark", _words(event), "cancelled"
        case events.WorkflowPaused() | events.WorkflowResumed() | events.WorkflowReopened():
            return "mark", _words(event), "open"
        case _:
            return "note", _words(event), ""


def _words(event: Event) -> str:
    name = type(event).__name__.removeprefix("Workflow")
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
