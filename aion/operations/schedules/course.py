"""A locked schedule on its way through one transaction: what it knows, and what is to be written."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

import msgspec

from aion.core.errors import ScheduleNotFound
from aion.core.events.schedules import (
    ScheduleEvent,
    ScheduleFiringFailed,
    ScheduleFiringSkipped,
)
from aion.models import Firing, Schedule
from aion.models.schedules import FiringState
from aion.operations.checking import check_text
from aion.operations.clock import clock
from aion.schedules.config import ScheduleAction, ScheduleConfig
from aion.schedules.spec import Occurrence, occurrences_after
from aion.store import firings, schedules
from aion.store.dialects import atomic
from aion.store.schedule_payloads import closed_config, opened_action, stored_config

_FIRST_BACKOFF: Final = dt.timedelta(seconds=10)
_LAST_BACKOFF: Final = dt.timedelta(minutes=10)
_MOST_DOUBLINGS: Final = 10

TIME: Final = "time"
TRIGGER: Final = "trigger"
BACKFILL: Final = "backfill"


class Course:
    """A locked schedule. Events are collected, and written with the schedule by `save`."""

    def __init__(self, schedule: Schedule, now: dt.datetime) -> None:
        self.schedule = schedule
        self.now = now
        self.starts = 0
        self.unfinished = False  # there is more to do than one transaction takes
        # A look that the next tick owes, besides that at the next time: whoever only changes the schedule,
        # and does not bring it on, leaves it.
        owed = schedule.due_at != schedule.next_at
        self._owed_at: dt.datetime | None = schedule.due_at if owed else None
        self._events: list[ScheduleEvent] = []
        self._saved: set[str] = set()  # what is written besides the state

    @cached_property
    def config(self) -> ScheduleConfig:
        """What the schedule is told; the payloads of its action as they are stored."""
        return closed_config(self.schedule)

    @cached_property
    def action(self) -> ScheduleAction:
        """What the schedule starts.

        Raises:
            PayloadUnavailable: its payloads cannot be brought back.
        """
        return opened_action(self.config.action, self.schedule)

    def brought_on(self) -> None:
        """Say that what an earlier transaction left to do is done, or is `unfinished` anew."""
        self._owed_at = None

    @cached_property
    def running(self) -> list[Firing]:
        """The firings with an open run."""
        return self._in_state(FiringState.RUNNING)

    @cached_property
    def buffered(self) -> list[Firing]:
        """The firings that wait for an open run to end."""
        return self._in_state(FiringState.BUFFERED)

    @cached_property
    def states(self) -> set[FiringState]:
        """The states of firings that something is still to come of: mostly none, known by one look."""
        return firings.open_states(self.schedule)

    def _in_state(self, state: FiringState) -> list[Firing]:
        return firings.in_state(self.schedule, state) if state in self.states else []

    def forget_firings(self) -> None:
        """Read the firings again when they are asked for."""
        for name in ("running", "buffered", "states"):
            self.__dict__.pop(name, None)

    @property
    def fires(self) -> bool:
        """Whether times of the spec start anything."""
        return not self.schedule.paused and self.schedule.remaining_actions != 0

    def occurrences(self) -> Iterator[Occurrence]:
        """Give the times that are not decided yet."""
        schedule = self.schedule
        return occurrences_after(
            self.config.spec, schedule.decided_until, seed=schedule.schedule_id
        )

    # --- history ---

    def note(self, event: ScheduleEvent) -> None:
        """Put an event into the history."""
        self._events.append(event)

    def note_skipped(
        self,
        nominal_at: dt.datetime,
        reason: str,
        source: str = TIME,
        *,
        count: int = 1,
        last: dt.datetime | None = None,
        at_least: bool = False,
    ) -> None:
        """Put skipped times into the history; those that follow each other are one event."""
        event = ScheduleFiringSkipped(
            nominal_at=nominal_at,
            reason=reason,
            source=source,
            count=count,
            last_nominal_at=last,
            at_least=at_least,
        )
        before = self._events[-1] if self._events else None
        if isinstance(before, ScheduleFiringSkipped) and (before.reason, before.source) == (
            reason,
            source,
        ):
            event = msgspec.structs.replace(
                before,
                count=before.count + count,
                last_nominal_at=last or nominal_at,
                at_least=before.at_least or at_least,
            )
            self._events.pop()
        self._events.append(event)

    def keep(self, **values: Any) -> None:
        """Set fields of the schedule that are written only when they change: they may be long."""
        for name, value in values.items():
            setattr(self.schedule, name, value)
            self._saved.add(name)

    def tell(self, config: ScheduleConfig) -> None:
        """Replace what the schedule is told.

        Raises:
            PayloadUnavailable: a codec or the storage failed.
        """
        schedule = self.schedule
        self.keep(workflow_type=config.action.workflow_type, version=schedule.version + 1)
        self.keep(config=stored_config(config, schedule))
        for name in ("config", "action"):
            self.__dict__.pop(name, None)
        schedule.updated_at = self.now
        if schedule.problem_count:  # what could not be started may start now
            self.mend()
            self.unfinished = True

    # --- problems ---

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Open a savepoint; what raises leaves no trace, neither in the tables nor in here."""
        state = dict(vars(self.schedule))
        events, starts = list(self._events), self.starts
        try:
            with atomic():
                yield
        except BaseException:
            vars(self.schedule).update(state)
            self._events, self.starts = events, starts
            self.forget_firings()
            raise

    def fail(self, nominal_at: dt.datetime, source: str, error: BaseException) -> None:
        """Note that a run could not be started, and try again later."""
        schedule = self.schedule
        text = f"{type(error).__name__}: {error}".replace("\0", "\\0")
        if text != schedule.problem:
            self.note(ScheduleFiringFailed(nominal_at=nominal_at, error=text, source=source))
        schedule.failed_count += 1
        schedule.problem, schedule.problem_count = text, schedule.problem_count + 1

    def mend(self) -> None:
        """Forget the problem: a start has succeeded, or the schedule was changed."""
        self.schedule.problem, self.schedule.problem_count = "", 0

    # --- writing ---

    def save(self, *, request_id: str = "") -> None:
        """Write the schedule, its history, and when it is to be looked at next."""
        schedule = self.schedule
        following = next(self.occurrences(), None) if self.fires else None
        schedule.next_at = following.fires_at if following else None
        schedule.due_at = self._due_at()
        self._write(request_id)

    def save_as_broken(self) -> None:
        """Write the schedule although nobody can tell when its next time is."""
        self.schedule.due_at = self._due_at()
        self._write("")

    def close(self, *, request_id: str = "") -> None:
        """Write the schedule for the last time: nobody looks at it any more."""
        self.schedule.next_at = self.schedule.due_at = None
        self._write(request_id)

    def _write(self, request_id: str) -> None:
        schedules.append(self.schedule, self._events, at=self.now, request_id=request_id)
        self._events = []
        schedules.save(self.schedule, self._saved)

    def _due_at(self) -> dt.datetime | None:
        schedule = self.schedule
        if schedule.problem_count:
            doublings: int = min(schedule.problem_count - 1, _MOST_DOUBLINGS)
            delay: dt.timedelta = min(_FIRST_BACKOFF * 2**doublings, _LAST_BACKOFF)
            return self.now + delay
        moments = (schedule.next_at, self._owed_at, self.now if self.unfinished else None)
        return min((moment for moment in moments if moment is not None), default=None)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A schedule that was found and locked; `repeated` when it has taken the request before."""

    course: Course
    repeated: bool


def open_course(schedule_id: str, *, request_id: str = "") -> Found:
    """Lock the schedule of an id. Must run inside a transaction.

    Raises:
        ScheduleNotFound: there is none.
        InvalidArgument: the request id is no text.
    """
    check_text("request_id", request_id)
    found = find(schedule_id)
    locked = schedules.lock(found.id)
    if locked is None:
        raise not_found(schedule_id)
    repeated = schedules.has_request(locked.id, request_id)
    return Found(Course(locked, clock.now()), repeated)


def find(schedule_id: str) -> Schedule:
    """Read the schedule of an id.

    Raises:
        ScheduleNotFound: there is none.
    """
    usable = isinstance(schedule_id, str) and "\0" not in schedule_id
    found = schedules.find(schedule_id) if usable and _is_unicode(schedule_id) else None
    if found is None:
        raise not_found(schedule_id)
    return found


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def not_found(schedule_id: str) -> ScheduleNotFound:
    """Make the error for an unknown id."""
    return ScheduleNotFound(f"No schedule has id {schedule_id!r}", schedule_id=schedule_id)


def first(occurrences: Iterator[Occurrence], count: int) -> list[Occurrence]:
    """Give the first few occurrences."""
    return list(itertools.islice(occurrences, count))
