"""Cron expressions: their dates, and what the changes of the clock do to them."""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aion.core.errors import InvalidArgument
from aion.schedules.cron import Cron

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def following(cron: Cron, text: str, count: int) -> list[str]:
    """The next times, as the clock of the expression's zone shows them, with its offset."""
    at = dt.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(cron.time_zone))
    found = itertools.islice(cron.times_after(at), count)
    zone = zoneinfo.ZoneInfo(cron.time_zone)
    return [each.astimezone(zone).strftime("%m-%d %H:%M:%S%z") for each in found]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/15 9-10 * * MON", ["2024-01-08 09:00", "2024-01-08 09:15", "2024-01-08 09:30"]),
        ("0 0 1 JAN *", ["2025-01-01 00:00", "2026-01-01 00:00", "2027-01-01 00:00"]),
        ("0 12 L * *", ["2024-01-31 12:00", "2024-02-29 12:00", "2024-03-31 12:00"]),
        ("0 12 LW * *", ["2024-01-31 12:00", "2024-02-29 12:00", "2024-03-29 12:00"]),
        ("0 12 * * 5L", ["2024-01-26 12:00", "2024-02-23 12:00", "2024-03-29 12:00"]),
        ("0 12 * * FRI#2", ["2024-01-12 12:00", "2024-02-09 12:00", "2024-03-08 12:00"]),
        ("0 0 29 2 *", ["2024-02-29 00:00", "2028-02-29 00:00", "2032-02-29 00:00"]),
        ("20,40 * * * * *", ["2024-01-02 00:00:20", "2024-01-02 00:00:40", "2024-01-02 00:01:20"]),
        ("@daily", ["2024-01-03 00:00", "2024-01-04 00:00", "2024-01-05 00:00"]),
    ],
)
def test_dates(expression: str, expected: list[str]) -> None:
    found = itertools.islice(Cron(expression).times_after(utc("2024-01-02 00:00")), 3)

    assert list(found) == [utc(each) for each in expected]


def test_the_next_time_is_strictly_later() -> None:
    cron = Cron("0 9 * * *")

    assert cron.next_after(utc("2024-01-02 08:59:59.999999")) == utc("2024-01-02 09:00")
    assert cron.next_after(utc("2024-01-02 09:00")) == utc("2024-01-03 09:00")
    assert cron.next_after(utc("2024-01-02 09:00:00.000001")) == utc("2024-01-03 09:00")


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 30 2 * * *"])
@pytest.mark.parametrize(
    ("zone", "before", "expected"),
    [
        (
            "Europe/Berlin",
            "2024-03-30 02:30",
            ["03-31 03:00:00+0200", "04-01 02:30:00+0200"],
        ),
        (
            "America/New_York",
            "2024-03-09 02:30",
            ["03-10 03:00:00-0400", "03-11 02:30:00-0400"],
        ),
    ],
)
def test_a_fixed_time_in_the_gap_of_spring_comes_once_when_the_gap_ends(
    expression: str, zone: str, before: str, expected: list[str]
) -> None:
    assert following(Cron(expression, zone), before, 2) == expected


def test_a_gap_of_half_an_hour() -> None:
    lord_howe = Cron("15 2 * * *", "Australia/Lord_Howe")

    assert following(lord_howe, "2024-10-05 12:00", 2) == [
        "10-06 02:30:00+1100",
        "10-07 02:15:00+1100",
    ]


def test_several_fixed_times_in_one_gap_come_once() -> None:
    berlin = Cron("10,20,30 2 * * *", "Europe/Berlin")

    assert following(berlin, "2024-03-30 02:30", 2) == [
        "03-31 03:00:00+0200",
        "04-01 02:10:00+0200",
    ]


@pytest.mark.parametrize("seconds", ["", "0 "])
@pytest.mark.parametrize(
    ("zone", "time", "before", "expected"),
    [
        (
            "Europe/Berlin",
            "30 2",
            "2024-10-26 12:00",
            ["10-27 02:30:00+0200", "10-28 02:30:00+0100"],
        ),
        (
            "America/New_York",
            "30 1",
            "2024-11-02 12:00",
            ["11-03 01:30:00-0400", "11-04 01:30:00-0500"],
        ),
        (
            "Australia/Lord_Howe",
            "45 1",
            "2024-04-06 12:00",
            ["04-07 01:45:00+1100", "04-08 01:45:00+1030"],
        ),
    ],
)
def test_a_fixed_time_in_the_overlap_of_autumn_comes_once(
    seconds: str, zone: str, time: str, before: str, expected: list[str]
) -> None:
    assert following(Cron(f"{seconds}{time} * * *", zone), before, 2) == expected


def test_asked_within_the_repeated_hour_a_fixed_time_is_over() -> None:
    berlin = Cron("30 2 * * *", "Europe/Berlin")

    # 02:10 for the second time.
    assert berlin.next_after(utc("2024-10-27 01:10")) == utc("2024-10-28 01:30")


def test_every_half_hour_follows_real_time_through_both_changes() -> None:
    berlin = Cron("*/30 * * * *", "Europe/Berlin")

    spring = list(itertools.islice(berlin.times_after(utc("2024-03-31 00:00")), 4))
    autumn = list(itertools.islice(berlin.times_after(utc("2024-10-27 00:00")), 4))

    assert spring == [utc(f"2024-03-31 {time}") for time in ("00:30", "01:00", "01:30", "02:00")]
    assert autumn == [utc(f"2024-10-27 {time}") for time in ("00:30", "01:00", "01:30", "02:00")]


