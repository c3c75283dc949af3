"""Cron chains: each run starts at the next cron time behind the end of the one before it."""

from __future__ import annotations

import asyncio
import datetime as dt
from datetime import timedelta
from typing import Any

import pytest

from aion import ApplicationError, client, workflow
from aion.core import events
from aion.models import Run, Timer
from tests.language.cron_chains import DAILY, ONCE_MORE, days, planned, result_of
from tests.language.worlds import (
    chain,
    failure_of,
    found,
    kinds,
)
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted, Waiting

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cron_scripts")]

# --- time -----------------------------------------------------------------------------------------


def test_runs_follow_each_other_at_their_times(engine: Engine, clock: StandingClock) -> None:
    began = clock.at
    handle = engine.start("count", 1, id="c", cron=DAILY)
    assert handle.describe().next_start_at == planned(handle)
    days(engine, clock, 3)

    runs = chain("c")
    assert [str(run.describe().status) for run in runs] == ["completed"] * 3 + ["running"]
    assert [result_of(run) for run in runs[:3]] == [1, 2, 3]
    times = [planned(run) for run in runs]
    assert all((at.hour, at.minute) == (9, 0) for at in times)
    assert began < times[0] <= began + timedelta(days=1)
    assert [b - a for a, b in zip(times, times[1:], strict=False)] == [timedelta(days=1)] * 3


