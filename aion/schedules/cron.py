"""Cron expressions in a time zone, with the two days a year that have an hour too few or too many.

Theory of operation
-------------------
cronsim finds the dates of an expression on a wall clock without a zone; what the clock's changes do to them
is decided here, in UTC:

* A *fixed* time (neither minute nor hour begins with `*`, as Debian's cron says it) happens once a day. In
  the gap of spring it happens when the gap ends; in the overlap of autumn, when the clock shows it first.
* Any other expression follows real time: every half hour is every thirty minutes, whatever the clock shows.

cronsim's own rule is the same and holds for five fields and whole hours only; Lord Howe Island changes its
clocks by half an hour, and expressions with seconds have six fields.
"""

from __future__ import annotations

import copy
import datetime as dt
import functools
import zoneinfo
from collections.abc import Iterator
from typing import Final

import msgspec
from cronsim import CronSim, CronSimError

from aion.core.errors import InvalidArgument
from aion.core.texts import check_text

_LONGEST: Final = 255
_SECOND: Final = dt.timedelta(seconds=1)
_MINUTE: Final = dt.timedelta(minutes=1)
_DAY: Final = dt.timedelta(days=1)
_REFERENCE: Final = dt.datetime(2000, 1, 1)  # noqa: DTZ001  # a wall clock has no zone
_NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class Cron(msgspec.Struct, frozen=True):
    """A cron expression in a time zone.

    `expression` has five fields, minute, hour, day of month, month and day of week, or six with seconds
    first. Fields take names (`MON`, `JAN`), lists, ranges and steps; the day of month also `L` (the last) and
    `LW` (the last from Monday to Friday); the day of week also `5L` (the last Friday) and `5#2` (the second).
    `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` stand for what they say. `time_zone` is an IANA
    name.

    Raises:
        InvalidArgument: one of them cannot be read, or the expression has no date, as 30 February.
    """

    expression: str
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        check_text("cron", self.expression, most=_LONGEST)
        find_zone(self.time_zone)
        _parsed(self.expression)

    def next_after(self, at: dt.datetime) -> dt.datetime | None:
        """Give the first time later than `at`, in UTC; None where the calendar ends.

        Raises:
            InvalidArgument: `at` has no time zone.
        """
        if at.tzinfo is None:
            raise InvalidArgument("at must have a time zone", field="at")
        zone = find_zone(self.time_zone)
        find = _next_fixed if _is_fixed(self.expression) else _next_real
        try:
            return find(_parsed(self.expression), zone, at.astimezone(dt.UTC))
        except (StopIteration, OverflowError):
            return None

    def times_after(self, at: dt.datetime) -> Iterator[dt.datetime]:
        """Give all times later than `at`, in order."""
        found = self.next_after(at)
        while found is not None:
            yield found
            found = self.next_after(found)

    def describe(self) -> str:
        """Say the expression in words: "At 09:00 from Monday to Friday"."""
        words = _parsed(self.expression).explain()
        return words if self.time_zone == "UTC" else f"{words} ({self.time_zone})"


def find_zone(name: object) -> zoneinfo.ZoneInfo:
    """Give the time zone of an IANA name.

    Raises:
        InvalidArgument: there is none.
    """
    check_text("time_zone", name)
    try:
        return zoneinfo.ZoneInfo(str(name))
    except (
        KeyError,
        ValueError,
        OSError,
    ) as error:  # OSError: a folder of the database, or no name
        raise InvalidArgument(
            f"time_zone {name!r} is not known; give an IANA name such as Europe/Berlin",
            field="time_zone",
        ) from error


@functools.lru_cache(maxsize=4096)
def _parsed(expression: str) -> CronSim:
    """Parse an expression, and make sure that it has a date."""
    try:
        parsed = CronSim(_NAMED.get(expression.strip().lower(), expression), _REFERENCE)
        next(copy.copy(parsed))
    except CronSimError as error:
        raise InvalidArgument(_why(expression, str(error)), field="cron") from error
    except StopIteration:
        raise InvalidArgument(f"cron {expression!r} has no date", field="cron") from None
    return parsed


