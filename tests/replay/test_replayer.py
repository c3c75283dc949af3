"""Replay: what it accepts, and that each way to change the code is found where it begins."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aion import RetryPolicy, workflow
from aion.core.errors import HistoryError, NonDeterminismError, WorkflowCodeError
from aion.core.events import (
    ActivityCompleted,
    ActivityScheduled,
    SignalReceived,
    TimerFired,
    WorkflowPaused,
    WorkflowStarted,
    WorkflowTerminated,
)
from aion.core.history import Recorded
from aion_engine.replay.replayer import groups, replay
from tests.support.driver import RUN_ID, START, Driver, defined, payload

Play = Callable[..., Driver]
Code = Callable[[], Any]
act, local = workflow.execute_activity, workflow.execute_local_activity


async def original() -> str:
    first = await act("reserve", 1)
    await asyncio.sleep(60)
    token = workflow.side_effect(lambda: 7)
    await local("price")
    both = await asyncio.gather(act("charge"), act("ship"))
    return f"{first} {token} {both}"


def recorded(play: Play, code: Code = original) -> Driver:
    run = play(code).run(lambda name, args: name)
    assert run.closed
    return run


# --- what must be found ---------------------------------------------------------------------------
# Each of these differs from `original` in one thing. The table says where the difference begins.


async def renamed_activity() -> None:
    await act("allocate", 1)


async def removed_activity() -> None:
    await asyncio.sleep(60)


async def added_activity() -> None:
    await act("check")
    await act("reserve", 1)


async def added_activity_beside() -> None:
    aside = workflow.start_activity("aside")
    await act("reserve", 1)
    await aside


async def timer_instead_of_activity() -> None:
    await asyncio.sleep(5)


async def local_instead_of_remote() -> None:
    await local("reserve", 1)


async def early_return() -> str:
    return "done"


async def early_failure() -> None:
    raise ValueError("no")


async def nothing_but_waiting() -> None:
    await workflow.wait_condition(lambda: False)


async def removed_timer() -> None:
    await act("reserve", 1)
    await act("charge")


async def added_timer() -> None:
    await act("reserve", 1)
    async with asyncio.timeout(5):
        await asyncio.sleep(60)


async def activity_instead_of_timer() -> None:
    await act("reserve", 1)
    await act("sleep")


async def return_instead_of_timer() -> str:
    return str(await act("reserve", 1))


async def extra_side_effect() -> None:
    await act("reserve", 1)
    await asyncio.sleep(60)
    workflow.side_effect(lambda: 7)
    workflow.side_effect(lambda: 8)
    await local("price")


async def removed_side_effect() -> None:
    await act("reserve", 1)
    await asyncio.sleep(60)
    await local("price")


async def side_effect_too_early() -> None:
    workflow.side_effect(lambda: 7)
    await act("reserve", 1)


async def remote_instead_of_local() -> None:
    await act("reserve", 1)
    await asyncio.sleep(60)
    workflow.side_effect(lambda: 7)
    await act("price")


async def renamed_local_activity() -> None:
    await act("reserve", 1)
    await asyncio.sleep(60)
    workflow.side_effect(lambda: 7)
    await local("cost")


async def swapped_order() -> None:
    await act("reserve", 1)
    await asyncio.sleep(60)
    workflow.side_effect(lambda: 7)
    await local("price")
    await asyncio.gather(act("ship"), act("charge"))


async def one_after_the_other() -> None:
    await act("reserve", 1)
    await asyncio.sleep(60)
    workflow.side_effect(lambda: 7)
    await local("price")
    await act("charge")
    await act("ship")


async def cancelled_timer() -> None:
    await act("reserve", 1)
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    await act("charge")


async def failure_at_the_end() -> None:
    await original()
    raise ValueError("no")


async def more_at_the_end() -> None:
    await original()
    await act("thank")


# The history: 1 start, 2 reserve, 3-4 done, 5 timer, 6 fired, 7 side effect, 8 price done,
# 9 charge, 10 ship, 11-12 done, 13-14 done, 15 completed.
MUTATIONS: list[tuple[Code, int, str, str]] = [
    (renamed_activity, 2, "ActivityScheduled(1, reserve)", "ScheduleActivity(1, allocate)"),
    (removed_activity, 2, "ActivityScheduled(1, reserve)", "StartTimer(1)"),
    (added_activity, 2, "ActivityScheduled(1, reserve)", "ScheduleActivity(1, check)"),
    (added_activity_beside, 2, "ActivityScheduled(1, reserve)", "ScheduleActivity(1, aside)"),
    (timer_instead_of_activity, 2, "ActivityScheduled(1, reserve)", "StartTimer(1)"),
    (local_instead_of_remote, 2, "ActivityScheduled(1, reserve)", "nothing"),
    (early_return, 2, "ActivityScheduled(1, reserve)", "nothing"),
    (early_failure, 2, "ActivityScheduled(1, reserve)", "nothing"),
    (nothing_but_waiting, 2, "ActivityScheduled(1, reserve)", "nothing"),
    (side_effect_too_early, 1, "no further SideEffectRecorded", "RecordSideEffect"),
    (removed_timer, 5, "TimerStarted(1)", "ScheduleActivity(2, charge)"),
    (added_timer, 6, "no further command", "StartTimer(2)"),
    (activity_instead_of_timer, 5, "TimerStarted(1)", "ScheduleActivity(2, sleep)"),
    (return_instead_of_timer, 5, "TimerStarted(1)", "nothing"),
    (cancelled_timer, 5, "TimerStarted(1)", "ScheduleActivity(2, charge)"),
    (extra_side_effect, 6, "no further SideEffectRecorded", "RecordSideEffect"),
    (removed_side_effect, 7, "SideEffectRecorded()", "nothing"),
    (remote_instead_of_local, 8, "no further command", "ScheduleActivity(2, price)"),
    (renamed_local_activity, 8, "ActivityCompleted(activity 2 price)", "local activity cost"),
    (swapped_order, 9, "ActivityScheduled(3, charge)", "ScheduleActivity(3, ship)"),
    (one_after_the_other, 10, "ActivityScheduled(4, ship)", "nothing"),
    (failure_at_the_end, 15, "WorkflowCompleted()", "FailWorkflow()"),
    (more_at_the_end, 15, "WorkflowCompleted()", "ScheduleActivity(5, thank)"),
]


@pytest.mark.parametrize(("code", "seq", "expected", "found"), MUTATIONS)
def test_changed_code_is_found(play: Play, code: Code, seq: int, expected: str, found: str) -> None:
    run = recorded(play)

    with pytest.raises(NonDeterminismError) as caught:
        run.replay(code)

    error = caught.value
    assert (error.seq, error.expected, error.found) == (seq, expected, found)
    assert str(seq) in str(error)


def test_the_error_says_where_the_code_asked(play: Play) -> None:
    run = recorded(play)

    with pytest.raises(NonDeterminismError) as caught:
        run.replay(renamed_activity)

    first_line = inspect.getsourcelines(renamed_activity)[1]
    assert caught.value.where == f"{__file__}:{first_line + 1}"
    assert f"at {caught.value.where}" in str(caught.value)


@pytest.mark.parametrize("code", [removed_activity, extra_side_effect, added_timer])
def test_timers_and_side_effects_have_a_place_too(play: Play, code: Code) -> None:
    with pytest.raises(NonDeterminismError) as caught:
        recorded(play).replay(code)

    assert caught.value.where is not None
    assert caught.value.where.startswith(f"{__file__}:")


def test_a_mutation_is_found_live_after_a_deploy_too(play: Play) -> None:
    """Invariant: an activity renamed under an open run never gets the old one's result."""
    run = play(original)

    with pytest.raises(NonDeterminismError, match="reserve"):
        run.replay(renamed_activity)


