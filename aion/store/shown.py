"""Writes what is shown with runs: search attributes, for lists as rows too, and memos."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from aion.core.shown import Shown
from aion.store import search_values
from aion.store.dialects import dialect

COLUMNS = {"id": "uuid", "search_attributes": "jsonb", "memo": "text"}


class ShownWrite(msgspec.Struct):
    """What a run is to show from now on; `searched` says that lists are to find it by other values."""

    run_id: uuid.UUID
    shown: Shown
    searched: bool = True

    def row(self) -> tuple[uuid.UUID, str, str]:
        """Give the columns of `COLUMNS`."""
        searched = msgspec.json.encode(self.shown.search_attributes).decode()
        return self.run_id, searched, msgspec.json.encode(self.shown.memo).decode()


def write(cursor: Any, writes: Sequence[ShownWrite]) -> None:
    """Write what runs show: at most three statements, and none where there is nothing to write."""
    if not writes:
        return
    dialect().update(cursor, "aion_run", COLUMNS, [one.row() for one in writes])
    found = [
        (one.run_id, one.shown.search_attributes, one.shown.kinds) for one in writes if one.searched
    ]
    search_values.replace(found, cursor=cursor)
