"""Lists of runs, a page at a time, and counts that are capped."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import uuid
from functools import cached_property
from typing import Any, Final

import msgspec

from aion.core.errors import InvalidArgument
from aion.core.search_attributes import Kinds, typed
from aion.core.status import RunStatus
from aion.operations.checking import check_count
from aion.operations.filters import Chosen
from aion.store import listing
from aion.store.attribute_registry import registry
from aion.store.listing import Key, ListedRun

LARGEST_PAGE: Final = 1_000
MOST_TYPES: Final = 1_000
"""So many workflow types are counted by `count_workflows(group_by="type")`."""


@dataclasses.dataclass(frozen=True)
class WorkflowSummary:
    """A run in a list. `status` is its status; `is_held` says that it waits for fixed code.

    `duration` is None while the run is open. `search_attributes` are typed; `memo` is read when asked for.
    """

    workflow_id: str
    run_id: uuid.UUID
    workflow_type: str
    task_queue: str
    status: RunStatus
    is_held: bool
    started_at: dt.datetime
    closed_at: dt.datetime | None
    duration: dt.timedelta | None
    parent_run_id: uuid.UUID | None
    root_run_id: uuid.UUID | None
    history_length: int
    history_bytes: int
    search_attributes: dict[str, Any]

    @cached_property
    def memo(self) -> dict[str, Any]:
        """The memo of the run: one statement, the first time."""
        return listing.memo(self.run_id)


@dataclasses.dataclass(frozen=True, slots=True)
class WorkflowPage:
    """Some runs of a list, and the cursor of those behind them; None where there are no more."""

    runs: tuple[WorkflowSummary, ...]
    next_cursor: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class WorkflowCount:
    """How many runs there are; `is_capped` says that there are more, and counting stopped.

    `groups` are the counts by status or type, where that was asked for, each capped by itself.
    """

    count: int
    is_capped: bool
    groups: dict[str, WorkflowCount] = dataclasses.field(default_factory=dict)


def page(chosen: Chosen, *, size: int, cursor: str = "") -> WorkflowPage:
    """Read a page.

    Raises:
        InvalidArgument: the size or cursor cannot be used.
    """
    check_size(size)
    after = read_cursor(cursor, chosen)
    found = listing.page(
        chosen.selection,
        order=chosen.order,
        descending=chosen.descending,
        after=after,
        limit=size + 1,
    )
    runs = found[:size]
    following = write_cursor(runs[-1], chosen) if len(found) > size else None
    kinds = registry.known
    return WorkflowPage(tuple(_summary(run, kinds) for run in runs), following)


def check_size(size: int) -> None:
    """Refuse a page size that is none.

    Raises:
        InvalidArgument: it is not usable.
    """
    check_count("page_size", size, least=1)
    if size > LARGEST_PAGE:
        raise InvalidArgument(
            f"page_size must be at most {LARGEST_PAGE}, not {size}", field="page_size"
        )


def _summary(run: ListedRun, kinds: Kinds) -> WorkflowSummary:
    return WorkflowSummary(
        workflow_id=run.workflow_id,
        run_id=run.id,
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        status=run.status,
        is_held=run.is_held,
        started_at=run.started_at,
        closed_at=run.closed_at,
        duration=None if run.closed_at is None else run.closed_at - run.started_at,
        parent_run_id=run.parent_run_id,
        root_run_id=run.root_run_id,
        history_length=run.head_seq - run.first_seq + 1,
        history_bytes=run.history_bytes,
        search_attributes=typed(run.search_attributes, kinds),
    )


UNREADABLE: Final = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)
"""What is raised by reading a cursor that nobody gave."""


class _Cursor(msgspec.Struct, array_like=True):
    order: str
    descending: bool
    at: dt.datetime | None
    id: uuid.UUID


def write_cursor(run: ListedRun, chosen: Chosen) -> str:
    """Write where a list goes on behind a run."""
    key = listing.key_of(run, chosen.order)
    raw = msgspec.json.encode(_Cursor(chosen.order, chosen.descending, key.at, key.id))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_cursor(cursor: str, chosen: Chosen) -> Key | None:
    """Read where a list goes on; None is its beginning.

    Raises:
        InvalidArgument: it is no cursor of a list in this order.
    """
    if cursor in ("", None):
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        read = msgspec.json.decode(raw, type=_Cursor)
        at = read.at if read.at is None else read.at.astimezone(dt.UTC)
    except UNREADABLE as error:
        raise InvalidArgument("cursor is none that a page gave", field="cursor") from error
    if (at is None and read.order == "StartTime") or (
        read.at is not None and read.at.utcoffset() is None
    ):
        raise InvalidArgument("cursor is none that a page gave", field="cursor")
    if (read.order, read.descending) != (chosen.order, chosen.descending):
        raise InvalidArgument("cursor belongs to a list in another order", field="cursor")
    return Key(at, read.id)


def count(chosen: Chosen, *, group_by: str = "", cap: int) -> WorkflowCount:
    """Count runs, up to `cap` and no further.

    Raises:
        InvalidArgument: `group_by` or `cap` cannot be used.
    """
    check_count("cap", cap, least=1)
    selection = chosen.selection
    match group_by:
        case "" | None:
            return _capped(listing.count(selection, cap=cap), cap)
        case "status":
            counted = listing.count_by_status(selection, cap=cap)
        case "type":
            counted = listing.count_by_type(selection, cap=cap, most_types=MOST_TYPES)
        case _:
            raise InvalidArgument(
                f"group_by must be 'status' or 'type', not {ascii(group_by)[:100]}",
                field="group_by",
            )
    groups = {name: _capped(number, cap) for name, number in counted.items()}
    total = sum(group.count for group in groups.values())
    return WorkflowCount(total, any(group.is_capped for group in groups.values()), groups)


def _capped(number: int, cap: int) -> WorkflowCount:
    return WorkflowCount(min(number, cap), number > cap)
