"""A run's history as bars over time, for drawing. Pure.

Idle time is shortened: between two moments the axis grows with the logarithm of the time between them, so
that a month of waiting leaves room for the seconds in which things happened. The labels tell real times.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from aion.core import events
from aion.core.events import Event
from aion.core.history import Recorded

MOST_ROWS: Final = 200
WIDTH: Final = 1_000
ROW: Final = 22
_LABELS: Final = 6
_NARROWEST: Final = 3


@dataclasses.dataclass(slots=True)
class Bar:
    """A row of the drawing: something that began and, unless it is open, ended."""

    kind: str  # activity, timer, child, message, mark
    label: str
    started_at: dt.datetime
    seq: int
    ended_at: dt.datetime | None = None
    outcome: str = "open"
    x: float = 0.0
    width: float = 0.0
    y: int = 0

    @property
    def text_y(self) -> int:
        """Where the label's line stands."""
        return self.y + 15

    @property
    def is_late(self) -> bool:
        """Whether the bar lies so far right that its label stands in front of it."""
        return self.x + self.width > WIDTH * 0.6

    @property
    def label_x(self) -> float:
        """Where the label begins, or ends if `is_late`."""
        return self.x - 5 if self.is_late else self.x + self.width + 5


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """A moment named on the axis."""

    x: float
    at: dt.datetime
    anchor: str


@dataclasses.dataclass(frozen=True, slots=True)
class Timeline:
    """The bars and the axis; `left_out` rows did not fit."""

    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    left_out: int

    @property
    def height(self) -> int:
        """The drawing's height, with the axis."""
        return len(self.bars) * ROW + 30

    @property
    def axis_y(self) -> int:
        """Where the axis' labels stand."""
        return len(self.bars) * ROW + 20


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


def timeline(history: Iterable[Recorded], *, now: dt.datetime | None) -> Timeline:
    """Lay a history out; `now` ends what is still open, None where the run has ended."""
    bars = _bars(history)
    shown, left_out = bars[:MOST_ROWS], max(0, len(bars) - MOST_ROWS)
    moments = {bar.started_at for bar in shown} | {b.ended_at for b in shown if b.ended_at}
    if now is not None:
        moments.add(now)
    if not moments:
        return Timeline((), (), 0)
    places = _places(sorted(moments))
    last = max(moments)
    for number, bar in enumerate(shown):
        bar.x = places[bar.started_at]
        bar.width = max(places[bar.ended_at or last] - bar.x, _NARROWEST)
        bar.x = min(bar.x, WIDTH - bar.width)
        bar.y = number * ROW
    return Timeline(shown, _ticks(places), left_out)


def _bars(history: Iterable[Recorded]) -> list[Bar]:
    bars: list[Bar] = []
    waiting: dict[tuple[str, str], Bar] = {}
    for recorded in history:
        event = recorded.event
        begun = _begun(event)
        if begun is not None:
            kind, key, label = begun
            bar = Bar(kind, label, recorded.recorded_at, recorded.seq)
            bars.append(bar)
            waiting[kind, key] = bar
            continue
        ended = _ended(event)
        if ended is not None:
            known = waiting.pop(ended, None)
            if known is None:  # a local activity has no event but its outcome
                known = Bar(ended[0], _local(event), recorded.recorded_at, recorded.seq)
                bars.append(known)
            known.ended_at = recorded.recorded_at
            known.outcome = _OUTCOMES[type(event)]
            continue
        mark = _mark(event)
        if mark is not None:
            bars.append(
                Bar(
                    mark[0],
                    mark[1],
                    recorded.recorded_at,
                    recorded.seq,
                    recorded.recorded_at,
                    mark[2],
                )
            )
    return bars


def _begun(event: Event) -> tuple[str, str, str] | None:
    match event:
        case events.ActivityScheduled():
            return "activity", event.activity_id, event.activity_type
        case events.TimerStarted():
            return "timer", event.timer_id, getattr(event, "summary", "") or "timer"
        case events.ChildWorkflowStarted():
            return "child", event.run_id, f"{event.workflow_type} {event.workflow_id}"
        case events.UpdateAccepted():
            return "update", event.update_id, event.name
        case _:
            return None


def _ended(event: Event) -> tuple[str, str] | None:
    match event:
        case events.ActivityOutcome():
            return "activity", event.activity_id
        case events.TimerFired() | events.TimerCancelled():
            return "timer", event.timer_id
        case events.ChildOutcome():
            return "child", event.run_id
        case events.UpdateCompleted():
            return "update", event.update_id
        case _:
            return None


def _local(event: Event) -> str:
    return getattr(event, "activity_type", "") or type(event).__name__


def _mark(event: Event) -> tuple[str, str, str] | None:
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
            return None


def _words(event: Event) -> str:
    name = type(event).__name__.removeprefix("Workflow")
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()


def _places(moments: Sequence[dt.datetime]) -> dict[dt.datetime, float]:
    """Give each moment its place on the axis."""
    reached = [0.0]
    for before, after in pairwise(moments):
        reached.append(reached[-1] + math.log1p((after - before).total_seconds() * 1_000))
    scale = WIDTH / reached[-1] if reached[-1] else 0.0
    return {at: round(place * scale, 1) for at, place in zip(moments, reached, strict=True)}


def _ticks(places: dict[dt.datetime, float]) -> list[Tick]:
    """Choose moments that stand far enough apart to be named."""
    room = WIDTH / _LABELS
    ticks: list[Tick] = []
    for at, x in places.items():
        if not ticks or x - ticks[-1].x >= room:
            ticks.append(Tick(x, at, "start" if x < room / 2 else "middle"))
    last_at, last_x = next(reversed(places.items()))
    if last_x - ticks[-1].x >= room / 2:
        ticks.append(Tick(last_x, last_at, "end"))
    elif len(ticks) > 1:
        ticks[-1] = Tick(last_x, last_at, "end")
    return ticks
