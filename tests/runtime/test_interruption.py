"""Activities that are stopped by an exception, wherever they are."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction

from aion import activity, workflow
from aion.authoring.options import CancellationType
from aion_engine.runtime.attempts import AttemptContext, call
from aion_engine.runtime.execution import Running
from aion_engine.runtime.interruption import Interruption
from aion_engine.testing import ActivityEnvironment
from tests.support import kit
from tests.support.engine import Engine, in_thread

begun = threading.Event()
steps: list[str] = []


def turn_for_ever() -> None:
    begun.set()
    for _ in itertools.count():
        time.sleep(0)


@activity.defn(name="interruption.busy", interruptible=True)
def busy() -> None:
    turn_for_ever()


@activity.defn(name="interruption.tidy", interruptible=True)
def tidy() -> None:
    try:
        turn_for_ever()
    finally:
        for _ in range(1000):  # it is not interrupted again
            time.sleep(0)
        steps.append(f"tidied after {activity.cancel_reason()}")


@activity.defn(name="interruption.careful", interruptible=True)
def careful() -> None:
    with activity.shielded():
        begun.set()
        while not activity.is_cancelled():
            time.sleep(0)
        for _ in range(1000):
            time.sleep(0)
        steps.append("whole")
    steps.append("never")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    begun.clear()
    steps.clear()


@pytest.fixture
def stopped() -> Any:
    """Run an activity in its environment, and stop it for a reason when it has begun."""

    def run(work: Any, reason: str = "cancelled") -> BaseException | None:
        env = ActivityEnvironment()
        runner = in_thread(env.run, work)
        assert begun.wait(20)
        env.cancel(reason)
        env.cancel(reason)
        runner.join(20)
        return runner.error

    return run


@pytest.mark.parametrize("reason", ["cancelled", "shutdown", "timed out"])
def test_a_function_is_stopped_in_its_line_with_the_reason(stopped: Any, reason: str) -> None:
    error = stopped(tidy, reason)

    assert isinstance(error, asyncio.CancelledError)
    assert str(error) == reason
    assert steps == [f"tidied after {reason}"]


def test_a_shielded_block_is_left_whole(stopped: Any) -> None:
    error = stopped(careful)

    assert isinstance(error, asyncio.CancelledError)
    assert steps == ["whole"]


def test_an_error_behind_which_a_stop_waits_is_kept_as_the_cause() -> None:
    interruption = Interruption()

    def work() -> None:
        with interruption:
            interruption.ask("paused")
            raise ValueError("first")

    with pytest.raises(asyncio.CancelledError) as caught:
        interruption.run(work)
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_is_asked_before_the_function_begins_stops_it_there() -> None:
    interruption = Interruption()
    interruption.ask("cancelled")

    with pytest.raises(asyncio.CancelledError, match="cancelled"):
        interruption.run(steps.append, "never")
    assert steps == []


def test_nothing_is_raised_behind_a_function_however_close_the_ask_comes() -> None:
    """Of many asks around the end of a function each is heard in it or not at all."""
    rng = random.Random(1)
    outcomes = set()

    def once(pauses: int) -> str:
        interruption = Interruption()
        ready = threading.Event()

        def ask() -> None:
            ready.wait()
            interruption.ask("now")

        asker = threading.Thread(target=ask)
        asker.start()

        def work() -> str:
            ready.set()
            for _ in range(pauses):
                time.sleep(0)
            with interruption:
                return "done"

        try:
            return str(interruption.run(work))
        except asyncio.CancelledError:
            return "stopped"
        finally:
            for _ in range(50):  # an exception on its way would arrive here
                time.sleep(0)
            asker.join()

    for _ in range(300):
        outcomes.add(once(rng.randrange(12)))
    assert outcomes <= {"done", "stopped"}


def test_others_are_not_interrupted() -> None:
    env = ActivityEnvironment()

    def work() -> str:
        begun.set()
        assert activity.wait_for_cancelled(20)
        with activity.shielded():
            return f"{activity.cancel_reason()} and done"

    runner = in_thread(env.run, work)
    assert begun.wait(20)
    env.cancel()
    runner.join(20)

    assert runner.value == "cancelled and done"


def test_a_transactional_activity_cannot_be_interruptible() -> None:
    broken: Any = activity.defn(name="interruption.broken", transactional=True, interruptible=True)(
        turn_for_ever
    )

    assert "a transaction must be left whole" in broken.problems[0]


# --- in the engine ---


@pytest.mark.django_db
def test_the_cancel_of_a_remote_attempt_is_recorded(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> str:
        task = asyncio.ensure_future(
            busy.with_options(cancellation_type=CancellationType.WAIT).execute()
        )
        await workflow.wait_condition(lambda: bool(me.notes))
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "cancelled"
        return "?"

    handle = engine.start("main")
    engine.turns()
    running = engine.begin()
    assert running is not None
    handle.signal("note", 1)
    engine.turns()
    _stop_when_begun(running)
    engine.perform(running)
    engine.turns()

    assert handle.result(0) == "cancelled"
    assert "ActivityCancelled" in [each.kind for each in handle.fetch_history()]


def _stop_when_begun(running: Running) -> None:
    in_thread(lambda: begun.wait(20) and running.context.stop("cancelled"))


@pytest.mark.django_db
def test_a_local_attempt_that_is_given_up_frees_its_thread(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        await tidy.execute_local()

    handle = engine.start("main")
    engine.turns_until(begun.is_set)
    handle.terminate()

    engine.turns_until(lambda: not engine.loop.local.busy)
    assert steps == ["tidied after cancelled"]


@activity.defn(name="interruption.entered", interruptible=True)
def entered() -> None:
    transaction.atomic().__enter__()  # what an interruption between two lines of Django's leaves
    turn_for_ever()


@pytest.mark.django_db(transaction=True)
def test_the_thread_gets_new_connections() -> None:
    context = AttemptContext(ActivityEnvironment().info)

    def work() -> bool:
        with pytest.raises(asyncio.CancelledError):
            call(entered, b"{}", context, what="entered")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return bool(connection.in_atomic_block)

    runner = in_thread(work)
    assert begun.wait(20)
    context.stop("cancelled")
    runner.join(20)

    assert runner.error is None
    assert runner.value is False
