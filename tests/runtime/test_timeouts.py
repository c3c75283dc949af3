"""Deadlines: enforced from the rows by the tick, whatever the workers do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from aion import ActivityError, RetryPolicy, activity, client, workflow
from aion.core.errors import TimeoutError as AionTimeoutError
from aion.core.errors import WorkflowFailureError
from aion.core.events import ActivityTimedOut
from aion.models import ActivityTask, Message, Timer
from aion_engine.runtime.execution import Running
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.rows import events_of, kinds_of

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]
ONCE = RetryPolicy(maximum_attempts=1)
SOON = RetryPolicy(initial_interval=dt.timedelta(seconds=1), maximum_attempts=3, jitter=0.0)


def seconds(number: float) -> dt.timedelta:
    return dt.timedelta(seconds=number)


def waiting_for(engine: Engine, script: Register, **options: Any) -> client.WorkflowHandle:
    """A run that waits for an activity with these options."""

    @script
    async def main(me: kit.Scripted) -> Any:
        try:
            return await kit.act.with_options(**options).execute("work")
        except ActivityError as error:
            return _told(error)

    handle = engine.start("main")
    engine.turns()
    return handle


def _told(error: ActivityError) -> list[Any]:
    assert isinstance(error.cause, AionTimeoutError)
    return [error.cause.kind, list(error.cause.details), error.attempt]


def begun(engine: Engine) -> Running:
    running = engine.begin()
    assert running is not None
    return running


@pytest.mark.parametrize(
    ("options", "begins", "kind"),
    [
        ({"schedule_to_start_timeout": seconds(10)}, False, "schedule_to_start"),
        ({"schedule_to_close_timeout": seconds(10)}, False, "schedule_to_close"),
        ({"schedule_to_close_timeout": seconds(10)}, True, "schedule_to_close"),
        ({"start_to_close_timeout": seconds(10), "retry": ONCE}, True, "start_to_close"),
        ({"heartbeat_timeout": seconds(10), "retry": ONCE}, True, "heartbeat"),
    ],
)
def test_each_timeout_ends_the_activity(
    options: dict[str, Any],
    begins: bool,
    kind: str,
    engine: Engine,
    clock: StandingClock,
    script: Register,
) -> None:
    handle = waiting_for(engine, script, **options)
    if begins:
        begun(engine)

    clock.move(9.9)
    assert engine.tick().timed_out == 0
    clock.move(0.1)
    assert engine.tick().timed_out == 1
    assert engine.tick().timed_out == 0
    engine.turns()

    assert handle.result(0) == [kind, [], 1]
    [event] = [e for e in events_of(handle.run_id) if isinstance(e, ActivityTimedOut)]  # type: ignore[arg-type]
    assert event.failure.kind == "timeout"
    assert ActivityTask.objects.count() == 0


@pytest.mark.parametrize("kind", ["start_to_close", "heartbeat"])
def test_a_timed_out_attempt_is_retried(
    kind: str, engine: Engine, clock: StandingClock, script: Register, acting: Register
) -> None:
    @acting
    def work() -> int:
        return activity.info().attempt

    handle = waiting_for(engine, script, **{f"{kind}_timeout": seconds(10)}, retry=SOON)
    late = begun(engine)
    clock.move(10)
    engine.tick()

    row = ActivityTask.objects.get()
    assert (row.attempt, row.state, row.owner_id) == (2, "scheduled", None)
    assert row.next_attempt_at == START + seconds(11)
    engine.perform(late)  # its outcome comes too late
    assert Message.objects.count() == 0
    clock.move(1)
    engine.go()

    assert handle.result(0) == 2


def test_a_timeout_behind_failures_tells_of_the_last(
    engine: Engine, clock: StandingClock, script: Register, acting: Register
) -> None:
    @acting
    def work() -> None:
        raise ValueError("the disk is full")

    handle = waiting_for(engine, script, schedule_to_close_timeout=seconds(10), retry=SOON)
    engine.act()
    clock.move(10)
    engine.tick()
    engine.turns()

    [event] = [e for e in events_of(handle.run_id) if isinstance(e, ActivityTimedOut)]  # type: ignore[arg-type]
    assert event.failure.cause is not None
    assert event.failure.cause.message == "the disk is full"


def test_one_activity_that_cannot_be_settled_does_not_stop_the_others(
    engine: Engine, clock: StandingClock, script: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aion.operations import activity_outcome

    handles = [
        waiting_for(engine, script, schedule_to_close_timeout=seconds(10 + number))
        for number in range(3)
    ]
    time_out = activity_outcome.time_out
    calls: list[str] = []

    def failing(attempt: Any, kind: str) -> bool:
        calls.append(kind)
        if len(calls) == 1:
            raise RuntimeError("bad row")
        return time_out(attempt, kind)

    monkeypatch.setattr(activity_outcome, "time_out", failing)
    clock.move(60)

    assert engine.tick().timed_out == 2
    engine.turns()
    assert [handle.describe().status for handle in handles] == ["running", "completed", "completed"]


# --- heartbeats -----------------------------------------------------------------------------------


def test_the_next_attempt_finds_the_details_of_the_last(
    engine: Engine, clock: StandingClock, script: Register, acting: Register
) -> None:
    seen: list[tuple[Any, ...]] = []

    @acting
    def work() -> str:
        seen.append(activity.info().heartbeat_details)
        if len(seen) < 3:
            activity.heartbeat({"done": len(seen)}, "x")
            raise ValueError
        return "done"

    handle = waiting_for(engine, script, retry=SOON, heartbeat_timeout=seconds(10))
    for _ in range(3):
        engine.go()
        clock.move(60)

    assert handle.result(0) == "done"
    assert seen == [(), ({"done": 1}, "x"), ({"done": 2}, "x")]


def test_heartbeats_are_throttled_and_the_last_details_are_kept(
    engine: Engine, clock: StandingClock, script: Register, acting: Register
) -> None:
    written: list[str] = []

    @acting
    def work() -> None:
        for number in range(100):
            activity.heartbeat(number)
            written.append(ActivityTask.objects.get().heartbeat_details)
        raise ValueError

    waiting_for(engine, script, retry=SOON, heartbeat_timeout=seconds(30))
    engine.act()

    assert set(written) == {"[0]"}
    assert ActivityTask.objects.get().heartbeat_details == "[99]"


def test_a_heartbeat_timeout_carries_the_last_details(
    engine: Engine, clock: StandingClock, script: Register
) -> None:
    handle = waiting_for(engine, script, heartbeat_timeout=seconds(10), retry=ONCE)
    running = begun(engine)
    clock.move(8)
    running.context.heartbeat(("half", 2))
    clock.move(8)
    assert engine.tick().timed_out == 0
    clock.move(2)
    assert engine.tick().timed_out == 1
    engine.turns()

    assert handle.result(0) == ["heartbeat", ["half", 2], 1]


def test_an_attempt_that_lost_its_row_hears_of_it_by_heartbeat(
    engine: Engine, script: Register, acting: Register
) -> None:
    ended: list[str | None] = []

    @acting
    def work() -> None:
        ActivityTask.objects.all().delete()
        try:
            activity.heartbeat(1)
        finally:
            ended.append(activity.cancel_reason())

    waiting_for(engine, script)
    engine.act()

    assert ended == ["lost"]
    assert Message.objects.count() == 0


# --- runs -----------------------------------------------------------------------------------------


def sleeper(script: Register) -> None:
    @script
    async def sleep(me: kit.Scripted, seconds: float) -> str:
        await workflow.sleep(seconds)
        return "slept"


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"run_timeout": seconds(30)}, "run"),
        ({"execution_timeout": seconds(30)}, "execution"),
        ({"run_timeout": seconds(30), "execution_timeout": seconds(60)}, "run"),
        ({"run_timeout": seconds(60), "execution_timeout": seconds(30)}, "execution"),
    ],
)
def test_a_run_ends_at_its_deadline(
    options: dict[str, Any], kind: str, engine: Engine, clock: StandingClock, script: Register
) -> None:
    sleeper(script)
    handle = engine.start("sleep", 600, **options)
    engine.turns()
    kit.SCRIPTS.clear()  # its code does not run any more
    clock.move(29.9)
    engine.turns()
    assert handle.describe().status == "running"

    clock.move(0.1)
    engine.turns()

    assert handle.describe().status == "timed_out"
    assert kinds_of(handle.run_id)[-1] == "WorkflowTimedOut"  # type: ignore[arg-type]
    assert Timer.objects.count() == 0
    with pytest.raises(WorkflowFailureError, match=f"The {kind} timeout passed") as caught:
        handle.result(0)
    assert isinstance(caught.value.cause, TimeoutError)


def test_what_arrives_with_the_deadline_still_counts(
    engine: Engine, clock: StandingClock, script: Register
) -> None:
    sleeper(script)
    handle = engine.start("sleep", 30, run_timeout=seconds(30))
    engine.turns()
    clock.move(31)
    engine.turns()

    assert handle.result(0) == "slept"


def test_a_held_run_ends_at_its_deadline_too(
    engine: Engine, clock: StandingClock, script: Register
) -> None:
    sleeper(script)
    handle = engine.start("sleep", 600, run_timeout=seconds(30))
    engine.turns()
    kit.SCRIPTS["sleep"] = _broken
    engine.loop.turns.cache.clear()
    handle.signal("note", 1)
    engine.turns()
    assert handle.describe().problem is not None

    for _ in range(10):
        clock.move(20)
        engine.tick()
        engine.turns()

    assert handle.describe().status == "timed_out"


async def _broken(me: kit.Scripted, *args: Any) -> None:
    await kit.act.execute("another thing")


# --- delayed starts -------------------------------------------------------------------------------


def test_a_delayed_run_begins_at_its_time(engine: Engine, clock: StandingClock) -> None:
    handle = client.start_workflow(kit.greet, "ann", start_delay=seconds(30))
    clock.move(29.9)
    engine.turns()
    assert handle.describe().history_length == 1

    clock.move(0.1)
    engine.turns()

    assert handle.result(0).text == "hello ann"


@pytest.mark.parametrize("verb", ["signal", "cancel", "terminate"])
def test_a_delayed_run_takes_messages(verb: str, engine: Engine, clock: StandingClock) -> None:
    handle = client.start_workflow(kit.Waiting, start_delay=seconds(30))
    if verb == "signal":
        handle.signal("go", 1)
    else:
        getattr(handle, verb)("why")
    engine.turns()
    clock.move(60)
    engine.turns()

    expected = {"signal": "completed", "cancel": "cancelled", "terminate": "terminated"}[verb]
    assert handle.describe().status == expected
    assert handle.describe().problem is None
    assert Timer.objects.count() == 0


def test_the_run_timeout_begins_with_the_run(engine: Engine, clock: StandingClock) -> None:
    handle = client.start_workflow(kit.Waiting, start_delay=seconds(30), run_timeout=seconds(30))
    clock.move(59)
    engine.turns()
    assert handle.describe().status == "running"

    clock.move(1)
    engine.turns()

    assert handle.describe().status == "timed_out"