def _why(expression: str, reason: str) -> str:
    part = reason.removeprefix("Bad ")
    if part == reason:
        count = len(expression.split())
        return f"cron {expression!r} has {count} fields; there must be 5, or 6 with seconds first"
    if part == "day-of-month":
        return f"cron {expression!r}: its day-of-month cannot be read, or no month has it"
    return f"cron {expression!r}: its {part} cannot be read"


def _is_fixed(expression: str) -> bool:
    minute, hour = _parsed(expression).parts[1:3]
    return not minute.startswith("*") and not hour.startswith("*")


def _next_on_clock(parsed: CronSim, wall: dt.datetime) -> dt.datetime:
    """Give the first date later than `wall`, both without a zone."""
    walker = copy.copy(parsed)
    walker.dt = wall.replace(microsecond=0)
    return next(walker)


def _on_clock(at: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


# --- fixed times ----------------------------------------------------------------------------------


def _next_fixed(parsed: CronSim, zone: zoneinfo.ZoneInfo, at: dt.datetime) -> dt.datetime:
    wall = _on_clock(at, zone)
    if at.astimezone(zone).fold:  # what the clock shows for the second time has happened before
        wall = _end_of_overlap(wall, zone) - _SECOND
    while True:
        wall = _next_on_clock(parsed, wall)
        found = _first_showing(wall, zone)
        if found > at:  # several dates in one gap are one time
            return found


def _end_of_overlap(wall: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    wall = wall.replace(second=0, microsecond=0)
    while _offset(wall, zone, 0) != _offset(wall, zone, 1):
        wall += _MINUTE
    return wall


def _first_showing(wall: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """Give when the clock shows `wall` first, or when the gap ends in which it never does."""
    while _is_in_gap(wall, zone):
        wall = wall.replace(second=0) + _MINUTE
    return wall.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)


def _is_in_gap(wall: dt.datetime, zone: zoneinfo.ZoneInfo) -> bool:
    # In a gap the clock is set forward: the offset behind it is greater.
    return _offset(wall, zone, 0) < _offset(wall, zone, 1)


def _offset(wall: dt.datetime, zone: zoneinfo.ZoneInfo, fold: int) -> dt.timedelta:
    offset = wall.replace(tzinfo=zone, fold=fold).utcoffset()
    assert offset is not None  # noqa: S101  # a ZoneInfo has one for every date
    return offset


# --- real time ------------------------------------------------------------------------------------


def _next_real(parsed: CronSim, zone: zoneinfo.ZoneInfo, at: dt.datetime) -> dt.datetime:
    """Walk from one change of the clock to the next; in between it runs evenly."""
    at = since = at.replace(microsecond=0)
    wall = _on_clock(at, zone)
    while True:
        found = at + (_next_on_clock(parsed, wall) - wall)
        change = _next_change(zone, since, found)
        if change is None:
            return found
        # A second earlier, because what the clock shows at the change itself may be a date.
        since, at, wall = change, change - _SECOND, _on_clock(change, zone) - _SECOND


def _next_change(
    zone: zoneinfo.ZoneInfo, after: dt.datetime, until: dt.datetime
) -> dt.datetime | None:
    """Find the first change of the clock later than `after` and not later than `until`."""
    offset = after.astimezone(zone).utcoffset()
    low = after
    while low < until:
        high = min(low + _DAY, until)  # no clock is changed there and back within a day
        if high.astimezone(zone).utcoffset() != offset:
            return _bisect(zone, low, high)
        low = high
    return None


def _bisect(zone: zoneinfo.ZoneInfo, low: dt.datetime, high: dt.datetime) -> dt.datetime:
    offset = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + dt.timedelta(seconds=(high - low) // _SECOND // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high
