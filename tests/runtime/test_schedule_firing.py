"""The tick fires schedules: each time once, at its time, whatever happens to the clock or to others."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aion import client
from aion.authoring.registry import registry
from aion.client import Interval, ScheduleSpec
from aion.core.errors import ApplicationError, UnknownType
from aion.models import Firing, Run, Schedule, ScheduleEvent, Tick
from aion.schedules.spec import next_times
from tests.runtime.schedule_kit import (
    DAY,
    HOUR,
    MINUTE,
    finish,
    kinds,
    minutes,
    move_to,
    scheduled,
    skipped,
    started,
)
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted, Waiting, greet

pytestmark = pytest.mark.django_db


def test_a_time_starts_a_run_of_its_own_id(engine: Engine, clock: StandingClock) -> None:
    schedule = client.create_schedule("hello", greet, "ada", spec=HOUR)
    move_to(clock, engine, START + HOUR - dt.timedelta(seconds=1))
    assert started() == []

    move_to(clock, engine, START + HOUR)

    handle = client.get_workflow_handle("hello-2026-03-01T13:00:00Z")
    assert handle.result(0).text == "hello ada"
    [firing] = schedule.describe().recent
    assert (firing.run_id, firing.source) == (handle.describe().run_id, "time")
    assert kinds(schedule) == ["ScheduleCreated", "ScheduleTriggered"]


def test_the_end_of_a_run_is_noticed_and_recorded(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled()
    minutes(clock, engine, 1)
    assert [each.state for each in schedule.describe().running] == ["running"]

    finish(engine)
    engine.tick()

    described = schedule.describe()
    assert described.running == []
    assert [(each.state, each.outcome) for each in described.recent] == [("ended", "completed")]
    assert kinds(schedule)[-1] == "ScheduleFiringEnded"


def test_a_tick_at_the_same_time_fires_nothing_again(engine: Engine, clock: StandingClock) -> None:
    scheduled(overlap="allow_all")
    minutes(clock, engine, 2)

    for _ in range(3):
        engine.tick()

    assert started() == ["12:01", "12:02"]


def test_a_clock_that_steps_back_fires_nothing_again(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(overlap="allow_all")
    minutes(clock, engine, 3)

    clock.at = START
    minutes(clock, engine, 3)
    assert started() == ["12:01", "12:02", "12:03"]

    clock.at = START
    schedule.pause()
    schedule.resume()  # recomputed from now, which was before
    minutes(clock, engine, 4)
    assert started() == ["12:01", "12:02", "12:03", "12:04"]


@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        ("2026-03-28T12:00", ["03-29 01:00", "03-30 00:30"]),  # the gap of spring
        ("2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),  # the overlap of autumn
    ],
)
def test_changes_of_the_clock_through_the_tick(
    engine: Engine, clock: StandingClock, begin: str, expected: list[str]
) -> None:
    clock.at = dt.datetime.fromisoformat(begin).replace(tzinfo=dt.UTC)
    spec = ScheduleSpec(crons=("30 2 * * *",), time_zone="Europe/Berlin")
    client.create_schedule("berlin", greet, "ada", spec=spec)

    for _ in range(80):
        move_to(clock, engine, clock.at + HOUR / 2)

    runs = Run.objects.order_by("started_at")
    assert [f"{run.started_at:%m-%d %H:%M}" for run in runs] == expected


@settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    crons=st.lists(
        st.sampled_from(["*/17 * * * *", "3 */2 * * *", "30 12 * * SUN", "0 14 L * *"]), max_size=2
    ),
    every=st.integers(1_000, 20_000),
    jitter=st.integers(0, 5_000),
    steps=st.lists(st.integers(1, 4_000), min_size=2, max_size=6),
)
def test_the_firings_of_a_spec_are_exactly_its_next_times(
    engine: Engine,
    clock: StandingClock,
    crons: list[str],
    every: int,
    jitter: int,
    steps: list[int],
) -> None:
    Firing.objects.all().delete()
    Schedule.objects.all().delete()
    Run.objects.all().delete()
    Tick.objects.all().delete()
    clock.at = START
    spec = ScheduleSpec(
        crons=tuple(crons),
        intervals=(Interval(dt.timedelta(seconds=every)),),
        jitter=dt.timedelta(seconds=jitter),
    )
    client.create_schedule("p", Waiting, spec=spec, overlap="allow_all")

    for step in steps:
        clock.move(step)
        engine.tick()
    fired_until = clock.at
    clock.move(jitter + 100)
    engine.tick()

    found = list(Firing.objects.order_by("nominal_at").values_list("nominal_at", flat=True))
    expected = [time for time in next_times(spec, START, 1_000) if time <= fired_until]
    assert found[: len(expected)] == expected
    assert found == next_times(spec, START, len(found))
    assert Run.objects.count() == len(found)


def test_many_times_of_one_schedule_are_spread_over_ticks(
    engine: Engine, clock: StandingClock
) -> None:
    scheduled(overlap="allow_all")
    clock.at = START + MINUTE * 250

    counts = [engine.tick().schedule_starts for _ in range(4)]

    assert counts == [100, 100, 50, 0]


def test_a_limit_of_actions(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(remaining_actions=2, overlap="allow_all")
    minutes(clock, engine, 4)

    assert started() == ["12:01", "12:02"]
    described = schedule.describe()
    assert (described.remaining_actions, described.next_times) == (0, [])

    schedule.update(remaining_actions=None)
    minutes(clock, engine, 1)
    assert started()[-1] == "12:05"


def test_a_paused_schedule_fires_nothing_and_misses_what_passed(
    engine: Engine, clock: StandingClock
) -> None:
    schedule = scheduled(overlap="allow_all", paused=True, note="not yet")
    minutes(clock, engine, 2)
    assert schedule.describe().next_times == []

    schedule.resume("now")
    engine.tick()
    minutes(clock, engine, 1)

    assert started() == ["12:03"]
    assert skipped(schedule) == []


def test_the_outcome_of_a_run_is_handed_to_the_next(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    outcomes = iter([{"n": 1}, None, ApplicationError("broken"), {"n": 2}, 5])

    @script
    async def work(self: Scripted) -> Any:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    client.create_schedule("s", Scripted, "work", spec="* * * * *")
    minutes(clock, engine, 5)

    firsts = [
        client.get_workflow_handle(run.workflow_id).fetch_history()[0].attributes
        for run in Run.objects.order_by("started_at")
    ]
    assert [first.get("last_result", "none") for first in firsts] == [
        *("none", {"n": 1}, None, None, {"n": 2})
    ]
    failures = [first.get("last_failure") for first in firsts]
    assert [failure and failure["message"] for failure in failures] == [
        *(None, None, None, "broken", None)
    ]


# --- schedules that cannot start ---


def test_a_type_that_was_deleted_is_noted_retried_and_holds_nobody_up(
    engine: Engine, clock: StandingClock
) -> None:
    broken = client.create_schedule("a-broken", Waiting, spec="* * * * *")
    client.create_schedule("b-whole", greet, "ada", spec="* * * * *")
    definition = registry.workflows.pop("kit.Waiting")
    try:
        for _ in range(5):
            minutes(clock, engine, 1)
        described = broken.describe()
        assert "UnknownType" in described.problem
        assert described.running == []
        assert kinds(broken).count("ScheduleFiringFailed") == 1
        assert Run.objects.filter(workflow_type="kit.greet").count() == 5
        with pytest.raises(UnknownType):
            broken.trigger()
    finally:
        registry.workflows["kit.Waiting"] = definition

    minutes(clock, engine, 10)

    assert broken.describe().problem == ""
    assert Firing.objects.filter(schedule__schedule_id="a-broken").first().nominal_at == (
        START + MINUTE
    )


def test_a_row_that_cannot_be_read_holds_nobody_up(engine: Engine, clock: StandingClock) -> None:
    scheduled()
    Schedule.objects.update(config="{}")
    client.create_schedule("whole", greet, "ada", spec="* * * * *")

    minutes(clock, engine, 2)

    assert Run.objects.count() == 2
    assert Schedule.objects.get(schedule_id="s").problem_count >= 1


def test_an_update_mends_and_what_could_not_start_starts(
    engine: Engine, clock: StandingClock
) -> None:
    schedule = scheduled()
    config = schedule.describe().config
    Schedule.objects.update(config=Schedule.objects.get().config.replace("kit.Waiting", "kit.Gone"))
    minutes(clock, engine, 1)
    assert started() == []

    schedule.update(config)
    engine.tick()

    assert started() == ["12:01"]


def test_a_workflow_id_that_is_taken_is_a_skip(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(workflow_id="the-one")
    client.start_workflow(Waiting, id="the-one")

    minutes(clock, engine, 1)

    assert skipped(schedule) == [("workflow_id_taken", 1)]
    assert schedule.describe().problem == ""


def test_a_run_that_was_deleted_does_not_block(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled()
    minutes(clock, engine, 1)
    Run.objects.all().delete()

    minutes(clock, engine, 1)

    assert started() == ["12:01", "12:02"]
    assert [each.outcome for each in schedule.describe().recent] == ["", "deleted"]


def test_the_history_reads_as_what_happened_without_gaps(
    engine: Engine, clock: StandingClock
) -> None:
    schedule = scheduled()
    minutes(clock, engine, 2)
    schedule.pause("stop")
    schedule.delete("enough")

    rows = ScheduleEvent.objects.order_by("seq")
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
    assert [row.kind for row in rows] == [
        "ScheduleCreated",
        "ScheduleTriggered",
        "ScheduleFiringSkipped",
        "SchedulePaused",
        "ScheduleDeleted",
    ]
    with pytest.raises(TypeError, match="immutable"):
        rows[0].delete()
    with pytest.raises(TypeError, match="immutable"):
        rows[0].save()


def test_days_pass_unseen_when_nothing_is_due(engine: Engine, clock: StandingClock) -> None:
    schedule = client.create_schedule("yearly", greet, "ada", spec="@yearly")

    move_to(clock, engine, START + DAY * 100)

    assert kinds(schedule) == ["ScheduleCreated"]
    assert Schedule.objects.get().due_at == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
