"""How messages name events."""

from __future__ import annotations

from aion.core.events import ActivityOutcome, Event, TimerFired


def describe(event: Event) -> str:
    """Name an event for messages: its kind and key."""
    match event:
        case ActivityOutcome():
            name = f" {event.activity_type}" if event.activity_type else ""
            return f"{type(event).__name__}(activity {event.activity_id}{name})"
        case TimerFired():
            return f"TimerFired(timer {event.timer_id})"
        case _:
            return f"{type(event).__name__}({', '.join(event.key)})"
