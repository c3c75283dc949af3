"""The tick: deadlines, dead workers, work that nobody took, schedules. Beat calls it every second.

It is exclusive by the lock of one row, so that several beats or loops do not repeat each other; all that it
does is safe to do twice. One activity that cannot be settled never stops the others.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

import msgspec

from aion.conf import settings
from aion.core.errors import StaleAttempt
from aion.core.ports import Dispatcher, Handover
from aion.operations import activity_outcome
from aion.operations.bell import the_bell
from aion.operations.clock import clock
from aion.store import crashes, due_work, fencing, holds, publishing, sweeping, workers
from aion.store.dialects import atomic
from aion.store.publishing import Unclaimed
from aion_engine.runtime.crash_notes import how_long
from aion_engine.runtime.giving_up import give_back
from aion_engine.runtime.schedules import bring_on_due

log = logging.getLogger("aion.tick")

_MOST = 500  # rows of one kind in one tick; the next tick takes the rest


class TickReport(msgspec.Struct):
    """What a tick found."""

    ran: bool = False
    dead_workers: int = 0
    runs_given_back: int = 0
    attempts_given_up: int = 0
    timed_out: int = 0
    published: int = 0
    released: int = 0
    schedule_starts: int = 0


def tick(*, force: bool = False) -> TickReport:
    """Look at everything that time brings about, unless somebody else just did."""
    report = TickReport()
    now = clock.now()
    interval = dt.timedelta(seconds=0 if force else settings.TICK_INTERVAL / 2)
    if not workers.take_tick(now=now, not_since=now - interval):
        return report
    report.ran = True
    due = due_work.look(
        now=now, silent_since=now - settings.lease, published_before=now - _stale_after()
    )
    if due.leases:
        bury_dead_workers(report, now)
    if due.timeouts:
        report.timed_out = time_out_overdue(now)
    if due.unpublished or due.leases or due.timeouts:  # the first two may have brought it about
        report.published = publish_waiting(now)
    if due.held:
        report.released = holds.release(now=now)
    if report.runs_given_back or report.released or report.timed_out:
        the_bell().ring_loops()
    if due.schedules:
        report.schedule_starts = bring_on_due(now)
    return report


def bury_dead_workers(report: TickReport, now: dt.datetime) -> None:
    """Give back the leases of workers that were silent for longer than the lease, and of those unknown."""
    dead = {*workers.dead(silent_since=now - settings.lease), *workers.owners_without_worker()}
    if not dead:
        return
    log.warning("Giving back the leases of %d dead workers", len(dead))
    fencing.end_sessions(dead)
    crashes.record(dead, now=now, forgotten=now - how_long(), owned=True)
    back = give_back(dead, "its worker is dead", now=now)
    # Messages that a dead worker had taken from the broker died with it.
    publishing.doubt_all(now=now, stale_after=_stale_after())
    report.dead_workers += len(dead)
    report.runs_given_back += back.runs
    report.attempts_given_up += back.attempts


def time_out_overdue(now: dt.datetime) -> int:
    """End attempts and activities whose deadline has passed; give their number."""
    count = 0
    for attempt, kind in sweeping.overdue(now=now, limit=_MOST):
        try:
            with atomic():
                if sweeping.lock(attempt, overdue_at=now):
                    activity_outcome.time_out(attempt, kind)
                    count += 1
        except StaleAttempt:
            log.info("Activity %s ended before its %s timeout", attempt.id, kind)
        except Exception:
            log.exception("Activity %s could not be timed out", attempt.id)
    return count


def publish_waiting(now: dt.datetime) -> int:
    """Hand over due attempts that were never published, or long ago and still unclaimed."""
    return publish(publishing.take_unclaimed(now=now, stale_after=_stale_after(), limit=_MOST))


def _stale_after() -> dt.timedelta:
    return dt.timedelta(seconds=settings.REPUBLISH_AFTER)


def publish(waiting: Sequence[Unclaimed]) -> int:
    """Hand attempts over; give their number."""
    dispatcher: Dispatcher = settings.port("DISPATCHER")
    dispatcher.publish(
        [
            Handover(
                each.id,
                each.attempt,
                each.task_queue,
                each.activity_type,
                each.doubtful,
                each.priority,
            )
            for each in waiting
        ]
    )
    return len(waiting)
