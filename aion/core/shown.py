"""The data shown with a run, as its history says: search attributes and memo. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from aion.core.events import MemoUpdated, PatchMarked, SearchAttributesUpdated, WorkflowStarted
from aion.core.history import Recorded
from aion.core.search_attributes import DEPRECATED_PATCHES, PATCHES

Values = dict[str, Any]


class Shown(msgspec.Struct):
    """What is shown with a run: search attributes as JSON values with their kinds, and the memo."""

    search_attributes: Values = {}
    kinds: dict[str, str] = {}
    memo: Values = {}

    @classmethod
    def of_start(cls, started: WorkflowStarted) -> Shown:
        """Give what a run begins with."""
        return cls(
            msgspec.json.decode(started.search_attributes),
            dict(started.search_attribute_kinds),
            msgspec.json.decode(started.memo),
        )

    def update(self, event: SearchAttributesUpdated) -> None:
        """Take a change of search attributes over; null unsets one."""
        merge(self.search_attributes, event.attributes)
        self.kinds.update(event.kinds)
        for name in self.kinds.keys() - self.search_attributes.keys():
            del self.kinds[name]

    def add_patch(self, patch_id: str, *, deprecated: bool) -> bool:
        """Show a patch that the run has taken, and tell whether that is news.

        Which runs still need the old branch is a search then, and which still need the deprecated line: those
        where the patch is not among the deprecated ones. An ordinary mark counts more than a deprecated one.
        """
        taken = self.search_attributes.get(PATCHES, ())
        removable = self.search_attributes.get(DEPRECATED_PATCHES, ())
        if patch_id not in taken:
            self.search_attributes[PATCHES] = sorted({*taken, patch_id})
            if deprecated:
                self.search_attributes[DEPRECATED_PATCHES] = sorted({*removable, patch_id})
            return True
        if deprecated or patch_id not in removable:
            return False
        self.search_attributes[DEPRECATED_PATCHES] = [one for one in removable if one != patch_id]
        if not self.search_attributes[DEPRECATED_PATCHES]:
            del self.search_attributes[DEPRECATED_PATCHES]
        return True


def merge(current: Values, change: msgspec.Raw) -> None:
    """Take a change over; null unsets a value."""
    for name, value in msgspec.json.decode(change).items():
        if value is None:
            current.pop(name, None)
        else:
            current[name] = value


def shown_of(history: Iterable[Recorded]) -> Shown:
    """Give the search attributes and the memo that a history leads to."""
    shown = Shown()
    for recorded in history:
        match recorded.event:
            case WorkflowStarted() as event:
                shown = Shown.of_start(event)
            case SearchAttributesUpdated() as event:
                shown.update(event)
            case MemoUpdated() as event:
                merge(shown.memo, event.memo)
            case PatchMarked() as event:
                shown.add_patch(event.patch_id, deprecated=event.deprecated)
    return shown


SHOWING = (WorkflowStarted, SearchAttributesUpdated, MemoUpdated, PatchMarked)
"""The events that `shown_of` reads."""
