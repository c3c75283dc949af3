"""Specs: merged times, what is left out, bounds, and jitter."""

from __future__ import annotations

import datetime as dt
import itertools
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aion.core.errors import InvalidArgument
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
