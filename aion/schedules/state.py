"""The state of a schedule: a projection of its history."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from aion.core.events.schedules import (
    ScheduleCreated,
    ScheduleDeleted,
    ScheduleEvent,
    SchedulePaused,
    ScheduleResumed,
    ScheduleTriggered,
    ScheduleUpdated,
)


class ScheduleState(msgspec.Struct, frozen=True):
    """What a schedule is told and where it stands. `version` counts what it was told."""

    config: str = ""
    version: int = 0
    paused: bool = False
    note: str = ""
    remaining_actions: int | None = None
    started_count: int = 0
    deleted: bool = False


def state_of(history: Iterable[ScheduleEvent]) -> ScheduleState:
    """Give the state that a history says."""
    state = ScheduleState()
    for event in history:
        state = msgspec.structs.replace(state, **_changes(state, event))
    return state


def _changes(state: ScheduleState, event: ScheduleEvent) -> dict[str, object]:
    match event:
        case ScheduleCreated():
            return {"paused": event.paused, "note": event.note, **_told(state, event)}
        case ScheduleUpdated():
            return _told(state, event)
        case SchedulePaused():
            return {"paused": True, "note": event.note}
        case ScheduleResumed():
            return {"paused": False, "note": event.note}
        case ScheduleTriggered():
            left = state.remaining_actions
            if left and event.source == "time":  # what is asked for by hand takes none of them
                left -= 1
            return {"started_count": state.started_count + 1, "remaining_actions": left}
        case ScheduleDeleted():
            return {"deleted": True}
    return {}


def _told(state: ScheduleState, event: ScheduleCreated | ScheduleUpdated) -> dict[str, object]:
    return {
        "config": bytes(event.config).decode(),
        "version": state.version + 1,
        "remaining_actions": event.remaining_actions,
    }
