"""Lists and counts of runs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from typing import Any

from aion.authoring.workflow_definition import definition_of
from aion.client.calls import Workflow, twin
from aion.core.errors import InvalidArgument
from aion.core.status import RunStatus
from aion.operations import listing as _listing
from aion.operations.checking import check_count
from aion.operations.clock import clock
from aion.operations.filters import Chosen, RunFilter, choose
from aion.operations.listing import WorkflowCount, WorkflowPage, WorkflowSummary


@dataclasses.dataclass(frozen=True, slots=True)
class WorkflowList:
    """The runs that a list means. Iterate over it (also by `async for`), or take it page by page.

    Nothing is read before that. Each page is one statement; runs that start or close meanwhile shift nothing.
    """

    chosen: Chosen
    page_size: int
    limit: int | None
    cursor: str

    def page(self, cursor: str = "") -> WorkflowPage:
        """Read the page behind a cursor, by default the list's own.

        Raises:
            InvalidArgument: it is none that a page of such a list gave.
        """
        return _listing.page(self.chosen, size=self.page_size, cursor=cursor or self.cursor)

    async def apage(self, cursor: str = "") -> WorkflowPage:
        """Async twin of `page`."""
        found: WorkflowPage = await twin(self.page)(cursor)
        return found

    def __iter__(self) -> Iterator[WorkflowSummary]:
        left = self.limit
        cursor: str | None = self.cursor
        while cursor is not None and left != 0:
            found = self.page(cursor)
            runs = found.runs if left is None else found.runs[:left]
            left = None if left is None else left - len(runs)
            cursor = found.next_cursor
            yield from runs

    async def __aiter__(self) -> AsyncIterator[WorkflowSummary]:
        left = self.limit
        cursor: str | None = self.cursor
        while cursor is not None and left != 0:
            found = await self.apage(cursor)
            runs = found.runs if left is None else found.runs[:left]
            left = None if left is None else left - len(runs)
            cursor = found.next_cursor
            for run in runs:
                yield run


def list_workflows(  # noqa: PLR0913  # the filters of a list, by keyword
    query: str = "",
    *,
    search: str = "",
    within: str = "",
    workflow_type: Workflow | None = None,
    status: RunStatus | str | Collection[str] | None = None,
    workflow_id: str | None = None,
    workflow_id_prefix: str | None = None,
    started_after: dt.datetime | None = None,
    started_before: dt.datetime | None = None,
    closed_after: dt.datetime | None = None,
    closed_before: dt.datetime | None = None,
    parent: str | uuid.UUID | None = None,
    held: bool | None = None,
    older_code: bool | None = None,
    search_attributes: Mapping[str, Any] | None = None,
    order_by: str = "",
    limit: int | None = None,
    page_size: int = 50,
    cursor: str = "",
) -> WorkflowList:
    """List the runs that a query and filters mean, the newest first unless it says otherwise.

    All that is given must hold. `search` is the short form of a query, as people type it into a box; `within`
    another query, which limits these: an OR in them does not reach beyond it. `after` includes its
    moment, `before` does not. `parent` is a workflow id, or a run id as a UUID. `older_code` means runs
    that began with other code than this process has. `cursor` is a page's `next_cursor`.

    Raises:
        InvalidListQuery: the query or search cannot be read; the message points at the place.
        InvalidArgument: a filter cannot be used; `field` names it.
    """
    wanted = RunFilter(
        query=query,
        search=search,
        within=within,
        workflow_type=type_name(workflow_type),
        status=status,
        workflow_id=workflow_id,
        workflow_id_prefix=workflow_id_prefix,
        started_after=started_after,
        started_before=started_before,
        closed_after=closed_after,
        closed_before=closed_before,
        parent=parent,
        held=held,
        older_code=older_code,
        search_attributes=search_attributes,
        order_by=order_by,
    )
    chosen = choose(wanted, now=clock.now())
    _listing.check_size(page_size)
    _listing.read_cursor(cursor, chosen)
    if limit is not None:
        check_count("limit", limit)
    return WorkflowList(chosen, page_size, limit, cursor)


def count_workflows(
    query: str = "", *, group_by: str = "", cap: int = 10_000, **filters: Any
) -> WorkflowCount:
    """Count the runs that a query and filters mean, up to `cap` and no further; a list would show them.

    `group_by` is `status` or `type`, each group capped by itself. The filters are those of `list_workflows`.

    Raises:
        InvalidListQuery: the query or search cannot be read; the message points at the place.
        InvalidArgument: an argument cannot be used; `field` names it.
    """
    return _listing.count(chosen_by(query, filters), group_by=group_by, cap=cap)


def chosen_by(query: str, filters: Mapping[str, Any]) -> Chosen:
    """Read a query and the filters of `list_workflows`; relative times are seen from now.

    Raises:
        TypeError: there is no such filter.
    """
    named = dict(filters)
    named["workflow_type"] = type_name(named.get("workflow_type"))
    return choose(RunFilter(query=query, **named), now=clock.now())


def type_name(workflow: Workflow | None) -> str | None:
    """Give the type name of a workflow: a list may ask for types that this process does not have.

    Raises:
        InvalidArgument: it is neither a workflow nor a name.
    """
    if workflow is None or isinstance(workflow, str):
        return workflow
    definition = definition_of(workflow)
    if definition is None:
        raise InvalidArgument(
            f"workflow_type {workflow!r} is not decorated with @workflow.defn",
            field="workflow_type",
        )
    return definition.name


async def alist_workflows(query: str = "", **filters: Any) -> WorkflowList:
    """Async twin of `list_workflows`: iterate over what it gives by `async for`."""
    found: WorkflowList = await twin(list_workflows)(query, **filters)
    return found


async def acount_workflows(query: str = "", **options: Any) -> WorkflowCount:
    """Async twin of `count_workflows`."""
    counted: WorkflowCount = await twin(count_workflows)(query, **options)
    return counted
