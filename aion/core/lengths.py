"""From which length of a history on a new run is advisable. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aion.core.events import WorkflowStarted

SUGGEST_EVENTS: Final = 4096
"""Events, where a run's first event says nothing: their replay takes some 40 ms."""
SUGGEST_BYTES: Final = 4 * 1024 * 1024
"""Bytes, likewise."""

OWN_LENGTH: Final = 2
"""The behaviour version from which on a run's length is its own, and its bytes count."""


def suggests_new_run(started: WorkflowStarted, length: int, size: Callable[[], int]) -> bool:
    """Tell whether a history is long enough; its size is asked for only where that decides."""
    if length >= (started.history_suggest_events or SUGGEST_EVENTS):
        return True
    if started.behaviour_version < OWN_LENGTH:
        return False
    return size() >= (started.history_suggest_bytes or SUGGEST_BYTES)


def marks(*, events: int, size: int) -> dict[str, int]:
    """Give what a first event must record of the settings: those that differ from the defaults."""
    found = {}
    if events != SUGGEST_EVENTS:
        found["history_suggest_events"] = events
    if size != SUGGEST_BYTES:
        found["history_suggest_bytes"] = size
    return found
