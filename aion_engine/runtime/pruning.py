"""Deletes old closed runs by the rules of the settings, now and then, in one process at a time.

Beat's `aion.prune` does it in a pool process. Where no beat runs, or a dead one, a worker's keeper does it on
a thread of its own: a long pruning must cost neither the lease nor a tick. One that is stopped, or dies,
leaves what it has not reached to the next.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable

from django.db import Error as DatabaseError
from django.db import connections

from aion.conf import settings
from aion.core.errors import AionError
from aion.operations.clock import clock
from aion.operations.prune import HowToPrune, PruneReport, prune_by_rules
from aion.store import workers

log = logging.getLogger("aion.retention")


def prune_if_due(*, stopping: Callable[[], bool] = lambda: False, late: float = 0.5) -> int | None:
    """Prune unless somebody has begun to within `late` intervals; give the number of runs, None if not due.

    It ends when `stopping` says so, and when the next one is due.
    """
    now = clock.now()
    interval = settings.PRUNE_INTERVAL
    begun_before = now - dt.timedelta(seconds=interval * late)
    if not workers.take_tick(now=now, not_since=begun_before, what=workers.PRUNING):
        return None
    until = time.monotonic() + interval

    def goes_on(_: PruneReport) -> bool:
        return time.monotonic() < until and not stopping()

    reports = prune_by_rules(HowToPrune(progress=goes_on))
    for report in reports:
        if report.runs:
            log.info("Deleted %d %s with %d events", report.runs, report.rule, report.events)
    return sum(report.runs for report in reports)


class PruningThread:
    """Prunes on a thread of its own where beat does not; asked often, it begins seldom."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._last: dt.datetime | None = None  # as read the last time, so not younger than it is

    def begin_if_late(self) -> None:
        """Begin where the last pruning is older than two intervals, and none runs here."""
        if self._thread is not None and self._thread.is_alive():
            return
        if self._is_late():
            self._last = workers.last_tick(workers.PRUNING)
            if self._is_late():
                self._thread = threading.Thread(target=self._run, name="aion-prune", daemon=True)
                self._thread.start()

    def _is_late(self) -> bool:
        late = dt.timedelta(seconds=2 * settings.PRUNE_INTERVAL)
        return self._last is None or clock.now() - self._last > late

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            prune_if_due(stopping=self._stopping.is_set, late=2.0)
        except (AionError, DatabaseError) as error:
            log.warning("Old runs stay for now: %s", error)
        except Exception:
            log.exception("Old runs stay for now")
        finally:
            connections.close_all()