# --- what must pass -------------------------------------------------------------------------------


async def other_arguments() -> str:
    first = await act("reserve", 2, kwargs={"quick": True}, start_to_close_timeout=timedelta(1))
    await asyncio.sleep(99)
    token = workflow.side_effect(lambda: 8)
    await local("price", "EUR", retry=RetryPolicy(maximum_attempts=2))
    both = await asyncio.gather(act("charge", task_queue="slow"), act("ship"))
    return f"{first} {token} {both}"


async def other_result() -> int:
    await original()
    return 7


async def other_style() -> str:
    first = await workflow.start_activity("reserve", 1)
    workflow.logger.info("reserved")
    workflow.random().random()
    workflow.uuid4()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workflow.sleep(timedelta(minutes=1), summary="a nap"))
    token = workflow.side_effect(lambda: 7)
    price = workflow.start_local_activity("price")
    await price
    charge, ship = workflow.start_activity("charge"), workflow.start_activity("ship")
    return f"{first} {token} {[await charge, await ship]}"


@pytest.mark.parametrize("code", [other_arguments, other_result, other_style])
def test_benign_edits_pass(play: Play, code: Code) -> None:
    instance = recorded(play).replay(code)

    assert instance.terminal is not None
    instance.close()


def test_an_open_run_replays_at_every_point(play: Play) -> None:
    run = play(original)
    while not run.closed:
        run.crash()
        _one_step(run)

    assert run.lines == recorded(play).lines


def _one_step(run: Driver) -> None:
    for activity_id, (name, _) in (run.locals | run.activities).items():
        run.complete(activity_id, name)
        return
    run.fire()


def test_notes_are_skipped(play: Play) -> None:
    run = play(original)
    at = run.history[-1].recorded_at
    run.history.append(Recorded(3, at, WorkflowPaused(reason="lunch")))

    instance = run.replay()

    assert instance.head_seq == 3
    instance.close()


