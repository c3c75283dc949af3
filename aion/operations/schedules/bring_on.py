"""Bring a schedule on: notice ended runs, start what waited for them, decide the times that have come."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Callable
from typing import Final

from django.db import InterfaceError, OperationalError

from aion.models import Firing
from aion.models.schedules import FiringState
from aion.operations.clock import clock
from aion.operations.schedules.course import TIME, Course
from aion.operations.schedules.firing import (
    check_startable,
    fire,
    new_firing,
    skip,
    start_run,
)
from aion.operations.schedules.settling import settle
from aion.schedules.config import CatchUp
from aion.schedules.spec import ScheduleSpec, occurrences_after, times_after
from aion.store import firings, schedules
from aion.store.dialects import atomic

_ON_TIME: Final = dt.timedelta(seconds=10)  # a time that fires so late was not missed
_MOST_STARTS: Final = 100  # in one transaction; the next tick goes on
_MOST_TIMES: Final = 1_000
_MOST_COUNTED: Final = 10_000
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_FIRST_LOOK_BACK: Final = dt.timedelta(minutes=1)


def bring_on(key: uuid.UUID) -> int | None:
    """Bring a schedule on in a transaction of its own, and give how many runs that started.

    None when somebody else is at it. What cannot be started is noted and tried again; the caller sees only
    errors of the database, and what is wrong with the schedule itself.
    """
    with atomic():
        schedule = schedules.claim(key)
        if schedule is None:
            return None
        course = Course(schedule, clock.now())
        bring_on_course(course)
        course.save()
        return course.starts


def set_aside(key: uuid.UUID, error: BaseException) -> None:
    """Note that a schedule could not be brought on at all, and look at it again later."""
    with atomic():
        schedule = schedules.claim(key)
        if schedule is None:
            return
        course = Course(schedule, clock.now())
        course.fail(schedule.next_at or course.now, TIME, error)
        course.save_as_broken()


def bring_on_course(course: Course) -> None:
    """Bring a locked schedule on. Its caller saves it."""
    course.brought_on()
    settle(course)
    failed = course.schedule.failed_count
    for step in (_start_buffered, _decide_asked, _decide_due):
        step(course)
        if course.schedule.failed_count > failed:
            return
    course.mend()  # whatever failed before has been decided


def bring_to_an_end(course: Course) -> None:
    """Decide what has come by the spec that is about to be replaced. Its caller saves it.

    What cannot be started now, and what jitter still holds back, is passed by and noted.
    """
    if course.fires:
        bring_on_course(course)
    pass_by_what_has_come(course, "spec_changed")


def pass_by_what_has_come(course: Course, reason: str) -> None:
    """Let the times up to now start nothing, and note them unless nothing would have started anyway."""
    if course.fires:
        _pass_by(course, course.now + _MICROSECOND, reason)
    else:
        schedule = course.schedule
        schedule.decided_until = max(schedule.decided_until, course.now)


def _attempt(course: Course, firing: Firing, action: Callable[[Course, Firing], None]) -> bool:
    """Do something that may start a run; note why it cannot be done. Tell whether it was."""
    try:
        with course.attempt():
            action(course, firing)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it is this schedule's alone
        course.fail(firing.nominal_at, firing.source, error)
        return False
    return True


def _start_buffered(course: Course) -> None:
    for firing in list(course.buffered):
        if course.running:
            return
        if firing.source == TIME and course.schedule.remaining_actions == 0:
            course.buffered.remove(firing)
            skip(course, firing, "no_actions_left")
            continue
        if firing.source == TIME and not course.fires:
            continue
        if not _attempt(course, firing, _start_waiting):
            return


def _start_waiting(course: Course, firing: Firing) -> None:
    check_startable(course.action)
    course.buffered.remove(firing)
    start_run(course, firing)


def _decide_asked(course: Course) -> None:
    if FiringState.ASKED not in course.states:
        return
    asked = firings.in_state(course.schedule, FiringState.ASKED, limit=_MOST_TIMES + 1)
    for number, firing in enumerate(asked):
        if number >= _MOST_TIMES or course.starts >= _MOST_STARTS:
            course.unfinished = True
            return
        if not _attempt(course, firing, fire):
            return


# --- the times of the spec ------------------------------------------------------------------------


def _decide_due(course: Course) -> None:
    """Decide all times that have come, oldest first."""
    if course.fires:
        _leave_out_missed(course)
    due = itertools.takewhile(lambda each: each.fires_at <= course.now, course.occurrences())
    for number, occurrence in enumerate(due):
        if not course.fires:
            return
        if number >= _MOST_TIMES or course.starts >= _MOST_STARTS:
            course.unfinished = True
            return
        firing = new_firing(course, occurrence.nominal_at, TIME, course.config.overlap)
        if not _attempt(course, firing, _fire_once):
            return
        course.schedule.decided_until = occurrence.nominal_at


def _fire_once(course: Course, firing: Firing) -> None:
    """Fire a time of the spec, unless it has fired: for a backfill, or before the clock went back."""
    if not firings.at_times(course.schedule, [firing.nominal_at]):
        fire(course, firing)


def _leave_out_missed(course: Course) -> None:
    """Pass by the times that the catch-up window or mode excludes; count and note them."""
    config = course.config
    first = next(course.occurrences(), None)
    threshold = course.now - _ON_TIME
    if first is None or first.fires_at >= threshold:
        return
    _pass_by(course, course.now - config.catch_up_window, "outside_window")
    if config.catch_up is CatchUp.ALL:
        return
    late = _latest(config.spec, course.schedule.decided_until, threshold)
    if late is not None:
        _pass_by(course, _first_to_fire(course, late, threshold), "missed")


def _first_to_fire(course: Course, late: dt.datetime, threshold: dt.datetime) -> dt.datetime:
    """Give the time from which on times fire, where only the latest or none of the missed ones do.

    `late` is the last nominal time up to the threshold. Jitter may still have it in time: every other of
    the missed ones fires before the next one's nominal time.
    """
    spec, seed = course.config.spec, course.schedule.schedule_id
    fires = occurrences_after(spec, late - _MICROSECOND, seed=seed)
    if next(fires).fires_at >= threshold:
        return late
    following = next(fires, None)
    in_time = following is not None and following.fires_at <= course.now
    if course.config.catch_up is CatchUp.ONE and not in_time:
        return late
    return threshold + _MICROSECOND


def _pass_by(course: Course, until: dt.datetime, reason: str) -> None:
    """Decide that the times before `until` start nothing."""
    schedule, spec = course.schedule, course.config.spec
    if until <= schedule.decided_until:
        return
    times = times_after(spec, schedule.decided_until)
    counted = list(
        itertools.islice(itertools.takewhile(lambda time: time < until, times), _MOST_COUNTED)
    )
    if counted:
        more = len(counted) == _MOST_COUNTED
        last = _latest(spec, counted[-1], until - _MICROSECOND) if more else None
        course.note_skipped(
            counted[0], reason, count=len(counted), last=last or counted[-1], at_least=more
        )
        schedule.missed_count += len(counted)
    schedule.decided_until = until - _MICROSECOND


def _latest(spec: ScheduleSpec, after: dt.datetime, until: dt.datetime) -> dt.datetime | None:
    """Find the last time later than `after` and not later than `until`, from the end."""
    back = _FIRST_LOOK_BACK
    while True:
        begin = max(after, until - back)
        times = itertools.takewhile(lambda time: time <= until, times_after(spec, begin))
        latest = None
        for latest in times:  # noqa: B007  # the last is what is looked for
            pass
        if latest is not None or begin == after:
            return latest
        back *= 4
