"""Delete whole closed runs that are older than what is kept, in short transactions."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Collection
from typing import Final

from aion.core.errors import InvalidArgument
from aion.core.portions import portion
from aion.core.status import OPEN, RunStatus
from aion.operations.checking import check_count, check_text
from aion.operations.clock import clock
from aion.store import retention
from aion.store.dialects import atomic
from aion.store.retention import OldRuns

LARGEST_BATCH: Final = 1_000
MOST_EVENTS: Final = 20_000
"""A batch ends here, however few runs it has: a transaction is as long as its events are many."""


@dataclasses.dataclass(slots=True)
class PruneReport:
    """What a pruning has deleted so far: runs, and their events.

    `kept` are runs that are old enough and that something still needs, or somebody held.
    """

    closed_before: dt.datetime
    dry_run: bool = False
    runs: int = 0
    events: int = 0
    kept: int = 0


def prune(
    older_than: dt.timedelta,
    *,
    workflow_type: str | None = None,
    status: Collection[str] = (),
    batch: int = 200,
    dry_run: bool = False,
    progress: Callable[[PruneReport], object] | None = None,
) -> PruneReport:
    """Delete the runs that closed longer ago than `older_than`, with everything that belongs to them.

    Kept are runs of which the parent, or the run they continue, is still there; that have an open child or
    unread mail; that a foreign key of another application names; or whose schedule has not heard of their
    end. A second call goes on where one was stopped. Call it outside of transactions: each batch has its own.

    Raises:
        InvalidArgument: an argument cannot be used; nothing is deleted.
    """
    check_count("batch", batch, least=1)
    if batch > LARGEST_BATCH:
        raise InvalidArgument(f"batch must be at most {LARGEST_BATCH}, not {batch}", field="batch")
    which = OldRuns(_before(older_than), _type(workflow_type), _statuses(status))
    report = PruneReport(which.closed_before, dry_run)
    gone: set[uuid.UUID] = set()  # in a dry run, what would be
    after: tuple[dt.datetime, uuid.UUID] | None = None
    while True:
        with atomic():
            found = retention.lock_old(which, after=after, limit=batch, lock=not dry_run)
            runs = portion(found, lambda run: run.events, most=MOST_EVENTS)
            going = retention.not_needed(runs, gone)
            if dry_run:
                gone.update(run.id for run in going)
            else:
                retention.delete([run.id for run in going])
        if not runs:
            break
        report.runs += len(going)
        report.events += sum(run.events for run in going)
        report.kept += len(runs) - len(going)
        after = runs[-1].closed_at, runs[-1].id
        if progress is not None:
            progress(report)
    while not dry_run and _delete_stray_mail(batch):
        pass
    return report


def _delete_stray_mail(batch: int) -> bool:
    with atomic():
        return retention.delete_stray_mail(batch) == batch


def _before(older_than: object) -> dt.datetime:
    if not isinstance(older_than, dt.timedelta) or older_than < dt.timedelta(0):
        raise InvalidArgument(
            f"older_than must be a timedelta of 0 or more, not {older_than!r}", field="older_than"
        )
    try:
        return clock.now() - older_than
    except OverflowError as error:
        raise InvalidArgument(
            f"older_than {older_than} reaches too far", field="older_than"
        ) from error


def _type(workflow_type: str | None) -> str | None:
    if workflow_type is not None:
        check_text("workflow_type", workflow_type)
    return workflow_type


def _statuses(status: Collection[str]) -> tuple[RunStatus, ...]:
    closed = [each for each in RunStatus if each not in OPEN]
    unknown = [each for each in status if each not in closed]
    if unknown:
        raise InvalidArgument(
            f"status must be one of {', '.join(closed)}, not {unknown[0]!r}", field="status"
        )
    return tuple(map(RunStatus, status))
