"""How long a history may become, and how many activities a run may have pending."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence

from aion.conf import settings
from aion.core.errors import ApplicationError, PendingActivityLimitExceeded
from aion.core.events import ActivityCancelRequested, ActivityScheduled
from aion.core.failures import Failure, failure_from
from aion.core.history import Recorded
from aion.core.status import TERMINAL_EVENTS
from aion.store import pending
from aion.store.rows import RunRow, RunUpdate
from aion_engine.runtime.work import Work

log = logging.getLogger("aion.turns")

FAILURE_TYPE = "HistoryLimitExceeded"
_FAR = 4  # times the length from which on a new run was advisable


def beyond(run: RunRow) -> Failure | None:
    """Say why a run cannot go on where its history is beyond a limit; None where it is not."""
    events = run.head_seq - run.first_seq + 1
    if events > settings.HISTORY_MAX_EVENTS:
        return _failure("HISTORY_MAX_EVENTS", settings.HISTORY_MAX_EVENTS, events, "events")
    if run.history_bytes > settings.HISTORY_MAX_BYTES:
        return _failure("HISTORY_MAX_BYTES", settings.HISTORY_MAX_BYTES, run.history_bytes, "bytes")
    return None


def _failure(setting: str, limit: int, found: int, what: str) -> Failure:
    return failure_from(
        ApplicationError(
            f"The history has {found:,} {what}, and AION[{setting!r}] allows {limit:,}. Continue as new "
            "when workflow.continue_as_new_suggested() says so",
            {"limit": setting, "allowed": limit, "found": found},
            type=FAILURE_TYPE,
            non_retryable=True,
        )
    )


def count_pending(works: Sequence[Work]) -> None:
    """Count the pending activities of claimed runs, in one statement; none where they have no limit.

    Only a run's own turn adds to them, so they can have become fewer when it is written, and not more.
    """
    if settings.PENDING_ACTIVITY_LIMIT and works:
        counts = pending.counts([work.run.id for work in works])
        for work in works:
            work.pending = counts.get(work.run.id, 0)


def check_pending(work: Work, gained: Sequence[Recorded]) -> None:
    """Make sure that a turn leaves its run with no more pending activities than it may have.

    Raises:
        PendingActivityLimitExceeded: it would; the turn must not be written.
    """
    limit = settings.PENDING_ACTIVITY_LIMIT
    if not limit or (gained and isinstance(gained[-1].event, TERMINAL_EVENTS)):
        return
    more = sum(isinstance(one.event, ActivityScheduled) for one in gained)
    fewer = sum(isinstance(one.event, ActivityCancelRequested) for one in gained)
    if more and (found := work.pending + more - fewer) > limit:
        raise PendingActivityLimitExceeded(
            f"The run would have {found:,} activities without an outcome, and "
            f"AION['PENDING_ACTIVITY_LIMIT'] allows {limit:,}. It is tried again when some may have ended; "
            "workflow code that asks for many should ask for some at a time",
            pending=found,
            limit=limit,
        )


def warn(updates: Iterable[RunUpdate], first_seqs: Mapping[uuid.UUID, int]) -> None:
    """Log once for each run whose history has passed far beyond where a new run was advisable."""
    far_events = _far(settings.HISTORY_SUGGEST_EVENTS, settings.HISTORY_MAX_EVENTS)
    far_bytes = _far(settings.HISTORY_SUGGEST_BYTES, settings.HISTORY_MAX_BYTES)
    for update in updates:
        if update.head_seq < far_events and update.history_bytes < far_bytes:
            continue  # the head counts over the chain: it is never less than the run's own events
        events = update.head_seq - first_seqs[update.id] + 1
        passed = _passes(events, update.gained_events, far_events) or _passes(
            update.history_bytes, update.gained_bytes, far_bytes
        )
        if passed and update.status.is_open:
            log.warning(
                "Run %s has a history of %s events and %s bytes; it should continue as new",
                update.id,
                f"{events:,}",
                f"{update.history_bytes:,}",
                extra={"run_id": str(update.id)},
            )


def _far(suggested: int, most: int) -> int:
    return min(_FAR * suggested, max(most // 2, 1))


def _passes(now: int, gained: int, mark: int) -> bool:
    return now - gained < mark <= now
