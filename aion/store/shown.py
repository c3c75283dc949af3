"""Writes what is shown with runs: search attributes, for lists as rows too, and memos."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from aion.core.shown import Shown
from aion.store import search_values
from aion.store.dialects import dialect
from aion.store.sealing import stored_payload

COLUMNS = {"id": "uuid", "search_attributes": "jsonb", "memo": "text"}


class ShownWrite(msgspec.Struct):
    """What a run is to show from now on; `searched` says that lists are to find it by other values."""

    run_id: uuid.UUID
    shown: Shown
    searched: bool = True
    memo: str = ""  # as it is to be written, where that was settled before

    def row(self) -> tuple[uuid.UUID, str, str]:
        """Give the columns of `COLUMNS`."""
        searched = msgspec.json.encode(self.shown.search_attributes).decode()
        return self.run_id, searched, self.memo or stored_payload(self.plain_memo, self.run_id)

    @property
    def plain_memo(self) -> str:
        """The memo as JSON."""
        return msgspec.json.encode(self.shown.memo).decode()


def write(cursor: Any, writes: Sequence[ShownWrite]) -> None:
    """Write what runs show: at most three statements, and none where there is nothing to write."""
    if not writes:
        return
    dialect().update(cursor, "aion_run", COLUMNS, [one.row() for one in writes])
    found = [
        (one.run_id, one.shown.search_attributes, one.shown.kinds) for one in writes if one.searched
    ]
    search_values.replace(found, cursor=cursor)
