"""The data shown with a run, as its history says: search attributes and memo. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from aion.core.events import MemoUpdated, PatchMarked, SearchAttributesUpdated, WorkflowStarted
from aion.core.history import Recorded

PATCHES: Final = "AionPatches"
"""The search attribute that lists the patches that a run has taken."""

Shown = dict[str, Any]


def merge(current: Shown, change: msgspec.Raw) -> None:
    """Take a change over; null unsets a value."""
    for name, value in msgspec.json.decode(change).items():
        if value is None:
            current.pop(name, None)
        else:
            current[name] = value


def add_patch(attributes: Shown, patch_id: str) -> None:
    """Show a patch that a run has taken."""
    attributes[PATCHES] = sorted({*attributes.get(PATCHES, ()), patch_id})


def shown_of(history: Iterable[Recorded]) -> tuple[Shown, Shown]:
    """Give the search attributes and the memo that a history leads to."""
    attributes: Shown = {}
    memo: Shown = {}
    for recorded in history:
        match recorded.event:
            case WorkflowStarted() as event:
                attributes = msgspec.json.decode(event.search_attributes)
                memo = msgspec.json.decode(event.memo)
            case SearchAttributesUpdated() as event:
                merge(attributes, event.attributes)
            case MemoUpdated() as event:
                merge(memo, event.memo)
            case PatchMarked() as event:
                add_patch(attributes, event.patch_id)
    return attributes, memo
