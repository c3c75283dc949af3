"""When a schedule's times are: crons, calendars and intervals merged, without what is left out."""

from __future__ import annotations

import datetime as dt
import hashlib
import heapq
import itertools
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from aion.core.errors import InvalidArgument
from aion.schedules.calendar import Calendar
from aion.schedules.cron import Cron, find_zone

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EARLIEST: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_SECOND: Final = dt.timedelta(seconds=1)
_LONGEST: Final = dt.timedelta(days=36_500)
_MOST_ENTRIES: Final = 100
_MOST_DATES: Final = 1_000
_MOST_LEFT_OUT: Final = 10_000  # times in a row; behind them there is nothing
_MOST_SEEKS: Final = 10_000  # searches for times of `skip` in a row; likewise


class Interval(msgspec.Struct, frozen=True):
    """Every so often: the times of the Unix epoch plus `offset` plus any number of `every`.

    Raises:
        InvalidArgument: `every` is shorter than a second, or the offset is not below it.
    """

    every: dt.timedelta
    offset: dt.timedelta = dt.timedelta(0)

    def __post_init__(self) -> None:
        for field, value in (("every", self.every), ("offset", self.offset)):
            if not isinstance(value, dt.timedelta):
                raise InvalidArgument(f"{field} must be a timedelta, not {value!r}", field=field)
        if not _SECOND <= self.every <= _LONGEST:
            raise InvalidArgument(
                f"every must be from a second to a hundred years, not {self.every}", field="every"
            )
        if not dt.timedelta(0) <= self.offset < self.every:
            raise InvalidArgument(
                f"offset must be from zero to below every, not {self.offset}", field="offset"
            )

    def next_after(self, at: dt.datetime) -> dt.datetime | None:
        """Give the first time later than `at`, in UTC; None where the calendar ends."""
        beginning = _EPOCH + self.offset
        try:
            return beginning + self.every * ((at - beginning) // self.every + 1)
        except OverflowError:
            return None

    def times_after(self, at: dt.datetime) -> Iterator[dt.datetime]:
        """Give all times later than `at`, in order."""
        found = self.next_after(at)
        while found is not None:
            yield found
            found = self.next_after(found)


class Occurrence(msgspec.Struct, frozen=True):
    """A time of a schedule: the nominal one, which names it, and when it fires, later by the jitter."""

    nominal_at: dt.datetime
    fires_at: dt.datetime


class ScheduleSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a schedule fires: the times of all crons, calendars and intervals together, each time once.

    Crons and calendars are read in `time_zone`. A time that one of the `skip` crons has too, or whose date
    there is one of `skip_dates`, is left out; so is what is before `start_at` or after `end_at`. A time fires
    up to `jitter` later, never later than the next time, and by the same delay whenever it is asked for.

    Raises:
        InvalidArgument: a field is not usable; it is named.
    """

    crons: tuple[str, ...] = ()
    intervals: tuple[Interval, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    time_zone: str = "UTC"
    skip: tuple[str, ...] = ()
    skip_dates: tuple[dt.date, ...] = ()
    start_at: dt.datetime | None = None
    end_at: dt.datetime | None = None
    jitter: dt.timedelta = dt.timedelta(0)

    def __post_init__(self) -> None:
        for field in ("crons", "intervals", "calendars", "skip", "skip_dates"):
            _make_tuple(self, field)
        find_zone(self.time_zone)
        if not self.crons and not self.intervals and not self.calendars:
            text = "A schedule needs a cron, a calendar or an interval"
            raise InvalidArgument(text, field="crons")
        for expression in (*self.crons, *self.skip):
            Cron(expression, self.time_zone)
        _check_members("intervals", self.intervals, Interval)
        _check_members("calendars", self.calendars, Calendar)
        _check_members("skip_dates", self.skip_dates, dt.date)
        _check_bounds(self)
        if not isinstance(self.jitter, dt.timedelta) or not (
            dt.timedelta(0) <= self.jitter <= _LONGEST
        ):
            raise InvalidArgument(
                f"jitter must be a timedelta from zero to a hundred years, not {self.jitter!r}",
                field="jitter",
            )

    def describe(self) -> str:
        """Say the spec in words."""
        crons = [Cron(each, self.time_zone).describe() for each in self.crons]
        calendars = [each.describe(self.time_zone) for each in self.calendars]
        return "; ".join([*crons, *calendars, *(_words(each) for each in self.intervals)])


def _words(interval: Interval) -> str:
    offset = f", offset {interval.offset}" if interval.offset else ""
    return f"Every {interval.every}{offset}"


def _make_tuple(spec: ScheduleSpec, field: str) -> None:
    values = getattr(spec, field)
    if isinstance(values, list):
        values = tuple(values)
        msgspec.structs.force_setattr(spec, field, values)
    most = _MOST_DATES if field == "skip_dates" else _MOST_ENTRIES
    if not isinstance(values, tuple):
        raise InvalidArgument(f"{field} must be a list or tuple, not {values!r}", field=field)
    if len(values) > most:
        raise InvalidArgument(
            f"{field} has {len(values)} entries; {most} are the most", field=field
        )


def _check_members(field: str, values: tuple[Any, ...], kind: type) -> None:
    for value in values:
        if not isinstance(value, kind) or isinstance(value, dt.datetime):
            raise InvalidArgument(
                f"{field} must hold {kind.__name__} objects, not {value!r}", field=field
            )


def _check_bounds(spec: ScheduleSpec) -> None:
    for field in ("start_at", "end_at"):
        value = getattr(spec, field)
        if value is None:
            continue
        if not isinstance(value, dt.datetime) or value.tzinfo is None:
            raise InvalidArgument(f"{field} must be an aware datetime, not {value!r}", field=field)
        msgspec.structs.force_setattr(spec, field, value.astimezone(dt.UTC))
    if spec.start_at is not None and spec.end_at is not None and spec.end_at < spec.start_at:
        raise InvalidArgument("end_at must not be before start_at", field="end_at")


# --- times ----------------------------------------------------------------------------------------


def times_after(spec: ScheduleSpec, at: dt.datetime) -> Iterator[dt.datetime]:
    """Give all nominal times later than `at`, in order, each once, in UTC."""
    if spec.start_at is not None and at < spec.start_at:
        at = spec.start_at - dt.timedelta(microseconds=1)
    merged = heapq.merge(
        *(Cron(each, spec.time_zone).times_after(at) for each in spec.crons),
        *(each.times_after(at, spec.time_zone) for each in spec.calendars),
        *(each.times_after(at) for each in spec.intervals),
    )
    skips = _Skips(spec)
    in_a_row = seeks = 0
    for time, _ in itertools.groupby(merged):
        if spec.end_at is not None and time > spec.end_at:
            return
        if not skips.have(time):
            in_a_row, seeks = 0, skips.seeks
            yield time
            continue
        in_a_row += 1
        if in_a_row >= _MOST_LEFT_OUT or skips.seeks - seeks >= _MOST_SEEKS:
            return


class _Skips:
    """What is left out, asked for one time after the other. `seeks` counts what that has cost."""

    def __init__(self, spec: ScheduleSpec) -> None:
        self._zone = find_zone(spec.time_zone)
        self._dates = frozenset(spec.skip_dates)
        self._crons = [Cron(each, spec.time_zone) for each in spec.skip]
        # By cron its next time: of one that is rare it is searched for rarely.
        self._next: list[dt.datetime | None] = [_EARLIEST] * len(self._crons)
        self.seeks = 0

    def have(self, time: dt.datetime) -> bool:
        """Tell whether a time is left out; it must not be earlier than the last one."""
        if self._dates and time.astimezone(self._zone).date() in self._dates:
            return True
        return any(self._has(number, time) for number in range(len(self._crons)))

    def _has(self, number: int, time: dt.datetime) -> bool:
        found = self._next[number]
        if found is not None and found < time:
            self.seeks += 1
            found = self._next[number] = self._crons[number].next_after(time - _SECOND)
        return found == time


def next_times(spec: ScheduleSpec, after: dt.datetime, count: int) -> list[dt.datetime]:
    """Give the next nominal times later than `after`, at most `count`."""
    return list(itertools.islice(times_after(spec, after), count))


def occurrences_after(spec: ScheduleSpec, at: dt.datetime, *, seed: str) -> Iterator[Occurrence]:
    """Give the occurrences whose nominal time is later than `at`, in order of both their times.

    Shapes: seed: what differs between schedules, so that they do not all fire at once.
    """
    times = times_after(spec, at)
    if not spec.jitter:
        yield from (Occurrence(time, time) for time in times)
        return
    nominal = next(times, None)
    while nominal is not None:
        following = next(times, None)
        most = spec.jitter if following is None else min(spec.jitter, following - nominal)
        yield Occurrence(nominal, nominal + most * _fraction(seed, nominal))
        nominal = following


def _fraction(seed: str, nominal: dt.datetime) -> float:
    """Give the number in [0, 1) that belongs to this time of this schedule in every process."""
    text = f"{seed}@{nominal.isoformat()}".encode("utf-8", "backslashreplace")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    # 53 bits are what a float holds exactly; more would round up to 1.0.
    return (int.from_bytes(digest, "big") >> 11) / 2**53
