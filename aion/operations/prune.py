"""Delete whole closed runs that are older than what is kept, in short transactions."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Final

from aion.conf import settings
from aion.core.errors import InvalidArgument
from aion.core.portions import portion
from aion.core.retention import RetentionRule, closed_statuses, read_rules
from aion.operations import archive
from aion.operations.checking import check_count, check_text
from aion.operations.clock import clock
from aion.operations.prune_payloads import forget_files
from aion.store import retention
from aion.store.dialects import atomic
from aion.store.retention import Kind, OldRun, OldRuns

LARGEST_BATCH: Final = 1_000
MOST_EVENTS: Final = 20_000
"""A batch ends here, however few runs it has: a transaction is as long as its events are many."""


@dataclasses.dataclass(slots=True)
class PruneReport:
    """What a pruning has deleted so far: runs, and their events.

    `kept` are runs that are old enough and that something still needs, or somebody held. `archived` were
    written to the storage of AION["RETENTION_ARCHIVE"] before. `is_through` is False where it was stopped.
    """

    closed_before: dt.datetime
    dry_run: bool = False
    runs: int = 0
    events: int = 0
    kept: int = 0
    archived: int = 0
    is_through: bool = True
    rule: str = ""


Progress = Callable[[PruneReport], object]
"""Called after each batch; what gives False stops the pruning."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HowToPrune:
    """How a pruning goes: `batch` runs at most in a transaction, written to the storage `archive` first.

    Raises:
        InvalidArgument: an option cannot be used.
    """

    batch: int = 200
    dry_run: bool = False
    archive: str | None = None
    """The alias in STORAGES; "" writes nothing, None is what the settings say."""
    progress: Progress | None = None

    def __post_init__(self) -> None:
        check_count("batch", self.batch, least=1)
        if self.batch > LARGEST_BATCH:
            text = f"batch must be at most {LARGEST_BATCH}, not {self.batch}"
            raise InvalidArgument(text, field="batch")
        archive.check_alias(self.storage)

    @property
    def storage(self) -> str:
        """The alias of the archive's storage, or ""."""
        alias: str = settings.RETENTION_ARCHIVE if self.archive is None else self.archive
        return alias


def prune(
    older_than: dt.timedelta,
    *,
    workflow_type: str | None = None,
    status: Collection[str] = (),
    batch: int = 200,
    dry_run: bool = False,
    archive: str | None = None,
    progress: Progress | None = None,
) -> PruneReport:
    """Delete the runs that closed longer ago than `older_than`, with everything that belongs to them.

    Kept are runs of which the parent, or the run they continue, is still there; that have an open child or
    unread mail; that a foreign key of another application names; or whose schedule has not heard of their
    end. A second call goes on where one was stopped. Call it outside of transactions: each batch has its own.

    Raises:
        InvalidArgument: an argument cannot be used; nothing is deleted.
        ArchiveError: the archive could not be written; the batch at hand is not deleted.
    """
    how = HowToPrune(batch=batch, dry_run=dry_run, archive=archive, progress=progress)
    if workflow_type is not None:
        check_text("workflow_type", workflow_type)
    kind = Kind(workflow_type, closed_statuses(status))
    return _prune(OldRuns(_before(older_than), kind), how)


def prune_by_rules(how: HowToPrune) -> list[PruneReport]:
    """Delete what the rules of AION["RETENTION"] do not keep; give a report for each rule with an end.

    Raises:
        ArchiveError: as for `prune`.
    """
    reports = []
    before: list[Kind] = []
    for rule in read_rules(settings.RETENTION):
        kind = Kind(rule.workflow_type, rule.statuses)
        if rule.keep is not None:
            reports.append(_prune(_by_rule(rule, kind, before), how, rule=str(rule)))
            if not reports[-1].is_through:
                break
        before.append(kind)
    return reports


def _by_rule(rule: RetentionRule, kind: Kind, before: Sequence[Kind]) -> OldRuns:
    assert rule.keep is not None  # noqa: S101  # others have no end
    return OldRuns(_before(rule.keep), kind, tuple(before))


def _prune(which: OldRuns, how: HowToPrune, *, rule: str = "") -> PruneReport:
    report = PruneReport(which.closed_before, how.dry_run, rule=rule)
    gone: set[uuid.UUID] = set()  # in a dry run, what would be
    after: tuple[dt.datetime, uuid.UUID] | None = None
    while report.is_through:
        with atomic():
            found = retention.lock_old(which, after=after, limit=how.batch, lock=not how.dry_run)
            runs = portion(found, lambda run: run.events, most=MOST_EVENTS)
            going = retention.not_needed(runs, gone)
            if how.dry_run:
                gone.update(run.id for run in going)
            else:
                _delete(going, how, report)
        if not runs:
            break
        report.runs += len(going)
        report.events += sum(run.events for run in going)
        report.kept += len(runs) - len(going)
        after = runs[-1].closed_at, runs[-1].id
        if not how.dry_run:
            forget_files(run.id for run in going)
        if how.progress is not None and how.progress(report) is False:
            report.is_through = False
    while report.is_through and not how.dry_run and _delete_stray_mail(how.batch):
        pass
    return report


def _delete(going: Sequence[OldRun], how: HowToPrune, report: PruneReport) -> None:
    """Archive, then delete: when the archive fails, nothing of the batch is deleted."""
    ids = [run.id for run in going]
    if how.storage:
        report.archived += archive.write(ids, how.storage)
    retention.delete(ids)


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
