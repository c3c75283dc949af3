"""What a time does when a run of its schedule is still open: each policy, to the end."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from aion import client, workflow
from aion.core.errors import ApplicationError
from aion.models import Run
from aion.schedules.spec import ScheduleSpec
from tests.runtime.schedule_kit import finish, kinds, minutes, open_ids, scheduled, skipped, started
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db

FIRST, SECOND, THIRD, FOURTH = (f"s-2026-03-01T12:0{n}:00Z" for n in (1, 2, 3, 4))


def test_skip(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled()
    minutes(clock, engine, 3)
    finish(engine)
    minutes(clock, engine, 1)

    assert started() == ["12:01", "12:04"]
    assert skipped(schedule) == [("overlap", 1), ("overlap", 1)]
    assert schedule.describe().skipped_count == 2


def test_buffer_one(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(overlap="buffer_one")
    minutes(clock, engine, 4)
    assert [f"{each.nominal_at:%H:%M}" for each in schedule.describe().buffered] == ["12:02"]

    finish(engine, FIRST)
    engine.tick()  # at the same minute: the end is noticed, what waited starts

    assert open_ids() == [SECOND]
    assert started() == ["12:01", "12:02"]
    assert skipped(schedule) == [("buffer_full", 1), ("buffer_full", 1)]


def test_buffer_all_runs_one_after_the_other(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(overlap="buffer_all")
    minutes(clock, engine, 3)
    schedule.pause()
    schedule.resume()  # what waits is kept
    for waiting in (FIRST, SECOND, THIRD):
        assert open_ids() == [waiting]
        finish(engine)
        engine.tick()

    assert open_ids() == []
    assert started() == ["12:01", "12:02", "12:03"]


def test_what_waits_starts_though_others_operate_the_schedule_before_the_tick(
    engine: Engine, clock: StandingClock
) -> None:
    until = clock.at + dt.timedelta(minutes=2)
    schedule = scheduled(ScheduleSpec(crons=("* * * * *",), end_at=until), overlap="buffer_all")
    minutes(clock, engine, 2)
    schedule.pause()
    finish(engine)
    minutes(clock, engine, 1)  # the end is noticed, and no time is to come
    schedule.resume()

    schedule.trigger("skip")
    engine.tick()

    assert open_ids() == [SECOND]


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all"])
def test_what_waits_starts_though_a_trigger_has_noticed_the_end_that_it_waits_for(
    engine: Engine, clock: StandingClock, overlap: str
) -> None:
    until = clock.at + dt.timedelta(minutes=2)
    schedule = scheduled(ScheduleSpec(crons=("* * * * *",), end_at=until), overlap="buffer_all")
    minutes(clock, engine, 2)
    finish(engine)

    schedule.trigger(overlap)  # type: ignore[arg-type]
    engine.tick()

    assert open_ids() == [SECOND]


def test_what_waits_is_skipped_when_no_actions_are_left(
    engine: Engine, clock: StandingClock
) -> None:
    schedule = scheduled(overlap="buffer_all", remaining_actions=1)
    minutes(clock, engine, 1)
    schedule.update(remaining_actions=2)
    minutes(clock, engine, 2)
    schedule.update(remaining_actions=0)

    finish(engine)
    engine.tick()

    assert started() == ["12:01"]
    assert skipped(schedule) == [("no_actions_left", 2)]
    assert str(schedule.trigger("skip").state) == "running"


def test_buffer_all_is_bounded(
    engine: Engine, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aion.operations.schedules.firing._MOST_BUFFERED", 2)
    schedule = scheduled(overlap="buffer_all")

    minutes(clock, engine, 5)

    assert len(schedule.describe().buffered) == 2
    assert skipped(schedule) == [("buffer_full", 1), ("buffer_full", 1)]


def test_cancel_other_waits_for_the_end_and_starts_the_latest(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def slow(self: Scripted) -> None:
        try:
            await workflow.wait_condition(lambda: False)
        finally:
            await workflow.wait_condition(lambda: bool(self.notes))

    schedule = client.create_schedule(
        "s", Scripted, "slow", spec="* * * * *", overlap="cancel_other"
    )
    minutes(clock, engine, 3)
    assert open_ids() == [FIRST]  # it cleans up
    history = client.get_workflow_handle(FIRST).fetch_history()
    assert [each.kind for each in history].count("CancelRequested") == 1

    client.get_workflow_handle(FIRST).signal(Scripted.note, 1)
    engine.turns()
    engine.tick()

    assert open_ids() == [THIRD]
    assert Run.objects.get(workflow_id=FIRST).status == "cancelled"
    assert skipped(schedule) == [("replaced", 1)]


def test_terminate_other_starts_at_once(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(overlap="terminate_other")
    minutes(clock, engine, 2)

    assert open_ids() == [SECOND]
    assert Run.objects.get(workflow_id=FIRST).status == "terminated"
    assert [each.outcome for each in schedule.describe().recent] == ["", "terminated"]


def test_allow_all(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(overlap="allow_all")
    minutes(clock, engine, 3)

    assert open_ids() == [FIRST, SECOND, THIRD]
    assert len(schedule.describe().running) == 3


@pytest.mark.parametrize("overlap", ["skip", "cancel_other", "terminate_other"])
def test_a_run_goes_on_with_its_chain(
    engine: Engine, clock: StandingClock, script: Any, overlap: str
) -> None:
    @script
    async def steps(self: Scripted, left: int) -> None:
        await workflow.wait_condition(lambda: bool(self.notes))
        if left:
            workflow.continue_as_new("steps", left - 1)

    client.create_schedule("s", Scripted, "steps", 2, spec="* * * * *", overlap=overlap)
    minutes(clock, engine, 1)
    for _ in range(2):
        client.get_workflow_handle(FIRST).signal(Scripted.note, 1)
        engine.turns()
    assert Run.objects.filter(workflow_id=FIRST).count() == 3

    minutes(clock, engine, 1)

    if overlap == "skip":
        assert open_ids() == [FIRST]
        assert started() == ["12:01"]
        client.get_workflow_handle(FIRST).signal(Scripted.note, 1)
        engine.turns()
        minutes(clock, engine, 1)
    engine.turns()
    engine.tick()
    assert FIRST not in open_ids()
    assert len(started()) == 2


# --- failures -------------------------------------------------------------------------------------


def test_a_failure_pauses_where_it_is_told_to(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def fail(self: Scripted) -> None:
        raise ApplicationError("broken")

    schedule = client.create_schedule(
        "s", Scripted, "fail", spec="* * * * *", pause_on_failure=True
    )
    minutes(clock, engine, 3)

    described = schedule.describe()
    assert described.paused
    assert FIRST in described.note
    assert started() == ["12:01"]
    assert kinds(schedule)[-2:] == ["ScheduleFiringEnded", "SchedulePaused"]


@pytest.mark.parametrize("end", ["cancel", "terminate"])
def test_a_cancelled_or_terminated_run_is_no_failure(
    engine: Engine, clock: StandingClock, end: str
) -> None:
    schedule = scheduled(pause_on_failure=True)
    minutes(clock, engine, 1)
    getattr(client.get_workflow_handle(FIRST), end)()
    engine.turns()
    minutes(clock, engine, 1)

    assert not schedule.describe().paused
    assert started() == ["12:01", "12:02"]


# --- triggers -------------------------------------------------------------------------------------


def test_a_trigger_fires_now_and_follows_the_policy(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(paused=True)

    first = schedule.trigger()
    second = schedule.trigger()
    third = schedule.trigger("allow_all")
    fourth = schedule.trigger("buffer_one")

    assert [each.state for each in (first, second, third, fourth)] == [
        *("running", "skipped", "running", "buffered")
    ]
    assert len({first.workflow_id, third.workflow_id}) == 2
    for each in (first, third):
        finish(engine, each.workflow_id)
    engine.tick()
    assert len(open_ids()) == 1  # also of a paused schedule: somebody asked for it


def test_a_trigger_twice_with_one_request_id_is_one(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled()

    first = schedule.trigger(request_id="r1")
    again = schedule.trigger(request_id="r1")

    assert first.run_id == again.run_id
    assert Run.objects.count() == 1
    assert schedule.trigger(request_id="r2").state == "skipped"


def test_a_trigger_takes_no_action_away(engine: Engine, clock: StandingClock) -> None:
    schedule = scheduled(remaining_actions=1, overlap="allow_all")

    schedule.trigger()
    minutes(clock, engine, 2)

    assert len(started()) == 2
    assert schedule.describe().remaining_actions == 0