def test_an_hour_after_an_overlap_of_half_an_hour_is_whole() -> None:
    lord_howe = Cron("*/15 3 * * *", "Australia/Lord_Howe")

    assert following(lord_howe, "2024-04-07 00:00", 4) == [
        "04-07 03:00:00+1030",
        "04-07 03:15:00+1030",
        "04-07 03:30:00+1030",
        "04-07 03:45:00+1030",
    ]


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day-of-month"),
        ("* * * 13 *", "month"),
        ("* * * FOO *", "month"),
        ("* * * * 8", "day-of-week"),
        ("* * * * MON#6", "day-of-week"),
        ("61 * * * * *", "second"),
        ("*/0 * * * *", "minute"),
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("@sometimes", "1 fields"),
        ("0 0 30 2 *", "no month has it"),
        ("0 0 */31 2 MON#5", "has no date"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(expression: str, named: str) -> None:
    with pytest.raises(InvalidArgument, match=named) as caught:
        Cron(expression)

    assert caught.value.field == "cron"  # type: ignore[attr-defined]
    assert caught.value.code == "invalid_argument"


@pytest.mark.parametrize(
    "zone", ["Europe/Atlantis", "", "Europe", "../etc/passwd", "a\0b", 5, None]
)
def test_unknown_time_zones_are_refused(zone: Any) -> None:
    with pytest.raises(InvalidArgument, match="time_zone"):
        Cron("* * * * *", zone)


@pytest.mark.parametrize("expression", [None, 5, b"* * * * *", "* " * 200])
def test_what_is_no_expression_is_refused(expression: Any) -> None:
    with pytest.raises(InvalidArgument, match="cron"):
        Cron(expression)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="time zone"):
        Cron("* * * * *").next_after(dt.datetime(2024, 1, 1))


def test_the_calendar_ends() -> None:
    assert Cron("0 0 1 1 *").next_after(utc("9999-06-01")) is None


def test_words() -> None:
    assert Cron("0 9 * * MON-FRI").describe() == "At 09:00 on Monday through Friday"
    assert Cron("0 9 * * *", "Europe/Berlin").describe() == "At 09:00 every day (Europe/Berlin)"


# --- properties -----------------------------------------------------------------------------------


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.lists(number, min_size=2, max_size=3).map(lambda each: ",".join(map(str, each))),
        st.integers(2, 30).map(lambda step: f"*/{step}"),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    )


EXPRESSIONS = st.tuples(
    fields(0, 59), fields(0, 23), fields(1, 28), fields(1, 12), fields(0, 6)
).map(" ".join)
TIMES = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1), timezones=st.just(dt.UTC))
NEAR_CHANGES = st.builds(
    lambda change, seconds: utc(change) + dt.timedelta(seconds=seconds),
    st.sampled_from(
        [
            *("2024-03-31 01:00", "2024-10-27 01:00"),
            *("2024-03-10 07:00", "2024-11-03 06:00"),
            *("2024-10-05 15:30", "2024-04-06 15:00"),
        ]
    ),
    st.integers(-9_000, 9_000),
)


@settings(deadline=None)
@given(EXPRESSIONS, st.sampled_from(ZONES), st.one_of(TIMES, NEAR_CHANGES))
def test_times_grow_and_none_lies_between_a_time_and_its_next(
    expression: str, zone: str, at: dt.datetime
) -> None:
    cron = Cron(expression, zone)
    found = cron.next_after(at)

    assert found is not None
    assert found > at
    assert found.tzinfo is dt.UTC
    assert cron.next_after(found - dt.timedelta(seconds=1)) == found
    halfway = at + (found - at) / 2
    assert cron.next_after(halfway) == found


@settings(deadline=None)
@given(fields(0, 59), st.sampled_from(ZONES), NEAR_CHANGES)
def test_real_time_has_exactly_the_minutes_that_the_clock_shows(
    minute: str, zone: str, at: dt.datetime
) -> None:
    at = at.replace(second=0)
    cron = Cron(f"{minute} * * * *", zone)
    minutes = [at + dt.timedelta(minutes=each) for each in range(1, 200)]

    found = list(itertools.takewhile(lambda time: time <= minutes[-1], cron.times_after(at)))

    shown = Cron(f"{minute} * * * *")  # every zone's minutes, on a clock that is never changed
    local = zoneinfo.ZoneInfo(zone)
    assert found == [
        each
        for each in minutes
        if shown.next_after(_as_utc(each, local) - dt.timedelta(seconds=1)) == _as_utc(each, local)
    ]


def _as_utc(at: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    return at.astimezone(zone).replace(tzinfo=dt.UTC, fold=0)


@settings(deadline=None)
@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from(ZONES), NEAR_CHANGES)
def test_a_fixed_time_comes_once_on_each_day(
    hour: int, minute: int, zone: str, at: dt.datetime
) -> None:
    found = itertools.islice(Cron(f"{minute} {hour} * * *", zone).times_after(at), 4)

    days = [each.astimezone(zoneinfo.ZoneInfo(zone)).date() for each in found]
    assert [later - earlier for earlier, later in itertools.pairwise(days)] == [dt.timedelta(1)] * 3
