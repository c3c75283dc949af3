"""The data shown with a run, as its code changes it: search attributes and memo."""

from __future__ import annotations

from typing import Any

import msgspec

from aion.core.events import MemoUpdated, SearchAttributesUpdated, WorkflowStarted
from aion.core.payloads import encode
from aion.core.shown import PATCHES, add_patch, merge
from aion_engine.replay.command_log import CommandLog


class Attributes:
    """Current values; `changed` says that the run's row must be written."""

    def __init__(self, log: CommandLog, started: WorkflowStarted) -> None:
        self._log = log
        self.search_attributes: dict[str, Any] = msgspec.json.decode(started.search_attributes)
        self.memo: dict[str, Any] = msgspec.json.decode(started.memo)
        self.changed = False

    def upsert(self, what: str, values: dict[str, Any]) -> None:
        """Merge values; None unsets one.

        Raises:
            PayloadError: a value has no JSON form.
        """
        raw = msgspec.Raw(encode(values, field=what))
        if what == "memo":
            self._log.issue(MemoUpdated(memo=raw))
            current = self.memo
        else:
            self._log.issue(SearchAttributesUpdated(attributes=raw))
            current = self.search_attributes
        self.changed = True
        merge(current, raw)

    def add_patch(self, patch_id: str) -> None:
        """Show a patch that the run has taken: which runs still need the old branch is a search then."""
        add_patch(self.search_attributes, patch_id)
        self.changed = True

    def without_patches(self) -> dict[str, Any]:
        """Give the search attributes that a successor inherits: it has taken no patch yet."""
        return {name: value for name, value in self.search_attributes.items() if name != PATCHES}
