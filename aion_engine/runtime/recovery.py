"""Recovery: makes the tables what the histories say, and sets everything in motion that should move.

Theory of operation
-------------------
Nothing here is needed in daily life: turns, ticks and leases repair what workers leave behind. This is for
the day after a restored backup, a flushed broker or somebody's SQL. Each step finds what is wrong in
batches, and repairs it under the locks that turns take, so it may run beside workers. What was right stays
untouched: a second recovery finds nothing. One that was stopped is begun again.

Runs are walked in the order of their ids, a bounded number of runs and events at a time, so the memory does
not depend on how many there are. There are two walks: what a parent should have heard of a child depends on
the child's row, which may be repaired later in the first.

History is the truth and is never written. A projection that disagrees is made anew. What a history waits
for and has no row is asked for again, when the run's code, replayed, still waits for it.

A dry run does all of it and rolls each batch back. A recovery of some runs leaves alone what is no run's:
workers, and what the next tick does anyway.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
from django.db import transaction

from aion.conf import settings
from aion.core.events import WorkflowReopened
from aion.core.history import decode_event
from aion.core.pending import effective
from aion.core.portions import portion
from aion.core.shown import SHOWING, shown_of
from aion.core.status import STATUS_AFTER
from aion.models import Schedule
from aion.operations.bell import the_bell
from aion.operations.clock import clock
from aion.schedules.state import state_of
from aion.store import fencing, holds, lifecycle, publishing, recovery, schedules, workers
from aion.store.dialects import alias, atomic
from aion.store.listing import Selection
from aion.store.recovery import Compared
from aion.store.schedule_payloads import says_the_same
from aion.store.shown import ShownWrite
from aion_engine.runtime import stranded
from aion_engine.runtime.giving_up import give_back
from aion_engine.runtime.outcomes import outcome_of
from aion_engine.runtime.tick import publish, time_out_overdue

_BATCH: Final = 500
_EVENTS: Final = 20_000  # a batch ends here, however few runs it has
_STATUS: Final = {kind.__name__: status for kind, status in STATUS_AFTER.items()}
_ROWS: Final = 5_000  # deleted or published in one transaction
EVERY_RUN: Final = Selection()

Progress = Callable[[str, int, int], object]
"""Called after each batch of a walk with what it does, how many runs are done, and how many there are."""


class Recovery:
    """One recovery; `report` says how much of what was repaired. `only` limits it to some runs."""

    def __init__(
        self,
        *,
        dry_run: bool = False,
        only: Selection = EVERY_RUN,
        progress: Progress | None = None,
    ) -> None:
        self.dry_run = dry_run
        self.report: dict[str, int] = {}
        self.broken: list[uuid.UUID] = []
        """Runs whose history has a gap: nothing can repair them."""
        self.torn: list[uuid.UUID] = []
        """Runs that do not go on where the run ends that they continue: nor those."""
        self._only = only
        self._progress = progress

    def run(self) -> dict[str, int]:
        """Do all of it and give the report."""
        is_whole = self._only == EVERY_RUN
        if is_whole:
            self._give_back_leases()
        self._repair_rows()
        self._remove_leftovers()
        self._find_stranded()
        if is_whole:
            self._repair_schedules()
            self._fire_what_is_overdue()
            self._publish()
        if not self.dry_run:
            the_bell().ring_loops()
        return self.report

    def _add(self, what: str, count: int = 0) -> None:
        self.report[what] = self.report.get(what, 0) + count

    @contextlib.contextmanager
    def _batch(self) -> Iterator[None]:
        with atomic():
            yield
            if self.dry_run:
                transaction.set_rollback(True, using=alias())

    def _walk(self, what: str, *, idle: bool = False) -> Iterator[list[uuid.UUID]]:
        last: uuid.UUID | None = None
        done, total = 0, recovery.count(self._only, idle=idle) if self._progress else 0
        while found := recovery.walked(self._only, after=last, limit=_BATCH, idle=idle):
            runs = portion(found, lambda run: run.events, most=_EVENTS)
            last = runs[-1].id
            yield [run.id for run in runs]
            done += len(runs)
            if self._progress is not None:
                self._progress(what, done, max(done, total))

    # --- the steps ---

    def _give_back_leases(self) -> None:
        """Give back until nothing is left: one look takes a bounded number of attempts."""
        now = clock.now()
        for name in ("dead workers", "runs given back", "attempts given up"):
            self._add(name)
        dead = workers.dead(silent_since=now - settings.lease)
        seen: set[uuid.UUID] = set()
        while gone := {*dead, *workers.owners_without_worker()}:
            self._add("dead workers", len(gone - seen))
            seen |= gone
            if not self.dry_run:
                fencing.end_sessions(gone)
            with self._batch():
                back = give_back(gone, "its worker is dead", now=now)
            self._add("runs given back", back.runs)
            self._add("attempts given up", back.attempts)
            dead = []
            if self.dry_run or not (back.runs or back.attempts):
                break

    def _repair_rows(self) -> None:
        self._add("projections repaired")
        self._add("search attributes and memos repaired")
        for ids in self._walk("comparing"):
            self._repair_projections(ids)
            self._repair_shown(ids)

    def _repair_projections(self, ids: Sequence[uuid.UUID]) -> None:
        found = recovery.compare(ids)
        self.broken.extend(run.id for run in found if not run.is_whole)
        self.torn.extend(recovery.torn(ids))
        wrong = [run.id for run in found if projected(run) != run]
        if not wrong:
            return
        with self._batch():
            again = [
                right
                for run in recovery.compare(recovery.lock(wrong))
                if (right := projected(run)) != run
            ]
            for run in again:
                recovery.write_projection(run)
        self._add("projections repaired", len(again))

    def _repair_shown(self, ids: Sequence[uuid.UUID]) -> None:
        wrong = [write.run_id for write in wrongly_shown(ids)]
        if wrong:
            with self._batch():
                again = wrongly_shown(recovery.lock(wrong))
                recovery.write_shown(again)
            self._add("search attributes and memos repaired", len(again))

    def _repair_schedules(self) -> None:
        self._add("schedules repaired")
        last: uuid.UUID | None = None
        while found := schedules.living(after=last, limit=_BATCH):
            last = found[-1].id
            for schedule in found:
                if wrongly_told(schedule):
                    self._repair_schedule(schedule.id)

    def _repair_schedule(self, key: uuid.UUID) -> None:
        with self._batch():
            schedule = schedules.lock(key)
            if schedule is None or not (changes := wrongly_told(schedule)):
                return
            for name, value in changes.items():
                setattr(schedule, name, value)
            schedule.due_at = clock.now()  # the tick makes the rest of it anew
            schedules.save(schedule, ("config", "version"))
            self._add("schedules repaired", 1)

    def _remove_leftovers(self) -> None:
        again = True
        while again:
            with self._batch():
                count = recovery.remove_leftovers(self._only, limit=_ROWS)
            self._add("rows of closed runs removed", count)
            again = count >= _ROWS and not self.dry_run

    def _find_stranded(self) -> None:
        for name in (*_REPAIRED.values(), "runs put back into the queue"):
            self._add(name)
        for ids in self._walk("looking for what was lost", idle=True):
            self._put_back(ids)
            for run_id in stranded.suspects(ids):
                with self._batch():
                    found = stranded.repair(run_id, now=clock.now())
                for field, name in _REPAIRED.items():
                    self._add(name, getattr(found, field))

    def _put_back(self, ids: Sequence[uuid.UUID]) -> None:
        wrong = recovery.wrongly_parked(ids)
        if wrong:
            with self._batch():
                again = recovery.wrongly_parked(recovery.lock(wrong))
                for run_id in again:
                    lifecycle.resume(run_id, now=clock.now())
            self._add("runs put back into the queue", len(again))

    def _fire_what_is_overdue(self) -> None:
        """Do what a tick does until nothing is left: one look takes a bounded number of rows."""
        again = True
        while again:
            now = clock.now()
            with self._batch():
                timed_out = time_out_overdue(now)
                released = holds.release(now=now)
            self._add("overdue activities timed out", timed_out)
            self._add("held runs released", released)
            again = bool(timed_out + released) and not self.dry_run

    def _publish(self) -> None:
        """Hand over every activity that is due, unless that was done again a moment ago."""
        now = clock.now()
        stale = dt.timedelta(seconds=settings.REPUBLISH_AFTER)
        again = True
        while again:
            with self._batch():
                waiting = publishing.take_all_due(now=now, stale_after=stale, limit=_ROWS)
            if not self.dry_run:
                publish(waiting)
            self._add("activities published", len(waiting))
            again = len(waiting) == _ROWS and not self.dry_run


_REPAIRED: Final = {
    "timers": "timers set again",
    "activities": "activities asked for again",
    "answers": "answers given again",
    "woken": "runs woken",
}


def wrongly_shown(ids: Sequence[uuid.UUID]) -> list[ShownWrite]:
    """Give what those runs should show whose rows show something else."""
    if not ids:
        return []
    histories = recovery.with_memos(recovery.histories_of(ids, (*SHOWING, WorkflowReopened)))
    rows = recovery.shown_by_rows(ids)
    return [
        ShownWrite(run_id, right)
        for run_id, history in histories.items()
        if run_id in rows and not rows[run_id].agrees(right := shown_of(effective(history)))
    ]


def wrongly_told(schedule: Schedule) -> dict[str, object]:
    """Give what a schedule's row should say and does not."""
    right = state_of(recorded.event for recorded in schedules.load(schedule.id))
    if not right.version or right.deleted:
        return {}  # without its first event nothing is known of it
    names = ("config", "version", "paused", "note", "remaining_actions", "started_count")
    wrong = {
        name: getattr(right, name)
        for name in names
        if getattr(right, name) != getattr(schedule, name)
    }
    if "config" in wrong and says_the_same(right.config, schedule):
        del wrong["config"]  # only sealed another time
    return wrong


def projected(run: Compared) -> Compared:
    """Give a run as its history says it should be; as it is where its payloads cannot be read."""
    if not run.is_readable:
        return run
    status = _STATUS[run.kind]
    right = msgspec.structs.replace(run, status=str(status), head_seq=run.last_seq)
    if status.is_open or run.closing is None:
        return msgspec.structs.replace(right, closed_at=None, result=None, failure=None)
    result, failure = outcome_of(decode_event(run.kind, run.closing))
    return msgspec.structs.replace(right, closed_at=run.decided_at, result=result, failure=failure)
