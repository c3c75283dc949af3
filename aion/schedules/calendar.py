"""Calendars: dates and times whose parts all fit, with years, where a cron lets either kind of day do."""

from __future__ import annotations

import calendar as months
import datetime as dt
import functools
import itertools
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from aion.core.errors import InvalidArgument
from aion.schedules.cron import Cron, find_zone

_SECOND: Final = dt.timedelta(seconds=1)
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9999
_WEEK: Final = 7
_MOST_DATES: Final = 200  # looked at in a row; behind them there is nothing
_YEARS: Final = re.compile(r"(?P<first>\d{4})(-(?P<last>\d{4})(/(?P<step>[1-9]\d{0,3}))?)?")
_PARTS: Final = ("second", "minute", "hour", "day_of_month", "month", "day_of_week", "year")


class Calendar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The times whose parts all fit, on the clock of the spec's time zone; midnight of each day unless told.

    Parts are written as the fields of a cron. `year` takes numbers, lists, ranges and steps, as in
    `2026,2030-2040/2`. A day must fit `day_of_month` and `day_of_week`: the thirteenth *and* a Friday.

    Raises:
        InvalidArgument: a part cannot be read, or no date fits.
    """

    second: str = "0"
    minute: str = "0"
    hour: str = "0"
    day_of_month: str = "*"
    month: str = "*"
    day_of_week: str = "*"
    year: str = "*"
    comment: str = ""

    def __post_init__(self) -> None:
        for part in _PARTS:
            value = getattr(self, part)
            if not isinstance(value, str) or not value or len(value.split()) != 1:
                raise _refused(f"its {part} must be one word, not {value!r}")
        if not isinstance(self.comment, str):
            raise _refused(f"its comment must be text, not {self.comment!r}")
        first = min(self._years or {_FIRST_YEAR})
        try:
            found = self.next_after(dt.datetime(first, 1, 1, tzinfo=dt.UTC) - _SECOND, "UTC")
        except InvalidArgument as error:
            raise _refused(str(error).partition(": ")[2] or str(error)) from error
        if found is None:
            raise _refused("it has no date")

    @property
    def _years(self) -> frozenset[int]:
        """The years that fit; none for all of them."""
        return _read_years(self.year)

    def next_after(self, at: dt.datetime, time_zone: str) -> dt.datetime | None:
        """Give the first time later than `at`, in UTC; None where there is no other."""
        zone = find_zone(time_zone)
        of_month = Cron(f"{self._clock} {self.day_of_month} {self.month} *", time_zone)
        for _ in range(_MOST_DATES):
            found = of_month.next_after(at)
            if found is None:
                return None
            date = found.astimezone(zone).date()
            fitting = self._first_fitting(date)
            if fitting == date:
                return found
            if fitting is None:
                return None
            midnight = dt.datetime.combine(fitting, dt.time(), zone).astimezone(dt.UTC)
            at = max(found, midnight - _SECOND)
        return None

    def times_after(self, at: dt.datetime, time_zone: str) -> Iterator[dt.datetime]:
        """Give all times later than `at`, in order."""
        found = self.next_after(at, time_zone)
        while found is not None:
            yield found
            found = self.next_after(found, time_zone)

    def describe(self, time_zone: str) -> str:
        """Say it in words, or by its comment."""
        if self.comment:
            return self.comment
        words = Cron(f"{self._clock} {self.day_of_month} {self.month} *", time_zone).describe()
        days = "" if self.day_of_week == "*" else f", if the day of week is {self.day_of_week}"
        return words + days + ("" if self.year == "*" else f", in {self.year}")

    @property
    def _clock(self) -> str:
        return f"{self.second} {self.minute} {self.hour}"

    def _first_fitting(self, date: dt.date) -> dt.date | None:
        """Give the date if its year and its day of week fit, or else the first later one that may."""
        years = self._years
        for year in range(date.year, _LAST_YEAR + 1):
            if (years and year not in years) or not self._has_date_in(year):
                continue
            day = max(date, dt.date(year, 1, 1))
            if self.day_of_week == "*":
                return day
            return next((each for each in _days_from(day) if _is_on(self.day_of_week, each)), None)
        return None

    def _has_date_in(self, year: int) -> bool:
        """Tell whether days of a year fit. There are fourteen kinds of years, so a search is never long."""
        if self.day_of_week == "*" and "*" in (self.day_of_month, self.month):
            return True
        kind = (dt.date(year, 1, 1).weekday(), months.isleap(year))
        return _has_date(self.day_of_month, self.month, self.day_of_week, *kind)


def _refused(why: str) -> InvalidArgument:
    return InvalidArgument(f"calendar: {why}", field="calendars")


def _days_from(date: dt.date) -> Iterator[dt.date]:
    """Give the date and those behind it, as far as any day of week is found."""
    last = min(date.toordinal() + 366, dt.date.max.toordinal())
    return map(dt.date.fromordinal, range(date.toordinal(), last + 1))


@functools.lru_cache(maxsize=4096)
def _has_date(
    day_of_month: str, month: str, day_of_week: str, first_weekday: int, is_leap: bool
) -> bool:
    year = next(
        year
        for year in range(2000, 2028)
        if (dt.date(year, 1, 1).weekday(), months.isleap(year)) == (first_weekday, is_leap)
    )
    of_month = Cron(f"0 0 {day_of_month} {month} *")
    beginning = dt.datetime(year, 1, 1, tzinfo=dt.UTC) - _SECOND
    dates = itertools.takewhile(lambda at: at.year == year, of_month.times_after(beginning))
    return any(day_of_week == "*" or _is_on(day_of_week, at.date()) for at in dates)


def _is_on(day_of_week: str, date: dt.date) -> bool:
    is_last = date.day + _WEEK > months.monthrange(date.year, date.month)[1]
    return _kind_is_on(day_of_week, date.weekday(), (date.day - 1) // _WEEK, is_last)


@functools.lru_cache(maxsize=4096)
def _kind_is_on(day_of_week: str, weekday: int, earlier: int, is_last: bool) -> bool:
    """Tell whether days of a kind fit: those of a weekday, behind so many others of it in their month.

    A search may look at thousands of days, so each kind is asked for once, by one of its days.
    """
    beginning = dt.date(2000, 1, 1).toordinal()
    for day in map(dt.date.fromordinal, itertools.count(beginning)):
        last = day.day + _WEEK > months.monthrange(day.year, day.month)[1]
        if (day.weekday(), (day.day - 1) // _WEEK, last) == (weekday, earlier, is_last):
            break
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    return Cron(f"0 0 * * {day_of_week}").next_after(midnight - _SECOND) == midnight


@functools.lru_cache(maxsize=256)
def _read_years(text: str) -> frozenset[int]:
    if text == "*":
        return frozenset()
    years: set[int] = set()
    for part in text.split(","):
        match = _YEARS.fullmatch(part)
        if match is None:
            raise _refused(f"its year {text!r} cannot be read")
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if not _FIRST_YEAR <= first <= last <= _LAST_YEAR:
            raise _refused(f"its year {text!r} must lie in {_FIRST_YEAR} to {_LAST_YEAR}, in order")
        years.update(range(first, last + 1, int(match["step"] or 1)))
    return frozenset(years)