def test_the_code_sees_the_time_at_which_it_starts(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> list[str]:
        about = workflow.info()
        began = workflow.now()
        await asyncio.sleep(60)
        assert about.scheduled_at is not None
        return [
            str(began - about.scheduled_at),
            str(workflow.now() - began),
            about.cron,
            about.time_zone,
        ]

    handle = engine.start("main", id="c", cron=DAILY)
    days(engine, clock, 2)

    assert handle.result(0) == ["0:00:00", "0:01:00", DAILY, "UTC"]


def test_the_clock_of_the_zone_counts_through_its_changes(
    engine: Engine, clock: StandingClock
) -> None:
    clock.at = dt.datetime(2026, 3, 27, 12, tzinfo=dt.UTC)
    engine.start("count", 1, id="c", cron="0 9 * * MON-FRI", time_zone="Europe/Berlin")
    days(engine, clock, 4)

    # Friday noon; the clocks go forward on Sunday, 29 March.
    assert [planned(run).isoformat() for run in chain("c")] == [
        "2026-03-30T07:00:00+00:00",
        "2026-03-31T07:00:00+00:00",
        "2026-04-01T07:00:00+00:00",
    ]
    assert chain("c")[-1].describe().time_zone == "Europe/Berlin"


def test_runs_never_overlap_and_times_that_pass_meanwhile_are_left_out(
    engine: Engine, clock: StandingClock
) -> None:
    engine.start("nap", 90 * 60.0, id="c", cron="@hourly")
    days(engine, clock, 0.3)

    times = [planned(run) for run in chain("c")]
    assert {b - a for a, b in zip(times, times[1:], strict=False)} == {timedelta(hours=2)}
    assert Run.objects.filter(workflow_id="c", closed_at=None).count() == 1


def test_a_clock_that_steps_back_starts_no_time_twice(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("count", 1, id="c", cron=DAILY)
    engine.turns()
    clock.at = planned(handle)
    Timer.objects.update(fire_at=clock.at - timedelta(seconds=2))  # another worker's clock is ahead
    clock.move(-1)
    engine.turns()

    assert handle.result(0) == 1
    assert planned(chain("c")[1]) == planned(handle) + timedelta(days=1)


def test_a_message_does_not_hasten_a_run(engine: Engine, clock: StandingClock) -> None:
    handle = client.start_workflow(Waiting, 1, id="c", cron=DAILY)
    engine.turns()
    handle.signal("go", 7)
    engine.turns()
    assert kinds(handle) == ["WorkflowStarted"]
    days(engine, clock, 1)

    assert handle.result(0) == [7]


# --- what one run leaves to the next --------------------------------------------------------------


def test_failures_and_results_reach_the_next_run(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        day = workflow.info().scheduled_at.day  # type: ignore[union-attr]
        seen = f"{workflow.get_last_completion_result(str)} | {workflow.get_last_failure()}"
        me.state["seen"] = seen
        if day % 2:
            raise ApplicationError(f"odd {day}", seen)
        return f"even {day}"

    clock.at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    engine.start("main", id="c", cron=DAILY)
    days(engine, clock, 4)

    starts = [found(run, events.WorkflowStarted)[0] for run in chain("c")]
    left = [
        (
            bytes(s.last_result) if s.last_result else None,
            s.last_failure and s.last_failure.message,
        )
        for s in starts
    ]
    assert left == [
        (None, None),
        (None, "odd 1"),
        (b'"even 2"', None),
        (b'"even 2"', "odd 3"),
        (b'"even 4"', None),
    ]
    assert [s.initiator for s in starts] == ["", "cron", "cron", "cron", "cron"]
    assert failure_of(chain("c")[2]).details == ("even 2 | None",)  # type: ignore[attr-defined]


def test_the_last_result_is_decoded_as_asked(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> Any:
        if not workflow.has_last_completion_result():
            return {"text": "hi", "times": 1}
        from tests.support.kit import Greeting

        last = workflow.get_last_completion_result(Greeting)
        assert isinstance(last, Greeting)
        return {"text": last.text, "times": last.times + 1}

    engine.start("main", id="c", cron=DAILY)
    days(engine, clock, 3)

    assert [result_of(run)["times"] for run in chain("c")[:3]] == [1, 2, 3]


def test_retries_come_before_the_next_time(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> None:
        raise ApplicationError(f"attempt {workflow.info().attempt}")

    handle = engine.start("main", id="c", cron=DAILY, retry=ONCE_MORE)
    days(engine, clock, 2)

    starts = [found(run, events.WorkflowStarted)[0] for run in chain("c")]
    assert [(s.attempt, s.initiator) for s in starts] == [
        (1, ""),
        (2, "retry"),
        (1, "cron"),
        (2, "retry"),
        (1, "cron"),
    ]
    assert [s.scheduled_at for s in starts[:2]] == [planned(handle)] * 2
    assert (
        str(failure_of(handle)) == "attempt 2"
    )  # followed through its retries, not to the next time


def test_a_run_that_times_out_is_followed_by_the_next(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> Any:
        if workflow.get_last_failure() is None:
            await asyncio.sleep(10_000)
        return [type(workflow.get_last_failure()).__name__, await workflow.receive("mail")]

    handle = engine.start("main", id="c", cron=DAILY, run_timeout=timedelta(hours=1))
    days(engine, clock, 0.9)
    assert len(chain("c")) == 1
    client.get_workflow_handle("c").signal("mail", "unread")
    days(engine, clock, 1.5)

    assert type(failure_of(handle)).__name__ == "TimeoutError"
    assert result_of(chain("c")[1]) == ["TimeoutError", "unread"]


def test_continuing_as_new_keeps_the_chain_and_the_next_run_begins_as_the_first(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted, stage: int = 0) -> list[Any]:
        about = workflow.info()
        if stage < 2:
            workflow.upsert_memo({"stage": stage})
            workflow.continue_as_new("main", stage + 1, run_timeout=timedelta(hours=stage + 2))
        return [
            stage,
            workflow.get_last_completion_result(list),
            about.memo,
            str(about.run_timeout),
        ]

    handle = engine.start(
        "main", id="c", cron=DAILY, memo={"given": 1}, run_timeout=timedelta(hours=1)
    )
    days(engine, clock, 2)

    runs = chain("c")
    statuses = ["continued_as_new", "continued_as_new", "completed"]
    assert [str(run.describe().status) for run in runs] == [*statuses, *statuses, "running"]
    first = [2, None, {"given": 1, "stage": 1}, "3:00:00"]
    assert handle.result(0) == first
    assert result_of(runs[3]) == [2, first, *first[2:]]
    begins = [found(runs[i], events.WorkflowStarted)[0] for i in (0, 3)]
    assert bytes(begins[0].input) == bytes(begins[1].input)
    assert bytes(begins[1].memo) == b'{"given":1}'
    assert (begins[1].run_timeout, begins[1].cron_origin) == (timedelta(hours=1), None)
    assert planned(runs[1]) == planned(runs[0])


def test_continuing_as_another_type_comes_back_to_the_first(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> None:
        workflow.continue_as_new("you", 3, workflow="kit.greet", task_queue="other")

    engine.start("main", id="c", cron=DAILY)
    days(engine, clock, 1)

    assert [(r.describe().workflow_type, r.describe().task_queue) for r in chain("c")] == [
        ("kit.Scripted", "default"),
        ("kit.greet", "other"),
        ("kit.Scripted", "default"),
    ]


def test_memo_and_attributes_begin_as_they_were_given(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        about = workflow.info()
        workflow.upsert_memo({"given": 0, "more": 1})
        workflow.upsert_search_attributes({"a": 2})
        return [about.memo, about.search_attributes]

    engine.start("main", id="c", cron=DAILY, memo={"given": 1}, search_attributes={"a": 1})
    days(engine, clock, 2)

    assert [result_of(run) for run in chain("c")[:2]] == [[{"given": 1}, {"a": 1}]] * 2
    described = chain("c")[2].describe()
    assert (described.memo, described.search_attributes) == ({"given": 1}, {"a": 1})


def test_signals_that_nobody_took_move_to_the_next_run(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> Any:
        if not workflow.has_last_completion_result():
            await workflow.wait_condition(lambda: me.notes)
            return "first"
        return [await workflow.receive("mail"), await workflow.receive("mail")]

    handle = engine.start("main", id="c", cron=DAILY)
    days(engine, clock, 1)
    handle.signal("mail", 1)
    handle.signal("note", 1)
    handle.signal("mail", 2)  # behind the end, in the same turn
    days(engine, clock, 1)

    assert (handle.result(0), result_of(chain("c")[1])) == ("first", [1, 2])


def test_a_signal_behind_the_last_end_of_a_chain_is_seen_there(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        await workflow.wait_condition(lambda: me.notes)
        return "over"

    handle = engine.start("main", id="c", cron=DAILY, execution_timeout=timedelta(hours=2))
    days(engine, clock, 0.9)
    handle.signal("note", 1)
    handle.signal("note", 2)
    engine.turns()

    assert handle.result(0) == "over"
    assert kinds(handle)[-3:] == ["SignalReceived", "SignalReceived", "WorkflowCompleted"]
    assert len(chain("c")) == 1
