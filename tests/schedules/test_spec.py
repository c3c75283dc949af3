"""Specs: merged times, what is left out, bounds, and jitter."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aion.core.errors import InvalidArgument
from aion.schedules.calendar import Calendar
from aion.schedules.config import ScheduleAction, ScheduleConfig
from aion.schedules.cron import Cron
from aion.schedules.spec import Interval, ScheduleSpec, next_times, occurrences_after

HOUR = timedelta(hours=1)
AT = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)


def times(spec: ScheduleSpec, count: int, at: dt.datetime = AT) -> list[str]:
    return [f"{each:%m-%d %H:%M}" for each in next_times(spec, at, count)]


def test_intervals_are_aligned_to_the_epoch() -> None:
    assert times(ScheduleSpec(intervals=(Interval(HOUR),)), 2) == ["03-01 13:00", "03-01 14:00"]
    quarter = ScheduleSpec(intervals=(Interval(HOUR, timedelta(minutes=15)),))
    assert times(quarter, 2) == ["03-01 13:15", "03-01 14:15"]


@settings(deadline=None)
@given(
    st.timedeltas(timedelta(seconds=1), timedelta(days=400)),
    st.floats(0, 0.99),
    st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)),
)
def test_an_interval_is_strictly_later_and_keeps_its_distance(
    every: timedelta, share: float, at: dt.datetime
) -> None:
    interval = Interval(every, every * share)

    first, second = itertools.islice(interval.times_after(at), 2)

    assert at < first <= at + every
    assert second - first == every


def test_crons_and_intervals_are_merged_and_a_common_time_comes_once() -> None:
    spec = ScheduleSpec(crons=("0 13 * * *", "30 13 * * *"), intervals=(Interval(HOUR),))

    assert times(spec, 4) == ["03-01 13:00", "03-01 13:30", "03-01 14:00", "03-01 15:00"]


def test_what_is_skipped() -> None:
    spec = ScheduleSpec(
        crons=("0 9 * * *",),
        skip=("* * * * SUN",),
        skip_dates=(dt.date(2026, 3, 3),),
        time_zone="Asia/Tokyo",
    )

    # 2 March is a Monday, 9 o'clock in Tokyo is midnight in UTC.
    assert times(spec, 6) == [
        *("03-02 00:00", "03-04 00:00", "03-05 00:00", "03-06 00:00", "03-07 00:00", "03-09 00:00")
    ]


def test_a_spec_that_skips_all_of_its_times_ends() -> None:
    spec = ScheduleSpec(intervals=(Interval(timedelta(seconds=1)),), skip=("* * * * * *",))

    assert next_times(spec, AT, 1) == []


def test_the_bounds_are_inclusive() -> None:
    spec = ScheduleSpec(
        intervals=(Interval(HOUR),), start_at=AT + HOUR * 1.5, end_at=AT + HOUR * 3.5
    )

    assert times(spec, 10) == ["03-01 14:00", "03-01 15:00", "03-01 16:00"]


def test_jitter_delays_in_the_order_of_times_and_is_stable() -> None:
    spec = ScheduleSpec(intervals=(Interval(HOUR),), jitter=timedelta(days=1))
    found = list(itertools.islice(occurrences_after(spec, AT, seed="a"), 50))
    again = list(itertools.islice(occurrences_after(spec, found[9].nominal_at, seed="a"), 40))

    assert again == found[10:]
    assert all(each.nominal_at <= each.fires_at < each.nominal_at + HOUR for each in found)
    assert [each.fires_at for each in found] == sorted(each.fires_at for each in found)
    assert len({each.fires_at - each.nominal_at for each in found}) > 40
    other = itertools.islice(occurrences_after(spec, AT, seed="b"), 50)
    assert [each.fires_at for each in other] != [each.fires_at for each in found]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["*/7 * * * *", "0 9 * * MON-FRI", "15 */3 * * *"]), max_size=3),
    st.lists(st.integers(60, 100_000), min_size=1, max_size=3),
    st.integers(0, 10_000_000),
)
def test_next_times_are_the_union_of_their_sources(
    crons: list[str], seconds: list[int], later: int
) -> None:
    intervals = tuple(Interval(timedelta(seconds=each)) for each in seconds)
    at = AT + timedelta(seconds=later)
    spec = ScheduleSpec(crons=tuple(crons), intervals=intervals)

    found = next_times(spec, at, 20)

    sources: list[Any] = [*(Cron(each) for each in crons), *intervals]
    expected = {
        time
        for source in sources
        for time in itertools.takewhile(lambda each: each <= found[-1], source.times_after(at))
    }
    assert found == sorted(expected)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "crons"),
        ({"crons": "0 9 * * *"}, "crons"),
        ({"crons": ["60 * * * *"]}, "cron"),
        ({"crons": ["0 9 * * *"] * 101}, "crons"),
        ({"crons": ["0 9 * * *"], "skip": ["never"]}, "cron"),
        ({"crons": ["0 9 * * *"], "time_zone": "Mars"}, "time_zone"),
        ({"crons": ["0 9 * * *"], "skip_dates": ["2026-01-01"]}, "skip_dates"),
        ({"crons": ["0 9 * * *"], "start_at": dt.datetime(2026, 1, 1)}, "start_at"),
        ({"crons": ["0 9 * * *"], "start_at": AT, "end_at": AT - HOUR}, "end_at"),
        ({"crons": ["0 9 * * *"], "jitter": -HOUR}, "jitter"),
        ({"crons": ["0 9 * * *"], "jitter": 5}, "jitter"),
        ({"intervals": [HOUR]}, "intervals"),
    ],
)
def test_specs_that_cannot_be_used_are_refused_by_field(
    options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        ScheduleSpec(**options)

    assert caught.value.field == field  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("every", "offset"), [(0.5, 0), (-1, 0), (10, 10), (10, -1), (5 * 10**9, 0)]
)
def test_intervals_that_cannot_be_used_are_refused(every: float, offset: float) -> None:
    with pytest.raises(InvalidArgument):
        Interval(timedelta(seconds=every), timedelta(seconds=offset))


@pytest.mark.parametrize(
    ("template", "ok"),
    [("{schedule_id}-{time}", True), ("fixed", True), ("{x}", False), ("", False), ("{", False)],
)
def test_workflow_id_templates(template: str, ok: bool) -> None:
    action = ScheduleAction(workflow_type="T", workflow_id=template)
    if not ok:
        with pytest.raises(InvalidArgument, match="workflow_id"):
            action.check_template("s")
        return
    action.check_template("s")
    with pytest.raises(InvalidArgument):
        ScheduleAction(workflow_type="T", workflow_id=template + "x" * 256).check_template("s")


def test_a_schedule_id_that_looks_like_a_placeholder_stays_itself() -> None:
    action = ScheduleAction(workflow_type="T")

    assert action.workflow_id_at("{time}", AT) == "{time}-2026-03-01T12:30:00Z"


def test_a_config_is_read_back_as_it_was() -> None:
    config = ScheduleConfig(
        spec=ScheduleSpec(
            crons=("0 9 * * *",),
            intervals=(Interval(HOUR, timedelta(minutes=1)),),
            time_zone="Europe/Berlin",
            skip_dates=(dt.date(2026, 1, 1),),
            start_at=AT,
            jitter=HOUR,
        ),
        action=ScheduleAction(workflow_type="T", input=msgspec.Raw(b'{"a":[1]}')),
        overlap="buffer_all",  # type: ignore[arg-type]
    )

    again = msgspec.json.decode(msgspec.json.encode(config), type=ScheduleConfig)

    assert again == config
    assert again.replace(pause_on_failure=True).pause_on_failure
    for field, value in (("overlap", "maybe"), ("catch_up", 1), ("catch_up_window", HOUR / 3600)):
        with pytest.raises(InvalidArgument, match=field):
            config.replace(**{field: value})


# --- calendars ------------------------------------------------------------------------------------


def calendar(**parts: str) -> ScheduleSpec:
    return ScheduleSpec(calendars=(Calendar(**parts),))


def dates(spec: ScheduleSpec, count: int) -> list[str]:
    return [f"{each:%Y-%m-%d %H:%M}" for each in next_times(spec, AT, count)]


def test_all_parts_of_a_calendar_must_fit() -> None:
    friday_the_13th = calendar(hour="9", day_of_month="13", day_of_week="FRI")
    assert dates(friday_the_13th, 3) == [
        "2026-03-13 09:00",
        "2026-11-13 09:00",
        "2027-08-13 09:00",
    ]
    leap = calendar(day_of_month="29", month="FEB", day_of_week="1")
    assert dates(leap, 2) == ["2044-02-29 00:00", "2072-02-29 00:00"]
    assert times(calendar(minute="*/20", hour="12,13"), 4) == [
        *("03-01 12:40", "03-01 13:00", "03-01 13:20", "03-01 13:40")
    ]


def test_a_calendar_has_years() -> None:
    new_year = calendar(day_of_month="1", month="1", year="2025,2030-2040/5")
    assert dates(new_year, 9) == [f"{year}-01-01 00:00" for year in (2030, 2035, 2040)]
    assert dates(calendar(year="2025"), 1) == []


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlin", ["2024-03-31T01:00", "2024-10-27T00:30"]),
        ("America/New_York", ["2024-03-10T07:00", "2024-11-03T07:30"]),
        ("Australia/Lord_Howe", ["2024-04-06T16:00", "2024-10-05T15:30"]),
    ],
)
def test_a_calendar_follows_the_changes_of_the_clock(zone: str, expected: list[str]) -> None:
    """At 02:30 of the days on which the clock is changed: in spring when the gap ends."""
    parts = {"hour": "2", "minute": "30", "day_of_week": "SUN", "year": "2024"}
    spec = ScheduleSpec(calendars=(Calendar(**parts),), time_zone=zone)
    begin = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

    found = [f"{each:%Y-%m-%dT%H:%M}" for each in next_times(spec, begin, 60)]

    assert len(found) == 52
    assert set(expected) <= set(found)


@settings(deadline=None, max_examples=10)
@given(
    st.sampled_from(["*", "0", "*/30", "15,45"]),
    st.sampled_from(["*", "0", "23", "*/6"]),
    st.sampled_from(["*", "13", "1-7", "L"]),
    st.sampled_from(["*", "FRI", "MON-FRI"]),
    st.sampled_from(["*", "2026", "2026-2028"]),
    st.sampled_from(["UTC", "America/Santiago", "Asia/Beirut", "Africa/Cairo", "Europe/Lisbon"]),
    st.datetimes(dt.datetime(2025, 1, 1), dt.datetime(2028, 6, 1), timezones=st.just(dt.UTC)),
)
def test_a_calendar_is_a_cron_of_the_fitting_dates(  # clocks change at midnight in some zones
    minute: str, hour: str, day: str, weekday: str, year: str, zone: str, at: dt.datetime
) -> None:
    parts = {"minute": minute, "hour": hour, "day_of_month": day, "day_of_week": weekday}
    found = list(itertools.islice(Calendar(**parts, year=year).times_after(at, zone), 3))

    on_clock = Cron(f"0 {minute} {hour} {day} * *", zone)
    on_day = Cron(f"0 0 * * {weekday}")
    until = found[-1] if found else at + dt.timedelta(days=500)

    def fits(time: dt.datetime) -> bool:
        date = dt.datetime.combine(time.astimezone(ZoneInfo(zone)), dt.time(), dt.UTC)
        of_year = year == "*" or date.year in {2026, *range(2026, 2029 if "-" in year else 2027)}
        return of_year and on_day.next_after(date - timedelta(seconds=1)) == date

    within = itertools.takewhile(lambda time: time <= until, on_clock.times_after(at))
    assert found == [time for time in within if fits(time)]


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ({"hour": "24"}, "hour"),
        ({"hour": "1 2"}, "hour"),
        ({"minute": ""}, "minute"),
        ({"second": 5}, "second"),
        ({"day_of_month": "30", "month": "2"}, "day-of-month"),
        ({"day_of_month": "1-7", "day_of_week": "1#5"}, "no date"),
        ({"day_of_week": "someday"}, "day-of-week"),
        ({"year": "26"}, "year"),
        ({"year": "2030-2020"}, "year"),
        ({"year": "2026/2"}, "year"),
        ({"year": "9" * 400}, "year"),
        ({"year": "2025", "month": "2", "day_of_month": "29"}, "no date"),
        ({"comment": 7}, "comment"),
    ],
)
def test_calendars_that_cannot_be_used_are_refused(parts: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidArgument, match=word) as caught:
        Calendar(**parts)

    assert caught.value.field == "calendars"  # type: ignore[attr-defined]


def test_a_calendar_is_described() -> None:
    spec = calendar(hour="9", day_of_month="13", day_of_week="FRI", year="2030")
    assert (
        spec.describe()
        == "At 09:00 on the 13th day of every month, if the day of week is FRI, in 2030"
    )
    assert calendar(comment="New year", month="1").describe() == "New year"


# --- no spec takes long ----------------------------------------------------------------------------

SLOW: list[dict[str, Any]] = [
    # Whatever is left out by the last of many crons, none of which is near.
    {"crons": ("* * * * * *",), "skip": ("0 0 29 2 *",) * 99 + ("* * * * * *",)},
    # Crons that each must be asked for each time.
    {"crons": ("* * * * *",), "skip": ("1-59 * * * * *",) * 99 + ("* * * * * *",)},
    # A date every 28 years, of years that are rare, too.
    {
        "calendars": tuple(
            Calendar(
                second=str(number % 60),
                minute=str(number // 60),
                month="2",
                day_of_month="29",
                day_of_week="MON",
                year="2026-9999/7",
            )
            for number in range(100)
        )
    },
]


@pytest.mark.parametrize("fields", SLOW, ids=["rare skips", "many skips", "rare calendars"])
def test_the_next_time_of_the_worst_spec_is_found_soon(fields: dict[str, Any]) -> None:
    began = time.process_time()

    spec = ScheduleSpec(**fields)
    assert len(next_times(spec, AT, 1)) <= 1

    assert time.process_time() - began < 10, "it once took minutes"


_YEARS = {
    "*": range(2000, 2100),
    "2024": (2024,),
    "2026-2060/5": range(2026, 2061, 5),
    "2030,2036": (2030, 2036),
}


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from(["*", "13", "29", "31", "L", "LW", "1-7", "28-31"]),
    st.sampled_from(["*", "2", "2,4", "FEB-MAR"]),
    st.sampled_from(["*", "MON", "5#5", "5L", "SAT,SUN", "1#1,3#2"]),
    st.sampled_from(["*", "2024", "2026-2060/5", "2030,2036"]),
)
def test_a_calendar_has_the_dates_that_fit_it_one_by_one(
    day_of_month: str, month: str, day_of_week: str, year: str
) -> None:
    assume(day_of_month != "31" or month not in ("2", "2,4"))  # that no cron takes either
    beginning = dt.datetime(2023, 12, 31, tzinfo=dt.UTC)
    end = dt.datetime(2037, 1, 1, tzinfo=dt.UTC)
    dates = Cron(f"0 0 {day_of_month} {month} *").times_after(beginning)
    of_week = Cron(f"0 0 * * {day_of_week}")
    fitting = (
        at
        for at in itertools.takewhile(lambda at: at < end, dates)
        if at.year in _YEARS[year] and of_week.next_after(at - timedelta(seconds=1)) == at
    )
    expected = list(itertools.islice(fitting, 3))
    try:
        made = Calendar(day_of_month=day_of_month, month=month, day_of_week=day_of_week, year=year)
    except InvalidArgument:
        assert not expected
        return

    found = itertools.islice(made.times_after(beginning, "UTC"), 3)

    assert [at for at in found if at < end] == expected