def test_a_terminated_run_replays_to_where_it_stood(play: Play) -> None:
    run = play(original)
    run.history.append(Recorded(3, run.now, WorkflowTerminated(reason="enough")))

    instance = run.replay()

    assert instance.terminal is None
    instance.close()


# --- histories that cannot be ---------------------------------------------------------------------


def _replay(code: Code, *events: Any, **options: Any) -> Any:
    history = [Recorded(seq, START, event) for seq, event in enumerate(events, 1)]
    return replay(defined(code), RUN_ID, history, **options)


STARTED = WorkflowStarted(workflow_id="test", workflow_type="original")


@pytest.mark.parametrize("events", [[], [TimerFired(timer_id="1")]])
def test_a_history_begins_with_a_start(events: list[Any]) -> None:
    with pytest.raises(HistoryError, match="begins with WorkflowStarted"):
        _replay(original, *events)


def test_commands_in_front_of_the_first_arrival_are_refused() -> None:
    scheduled = ActivityScheduled(activity_id="1", activity_type="a")

    with pytest.raises(HistoryError, match="begins with ActivityScheduled"):
        list(groups([Recorded(1, START, scheduled)]))


@pytest.mark.parametrize(
    "event",
    [ActivityCompleted(activity_id="9"), TimerFired(timer_id="9")],
)
def test_an_outcome_that_nobody_asked_for_is_found(event: Any) -> None:
    scheduled = ActivityScheduled(activity_id="1", activity_type="reserve")

    with pytest.raises(NonDeterminismError, match="no such") as caught:
        _replay(original, STARTED, scheduled, event)

    assert caught.value.seq == 3


def test_events_behind_the_end_are_found() -> None:
    scheduled = ActivityScheduled(activity_id="1", activity_type="reserve")

    with pytest.raises(NonDeterminismError) as caught:
        _replay(early_return, STARTED, ActivityCompleted(activity_id="1"), scheduled)

    assert caught.value.seq == 2
    assert "CompleteWorkflow" in caught.value.found


def test_an_end_that_history_does_not_have_is_found() -> None:
    with pytest.raises(NonDeterminismError, match="still open") as caught:
        _replay(early_return, STARTED)

    assert caught.value.seq == 2


def test_signals_behind_the_end_wait_for_the_close() -> None:
    from aion.core.events import WorkflowCompleted

    instance, left = _replay(
        early_return, STARTED, SignalReceived(name="late"), WorkflowCompleted(result=payload(1))
    )

    assert left == []
    assert [signal.name for signal in instance.messages.unhandled] == ["late"]
    instance.close()


# --- histories that break off ---------------------------------------------------------------------


def test_a_partial_history_gives_the_commands_it_lacks() -> None:
    instance, left = _replay(original, STARTED, partial=True)

    assert [command.name for command in left] == ["ScheduleActivity"]
    instance.close()


def test_a_partial_history_may_break_off_before_the_end() -> None:
    instance, left = _replay(early_return, STARTED, partial=True)

    assert [command.name for command in left] == ["CompleteWorkflow"]
    instance.close()


def test_a_partial_history_may_break_off_before_a_side_effect() -> None:
    instance, left = _replay(side_effect_too_early, STARTED, partial=True)

    assert [command.name for command in left] == ["RecordSideEffect", "ScheduleActivity"]
    instance.close()


def test_a_full_history_must_not_lack_commands() -> None:
    with pytest.raises(NonDeterminismError, match="no further command") as caught:
        _replay(original, STARTED)

    assert caught.value.seq == 2


def test_only_the_last_group_of_a_partial_history_may_lack_commands() -> None:
    with pytest.raises(NonDeterminismError, match="no further command"):
        _replay(original, STARTED, SignalReceived(name="more"), partial=True)


# --- after a failed replay ------------------------------------------------------------------------


def test_a_failed_replay_leaves_nothing_running(play: Play) -> None:
    ended: list[str] = []

    async def careful() -> None:
        try:
            await asyncio.gather(act("reserve"), act("other"))
        finally:
            ended.append("closed")

    run = play(original)
    with pytest.raises(NonDeterminismError):
        run.replay(careful)

    assert ended == ["closed"]


def test_a_replay_that_meets_a_mistake_raises_it(play: Play) -> None:
    async def mistaken() -> None:
        await act("reserve", 1)
        raise WorkflowCodeError("not like this")

    run = recorded(play)

    with pytest.raises(WorkflowCodeError, match="not like this"):
        run.replay(mistaken)


def test_time_on_replay_is_the_recorded_time(play: Play) -> None:
    seen: list[dt.datetime] = []

    async def clock() -> None:
        for _ in range(3):
            seen.append(workflow.now())
            await act("work")

    run = play(clock).run()
    live, seen[:] = list(seen), []
    run.replay().close()

    assert seen == live
