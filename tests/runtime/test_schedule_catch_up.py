"""Times that passed while nobody looked, and times of the past that somebody asks for."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from aion import client
from aion.client import Interval, ScheduleHandle, ScheduleSpec
from aion.core.errors import InvalidArgument
from aion.operations.schedules import bring_on
from aion.schedules.spec import occurrences_after
from tests.runtime.schedule_kit import (
    DAY,
    HOUR,
    finish,
    kinds,
    move_to,
    scheduled,
    skipped,
    started,
)
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.kit import greet

pytestmark = pytest.mark.django_db


def test_all_of_them_fire_oldest_first(engine: Engine, clock: StandingClock) -> None:
    scheduled(HOUR, overlap="allow_all")

    move_to(clock, engine, START + HOUR * 3.5)

    assert started() == ["13:00", "14:00", "15:00"]


def test_one_of_them_is_the_latest(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR, overlap="allow_all", catch_up="one")

    move_to(clock, engine, START + HOUR * 3.5)

    assert started() == ["15:00"]
    assert skipped(schedule) == [("missed", 2)]
    assert schedule.describe().missed_count == 2


def test_one_of_them_with_a_time_that_is_not_late(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR, overlap="allow_all", catch_up="one")

    move_to(clock, engine, START + HOUR * 3 + dt.timedelta(seconds=4))

    assert started() == ["15:00"]
    assert skipped(schedule) == [("missed", 2)]


def test_none_of_them_but_those_that_are_not_late(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR, overlap="allow_all", catch_up="none")

    move_to(clock, engine, START + HOUR * 2.5)
    assert started() == []
    move_to(clock, engine, START + HOUR * 3 + dt.timedelta(seconds=9))

    assert started() == ["15:00"]
    assert skipped(schedule) == [("missed", 2)]
    assert schedule.describe().missed_count == 2


@pytest.mark.parametrize("catch_up", ["one", "none"])
def test_a_time_that_jitter_delays_is_not_late(
    engine: Engine, clock: StandingClock, catch_up: str
) -> None:
    spec = ScheduleSpec(crons=("0 * * * *",), jitter=HOUR)
    schedule = scheduled(spec, overlap="allow_all", catch_up=catch_up)

    some = itertools.islice(occurrences_after(spec, START, seed="s"), 4)
    for time in some:
        move_to(clock, engine, time.nominal_at)
        move_to(clock, engine, time.fires_at + dt.timedelta(seconds=9))

    assert started() == ["13:00", "14:00", "15:00", "16:00"]
    assert skipped(schedule) == []


def test_the_window_leaves_out_what_is_older_and_notes_it(
    engine: Engine, clock: StandingClock
) -> None:
    schedule = scheduled(HOUR, overlap="allow_all", catch_up_window=HOUR * 2)

    move_to(clock, engine, START + HOUR * 5.5)

    assert started() == ["16:00", "17:00"]
    assert skipped(schedule) == [("outside_window", 3)]


def test_a_long_absence_is_counted_up_to_a_limit(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(dt.timedelta(seconds=1), catch_up="one")

    move_to(clock, engine, START + DAY * 30)

    assert len(started()) == 1
    assert [reason for reason, _ in skipped(schedule)] == ["missed", "overlap"]
    [event, _] = [each.event for each in schedule.fetch_history() if "Skipped" in each.kind]
    assert (event.count, event.at_least) == (10_000, True)
    assert event.last_nominal_at > START + DAY * 29.9


def test_catching_up_obeys_the_overlap_policy(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR, overlap="buffer_all")

    move_to(clock, engine, START + HOUR * 3.5)
    for _ in range(3):
        finish(engine)
        engine.tick()

    assert started() == ["13:00", "14:00", "15:00"]
    assert schedule.describe().buffered == []


def test_each_of_many_times_terminates_the_one_before(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR, overlap="terminate_other")

    move_to(clock, engine, START + HOUR * 4.5)
    engine.tick()

    assert started() == ["13:00", "14:00", "15:00", "16:00"]
    outcomes = [each.outcome for each in schedule.describe().recent]
    assert outcomes == ["", "terminated", "terminated", "terminated"]


# --- what had come when the schedule was changed ----------------------------------------------------


def every(step: dt.timedelta, schedule: ScheduleHandle) -> None:
    schedule.update(lambda config: config.replace(spec=ScheduleSpec(intervals=(Interval(step),))))


def test_another_spec_lets_what_had_come_fire_first(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR, overlap="allow_all")
    clock.at = START + HOUR * 2.5

    every(HOUR * 2, schedule)
    move_to(clock, engine, START + HOUR * 4)

    assert started() == ["13:00", "14:00", "16:00"]
    assert skipped(schedule) == []


def test_another_spec_catches_up_as_told(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR, overlap="allow_all", catch_up="none")
    clock.at = START + HOUR * 2.5

    every(HOUR * 2, schedule)

    assert started() == []
    assert skipped(schedule) == [("missed", 2)]


def test_another_spec_notes_what_cannot_fire_any_more(
    engine: Engine, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = scheduled(HOUR, overlap="allow_all")
    clock.at = START + HOUR * 3.5
    monkeypatch.setattr(bring_on, "_MOST_STARTS", 2)

    every(HOUR * 2, schedule)
    move_to(clock, engine, START + HOUR * 4)

    assert started() == ["13:00", "14:00", "16:00"]
    assert skipped(schedule) == [("spec_changed", 1)]
    assert schedule.describe().missed_count == 1


def test_an_update_that_is_refused_lets_nothing_fire(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR)
    clock.at = START + HOUR * 2.5

    with pytest.raises(InvalidArgument):
        schedule.update(
            lambda config: config.replace(spec=ScheduleSpec(crons=("0 9 * * *",), end_at=START))
        )

    assert started() == []
    move_to(clock, engine, clock.at)
    assert started() == ["13:00"]


def test_a_pause_notes_what_had_come(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR)
    clock.at = START + HOUR * 2.5

    schedule.pause()
    move_to(clock, engine, START + HOUR * 3)
    schedule.resume()
    move_to(clock, engine, START + HOUR * 4)

    assert started() == ["16:00"]
    assert skipped(schedule) == [("paused", 2)], "the third has come in the pause"


def test_a_change_while_it_is_paused_notes_nothing(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR)
    schedule.pause()
    clock.at = START + HOUR * 2.5

    every(HOUR * 2, schedule)

    assert (started(), skipped(schedule)) == ([], [])


# --- backfill -------------------------------------------------------------------------------------


def test_a_backfill_fires_what_has_started_nothing(engine: Engine, clock: StandingClock) -> None:
    schedule = client.create_schedule("s", greet, "ada", spec=HOUR)
    move_to(clock, engine, START + HOUR)
    schedule.pause()
    clock.at = START + HOUR * 4

    count = schedule.backfill(START - HOUR, START + HOUR * 3, "allow_all")
    move_to(clock, engine, clock.at)

    assert count == 4  # 11, 12, 14 and 15 o'clock: 13 o'clock has fired
    assert started() == ["11:00", "12:00", "13:00", "14:00", "15:00"]
    assert [each.source for each in schedule.describe().recent].count("backfill") == 4
    assert "ScheduleBackfilled" in kinds(schedule)
    assert schedule.backfill(START - HOUR, START + HOUR * 3) == 0


def test_a_backfill_asks_again_for_what_was_skipped(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR)
    clock.at = START + HOUR * 2.5
    schedule.pause()

    schedule.backfill(START + HOUR, START + HOUR * 2)  # the policy skips the second
    move_to(clock, engine, clock.at)
    assert started() == ["13:00"]

    assert schedule.backfill(START + HOUR, START + HOUR * 2, "allow_all") == 1
    move_to(clock, engine, clock.at)
    assert started() == ["13:00", "14:00"]


def test_a_backfill_twice_with_one_request_id_is_one(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(HOUR, paused=True)
    clock.at = START + HOUR * 2.5

    assert schedule.backfill(START, clock.at, request_id="b") == 3
    assert schedule.backfill(START, clock.at, "allow_all", request_id="b") == 0


def test_a_time_of_a_backfill_does_not_fire_when_it_is_due(
    engine: Engine, clock: StandingClock
) -> None:
    schedule = scheduled(HOUR, overlap="allow_all")
    clock.at = START + HOUR  # due, and no tick has seen it

    assert schedule.backfill(clock.at, clock.at) == 1
    engine.tick()
    engine.tick()

    assert started() == ["13:00"]


@pytest.mark.parametrize(
    ("begin", "end", "field"),
    [
        (START, START - HOUR, "end_at"),
        (START, START + HOUR, "end_at"),
        (dt.datetime(2026, 1, 1), START, "start_at"),
        (START - DAY, None, "end_at"),
        (START - DAY, START, "end_at"),  # more than a thousand minutes
    ],
)
def test_ranges_that_cannot_be_used_are_refused(
    engine: Engine, begin: dt.datetime, end: dt.datetime, field: str
) -> None:
    schedule = scheduled()

    with pytest.raises(InvalidArgument) as caught:
        schedule.backfill(begin, end)

    assert caught.value.field == field  # type: ignore[attr-defined]
    assert kinds(schedule) == ["ScheduleCreated"]
