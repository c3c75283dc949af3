"""The data shown with a run, as its code changes it: search attributes and memo.

Theory of operation
-------------------
Whether a search attribute is registered, and of which kind it is, may change while a run lives; what
replay does must not. So values are brought into the form of their kind once, while the run goes on live,
and recorded with their kinds. Replay takes what history says.

What the registry refuses holds the run, whatever its code does about the error: nothing would be recorded
that replay could repeat. Once the attribute is registered, or the code is fixed, the run goes on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aion.core.errors import InvalidSearchAttribute
from aion.core.events import MemoUpdated, SearchAttributesUpdated, WorkflowStarted
from aion.core.payloads import encode
from aion.core.search_attributes import (
    ENGINE_KINDS,
    AttributeKind,
    Attributes,
    Kinds,
    normalised,
    typed,
)
from aion.core.shown import Shown, merge
from aion.core.texts import check_indexable
from aion_engine.replay.command_log import CommandLog
from aion_engine.replay.lookahead import Lookahead

_FIELD = "search_attributes"


class ShownData:
    """Current values; `changed` says that the run's row must be written, `searched` its search values too."""

    def __init__(self, log: CommandLog, lookahead: Lookahead) -> None:
        self._log = log
        self._lookahead = lookahead
        self._shown = Shown()
        self.registered: Kinds = ENGINE_KINDS  # set before the run goes on live
        self.consulted = False
        self.changed = False
        self.searched = False
        self.on_problem: Callable[[BaseException], None]

    def begin(self, started: WorkflowStarted) -> None:
        """Take what the run begins with."""
        self._shown = Shown.of_start(started)

    @property
    def shown(self) -> Shown:
        """What is shown now."""
        return self._shown

    @property
    def memo(self) -> dict[str, Any]:
        """The memo."""
        return self._shown.memo

    def typed(self) -> dict[str, Any]:
        """Give the search attributes as Python values."""
        return typed(self._shown.search_attributes, self._shown.kinds)

    def upsert(self, what: str, values: dict[str, Any], *, replaying: bool) -> None:
        """Merge values; None unsets one.

        Raises:
            PayloadError: a value has no JSON form.
            InvalidSearchAttribute: the registry refuses a value. It holds the run.
        """
        if what == "memo":
            raw = msgspec.Raw(encode(values, field=what))
            self._log.issue(MemoUpdated(memo=raw))
            merge(self._shown.memo, raw)
        else:
            event = self._search_event(values, replaying=replaying)
            self._log.issue(event)
            self._shown.update(event)
            self.searched = True
        self.changed = True

    def _search_event(self, values: dict[str, Any], *, replaying: bool) -> SearchAttributesUpdated:
        self._log.check(SearchAttributesUpdated)
        # Both alike, live and on replay: what no registry could accept is the code's to handle.
        check_indexable(_FIELD, encode(values, field=_FIELD))
        recorded = self._lookahead.next_search_attributes() if replaying else None
        if recorded is not None:
            return recorded
        kept = self.kept(values, replaying=replaying)
        return SearchAttributesUpdated(attributes=kept.raw, kinds=kept.kinds)

    def kept(self, values: Mapping[str, Any], *, replaying: bool) -> Attributes:
        """Bring values into the form in which they are recorded.

        Raises:
            PayloadError: a value has no JSON form.
            InvalidSearchAttribute: the registry refuses a value. It holds the run.
        """
        if not values:
            return Attributes({}, {})
        encoded = check_indexable(_FIELD, encode(dict(values), field=_FIELD))
        if replaying:
            return Attributes(msgspec.json.decode(encoded), _apparent(values))
        self.consulted = True
        try:
            return normalised(values, self.registered, current=self._shown.search_attributes.keys())
        except InvalidSearchAttribute as error:
            self.on_problem(error)
            raise

    def add_patch(self, patch_id: str, *, deprecated: bool) -> None:
        """Show a patch that the run has taken."""
        if self._shown.add_patch(patch_id, deprecated=deprecated):
            self.changed = self.searched = True

    def for_successor(self) -> Attributes:
        """Give the search attributes that a successor inherits: it has taken no patch yet."""
        values = {
            name: value
            for name, value in self._shown.search_attributes.items()
            if name not in ENGINE_KINDS
        }
        return Attributes(values, dict(self._shown.kinds))


def _apparent(values: Mapping[str, Any]) -> dict[str, str]:
    """Tell what can be told without a registry: these values are read in this process, and never recorded."""
    kind = str(AttributeKind.DATETIME)
    return {name: kind for name, value in values.items() if isinstance(value, dt.datetime)}
