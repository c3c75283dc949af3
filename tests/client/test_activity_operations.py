"""What operators do to one pending activity: pause, unpause, reset, retry now, other options, an outcome."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from aion import RetryPolicy, activity, client
from aion.client import ActivityHandle
from aion.core.errors import (
    ActivityNotFound,
    AionError,
    InvalidArgument,
    RunClosed,
    RunNotFound,
    WrongState,
)
from aion.models import ActivityTask
from aion.store import activities
from tests.client.operated import World, failing
from tests.support import kit

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]


# --- pause and unpause ----------------------------------------------------------------------------


def test_a_paused_activity_is_not_begun_until_it_is_unpaused(world: World) -> None:
    handle = world.start()
    handle.pause("the bank is down", by="ada")

    assert not world.engine.act()
    shown = world.shown
    assert (shown.state, shown.pause_reason, shown.paused_by) == (
        "paused",
        "the bank is down",
        "ada",
    )
    assert shown.paused_at == world.clock.at

    handle.unpause()

    assert world.shown.state == "scheduled"
    assert (world.shown.pause_reason, world.shown.paused_by) == ("", "")
    assert world.result() == 1


def test_a_message_of_a_paused_activity_begins_nothing(world: World) -> None:
    handle = world.start()
    waiting = activities.ready(now=world.clock.at, limit=1)
    handle.pause()
    task_id, attempt = waiting[0]

    begun = activities.claim_attempt(
        task_id, attempt, owner_id=world.engine.worker.id, pid=1, now=world.clock.at
    )

    assert begun is None


def test_an_unpaused_activity_is_handed_over_again(world: World) -> None:
    handle = world.start()
    handle.pause()
    handle.unpause()

    assert world.engine.tick().published == 1


def test_a_backoff_goes_on_while_an_activity_is_paused(world: World) -> None:
    handle = failing(world)
    handle.pause()
    world.move(minutes=4)
    handle.unpause()

    assert world.shown.state == "backing_off"
    assert not world.engine.act()
    world.move(minutes=6)
    assert world.engine.act()


def test_a_running_attempt_is_told_and_comes_back_uncounted(world: World) -> None:
    told: list[Any] = []

    def pause_and_beat() -> None:
        if len(world.calls) == 1:
            handle.pause("later")
            try:
                activity.heartbeat("half way")
            finally:
                told.append(activity.cancellation_details())

    world.during = pause_and_beat
    handle = world.start()
    assert world.engine.act()

    assert told == [activity.CancellationDetails(paused=True)]
    assert world.shown.state == "paused"
    assert world.shown.last_failure is None
    assert not world.engine.act()

    handle.unpause()
    assert world.shown.heartbeat_details == ("half way",)
    assert world.result() == 2
    assert world.calls == [1, 1]


def test_an_attempt_that_completes_all_the_same_counts(world: World) -> None:
    world.during = lambda: handle.pause()
    handle = world.start()

    assert world.result() == 1


def test_an_attempt_that_fails_while_it_is_paused_waits_with_its_next(world: World) -> None:
    world.problem = ValueError("no")
    world.during = lambda: handle.pause()
    handle = world.start()
    world.engine.act()
    world.move(hours=1)

    assert not world.engine.act()
    assert (world.shown.state, world.shown.attempt) == ("paused", 2)
    assert world.shown.last_failure is not None
    world.during, world.problem = lambda: None, None
    handle.unpause()
    assert world.result() == 2


def test_a_pause_outlasts_that_of_the_run(world: World) -> None:
    handle = world.start()
    handle.pause()
    world.handle.pause()
    world.handle.resume()
    assert not world.engine.act()

    world.handle.pause()
    handle.unpause()
    assert not world.engine.act(), "its run is paused"

    world.handle.resume()
    assert world.result() == 1


def test_the_deadline_of_the_whole_goes_on_and_that_of_the_wait_does_not(world: World) -> None:
    handle = world.start(
        schedule_to_start_timeout=dt.timedelta(minutes=5),
        schedule_to_close_timeout=dt.timedelta(hours=2),
    )
    handle.pause()
    world.move(hours=1)
    assert world.engine.tick().timed_out == 0

    handle.unpause()
    assert world.shown.deadline_kind == "schedule_to_start"
    assert world.shown.deadline_at == world.clock.at + dt.timedelta(minutes=5)

    handle.pause()
    world.move(hours=1)
    assert world.engine.tick().timed_out == 1
    assert world.result()[0] == "TimeoutError"


def test_a_cancelled_activity_waits_for_no_operator(
    world: World, script: Register, acting: Register
) -> None:
    """Its attempt was told of the pause, the workflow cancels it, and its worker hands it back."""

    @script
    async def main(me: kit.Scripted) -> str:
        from aion import workflow
        from aion.authoring.options import CancellationType

        task = kit.act.with_options(cancellation_type=CancellationType.WAIT).start("work")
        await workflow.wait_condition(lambda: me.notes)
        task.cancel()
        await workflow.wait_condition(task.done)
        return "cancelled" if task.cancelled() else "done"

    handle = world.start()
    running = world.engine.begin()
    assert running is not None
    handle.pause()
    world.handle.signal("note", 1)
    world.engine.turns()
    activities.hand_back(running.attempt, now=world.clock.at)

    with pytest.raises(WrongState, match="being cancelled"):
        handle2 = world.handle.activity("1")
        handle2.unpause()
        handle2.pause()
    world.during = lambda: activity.heartbeat()
    assert world.result() == "cancelled"


def test_a_jitter_spreads_what_is_unpaused(world: World) -> None:
    handle = world.start()
    handle.pause()
    handle.unpause(jitter=dt.timedelta(minutes=1))

    at = world.shown.next_attempt_at
    assert at is not None
    assert world.clock.at < at <= world.clock.at + dt.timedelta(minutes=1)
    world.move(minutes=1)
    assert world.result() == 1


def test_unpausing_may_reset(world: World) -> None:
    handle = failing(world)
    handle.pause()
    handle.unpause(reset_attempts=True, reset_heartbeat=True)

    assert (world.shown.attempt, world.shown.state) == (1, "scheduled")
    world.problem = None
    assert world.result() == 2
    assert world.calls == [1, 1]


# --- reset ----------------------------------------------------------------------------------------


def test_a_reset_begins_at_the_first_attempt_at_once(world: World) -> None:
    handle = failing(world)
    handle.reset()

    assert (world.shown.attempt, world.shown.state) == (1, "scheduled")
    for _ in range(3):
        world.engine.go()
        world.move(hours=1)
    assert world.result() == ["ValueError", "no", 3]
    assert world.calls == [1, 1, 2, 3]


@pytest.mark.parametrize("clear", [False, True])
def test_heartbeat_details_are_kept_or_cleared(world: World, clear: bool) -> None:
    world.during = lambda: activity.heartbeat("so far")
    handle = failing(world)
    handle.reset(reset_heartbeat=clear)

    assert world.shown.heartbeat_details == (() if clear else ("so far",))


@pytest.mark.parametrize("clear", [False, True])
def test_a_running_attempt_hears_of_its_reset_and_makes_room(world: World, clear: bool) -> None:
    seen: list[Any] = []

    def during() -> None:
        seen.append(activity.info().heartbeat_details)
        if len(world.calls) == 2:
            handle.reset(reset_heartbeat=clear)
            activity.heartbeat("second")

    world.during = during
    handle = failing(world)
    world.move(minutes=10)
    world.problem = None
    world.engine.act()

    assert (world.shown.attempt, world.shown.state) == (1, "scheduled")
    assert not world.shown.reset_requested
    assert world.result() == 3
    assert world.calls == [1, 2, 1]
    assert seen[-1] == (() if clear else ("second",))


def test_a_running_attempt_that_fails_after_its_reset_does_not_count(world: World) -> None:
    world.problem = ValueError("no")
    handle = world.start(retry=RetryPolicy(maximum_attempts=1, jitter=0.0))
    world.during = lambda: handle.reset() if len(world.calls) == 1 else None
    world.engine.act()

    assert (world.shown.attempt, world.shown.state) == (1, "backing_off")
    world.move(minutes=1)
    assert world.result() == ["ValueError", "no", 1]


def test_a_stale_attempt_of_the_same_number_changes_nothing(world: World) -> None:
    """The number begins again; the fence does not."""
    handle = failing(world)
    stale = world.engine.begin()
    assert stale is None
    world.move(minutes=10)
    stale = world.engine.begin()
    assert stale is not None
    handle.reset()
    activities.hand_back(stale.attempt, now=world.clock.at)
    fresh = world.engine.begin()
    assert fresh is not None
    assert (fresh.context.info.attempt, fresh.attempt.attempt) == (1, 3)

    world.problem = None
    world.engine.perform(stale)
    assert world.shown.state == "running"
    world.engine.perform(fresh)
    assert world.result() == 3


def test_a_reset_voids_the_token_of_what_is_completed_from_elsewhere(world: World) -> None:
    tokens: list[str] = []

    def ask() -> None:
        tokens.append(activity.info().task_token)
        activity.raise_complete_async()

    world.during = ask
    handle = world.start()
    world.engine.act()
    assert world.shown.state == "external"
    handle.reset()

    with pytest.raises(ActivityNotFound):
        client.complete_activity(tokens[0], 1)
    world.engine.act()
    client.complete_activity(tokens[1], 2)
    assert world.result() == 2
    assert world.calls == [1, 1]


@pytest.mark.parametrize("keep", [False, True])
def test_a_reset_ends_a_pause_unless_told_otherwise(world: World, keep: bool) -> None:
    handle = world.start(schedule_to_start_timeout=dt.timedelta(minutes=1))
    handle.pause("wait")
    handle.reset(keep_paused=keep)

    assert world.shown.state == ("paused" if keep else "scheduled")
    assert (world.shown.deadline_at is None) is keep
    assert world.engine.act() is not keep


# --- retry now, options ---------------------------------------------------------------------------


def test_a_retry_need_not_wait(world: World) -> None:
    handle = failing(world)
    assert world.shown.state == "backing_off"
    handle.retry_now()
    world.problem = None

    assert world.engine.tick().published == 1
    assert world.result() == 2
    assert world.calls == [1, 2]


def test_more_attempts_may_be_given_while_one_runs(world: World) -> None:
    world.problem = ValueError("no")
    handle = world.start(retry=RetryPolicy(maximum_attempts=1, jitter=0.0))

    def more() -> None:
        handle.update_options(retry=RetryPolicy(maximum_attempts=2, jitter=0.0))

    world.during = more
    world.engine.act()

    assert (world.shown.attempt, world.shown.maximum_attempts) == (2, 2)


def test_timeouts_and_queue_may_change(world: World) -> None:
    handle = world.start(schedule_to_close_timeout=dt.timedelta(minutes=1))
    handle.update_options(
        schedule_to_close_timeout=None,
        start_to_close_timeout=dt.timedelta(minutes=3),
        heartbeat_timeout=dt.timedelta(seconds=9),
        task_queue="elsewhere",
    )

    shown = world.shown
    assert (shown.task_queue, shown.deadline_at) == ("elsewhere", None)
    assert activities.ready(now=world.clock.at, limit=1, queues=["default"]) == []
    assert activities.ready(now=world.clock.at, limit=1, queues=["elsewhere"]) != []
    running = world.engine.begin()
    assert running is not None
    assert running.context.info.start_to_close_timeout == dt.timedelta(minutes=3)
    assert world.shown.deadline_kind == "heartbeat"
    assert "PT60S" in str(world.handle.fetch_history()[1].attributes), (
        "history keeps what was asked"
    )


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "options"),
        ({"retry": 3}, "retry"),
        ({"heartbeat_timeout": 3}, "heartbeat_timeout"),
        ({"task_queue": None}, "task_queue"),
        ({"local": True}, "local"),
    ],
)
def test_unusable_options_change_nothing(world: World, options: Any, field: str) -> None:
    handle = world.start()
    before = ActivityTask.objects.values().get()

    with pytest.raises(InvalidArgument) as caught:
        handle.update_options(**options)

    assert caught.value.field == field  # type: ignore[attr-defined]
    assert ActivityTask.objects.values().get() == before


# --- what cannot be done --------------------------------------------------------------------------

VERBS: dict[str, Callable[[ActivityHandle], Any]] = {
    "pause": lambda it: it.pause(),
    "unpause": lambda it: it.unpause(),
    "reset": lambda it: it.reset(),
    "retry_now": lambda it: it.retry_now(),
    "update_options": lambda it: it.update_options(task_queue="q"),
    "complete": lambda it: it.complete(),
    "fail": lambda it: it.fail("no"),
    "cancel": lambda it: it.cancel(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_not_pending_cannot_be_operated_on(verb: str, world: World) -> None:
    world.start()
    act = VERBS[verb]

    with pytest.raises(RunNotFound):
        act(ActivityHandle("other", None, "1"))
    with pytest.raises(ActivityNotFound, match="it was not asked for"):
        act(world.handle.activity("2"))
    with pytest.raises(InvalidArgument):
        act(world.handle.activity(1))  # type: ignore[arg-type]
    world.engine.act()
    with pytest.raises(ActivityNotFound, match="its outcome waits to be folded"):
        act(world.handle.activity("1"))
    world.engine.turns()
    with pytest.raises(RunClosed):
        act(world.handle.activity("1"))


def test_an_activity_that_is_done_says_so(world: World, script: Register) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        from aion import workflow

        await kit.act.execute("work")
        await kit.act.execute_local("work")
        await workflow.wait_condition(lambda: me.notes)

    world.start()
    world.engine.go()

    with pytest.raises(ActivityNotFound, match=r"is done \(ActivityCompleted, event 4\)"):
        world.handle.activity("1").pause()
    with pytest.raises(ActivityNotFound, match="a local activity, which has no row, and done"):
        world.handle.activity("2").pause()


def test_a_local_activity_under_way_cannot_be_operated_on(world: World, script: Register) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        await kit.act.execute_local("work")

    world.handle = world.engine.start("main")
    world.engine.turn()

    with pytest.raises(ActivityNotFound, match="in the memory of their worker"):
        world.handle.activity("1").complete(1)


WRONG: list[tuple[Callable[[World, ActivityHandle], Any], str]] = [
    (lambda world, it: (it.pause(), it.pause()), "paused already"),
    (lambda world, it: it.unpause(), "not paused by hand"),
    (lambda world, it: (it.pause(), it.retry_now()), "is paused"),
    (lambda world, it: (world.engine.begin(), it.retry_now()), "is running"),
]


@pytest.mark.parametrize(("act", "text"), WRONG)
def test_the_wrong_state_is_named(act: Any, text: str, world: World) -> None:
    handle = world.start()

    with pytest.raises(WrongState, match=text):
        act(world, handle)


BAD: list[Callable[[ActivityHandle], Any]] = [
    lambda it: it.pause(3),  # type: ignore[arg-type]
    lambda it: it.pause("nul \0"),
    lambda it: it.pause(by="x" * 300),
    lambda it: it.unpause(jitter=3),  # type: ignore[arg-type]
    lambda it: it.unpause(reset_attempts="yes"),  # type: ignore[arg-type]
    lambda it: it.reset(keep_paused=1),  # type: ignore[arg-type]
    lambda it: it.reset(jitter=dt.timedelta(-1)),
    lambda it: it.fail(3),  # type: ignore[arg-type]
    lambda it: client.pause_activity_type(3),  # type: ignore[arg-type]
    lambda it: client.unpause_activity_type("kit.act", jitter=dt.timedelta(0)),
]


@pytest.mark.parametrize("act", BAD)
def test_bad_input_changes_nothing(act: Any, world: World) -> None:
    handle = world.start()
    before = ActivityTask.objects.values().get()

    with pytest.raises(AionError) as caught:
        act(handle)

    assert isinstance(caught.value, InvalidArgument)
    assert ActivityTask.objects.values().get() == before
