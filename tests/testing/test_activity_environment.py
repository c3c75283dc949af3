"""An activity's function alone."""

from __future__ import annotations

import asyncio
import threading

import pytest

from aion import activity
from aion.core.errors import NotInActivity
from aion_engine.testing import ActivityEnvironment
from tests.testing import stories


def count(until: int) -> int:
    done = activity.info().heartbeat_details
    for number in range(done[0] if done else 0, until):
        activity.heartbeat(number)
    return until


def test_heartbeats_are_collected() -> None:
    env = ActivityEnvironment()

    assert env.run(count, 3) == 3
    assert env.heartbeats == [(0,), (1,), (2,)]


def test_info_is_what_the_test_says() -> None:
    env = ActivityEnvironment(attempt=2, heartbeat_details=(2,))
    seen = env.run(lambda: (activity.info().attempt, activity.info().idempotency_key))
    env.run(count, 4)

    assert seen == (2, "00000000-0000-7000-8000-000000000000:1")
    assert env.heartbeats == [(2,), (3,)]
    env.run(stories.charge, "ada", 1)
    assert env.info.activity_type == "stories.charge"
    with pytest.raises(TypeError):
        ActivityEnvironment(unknown=1)


def test_a_heartbeat_tells_the_code_to_stop() -> None:
    env = ActivityEnvironment(on_heartbeat=lambda number: number == 1 and env.cancel("paused"))
    seen: list[activity.CancellationDetails | None] = []

    def work() -> None:
        try:
            count(9)
        finally:
            seen.append(activity.cancellation_details())

    with pytest.raises(asyncio.CancelledError):
        env.run(work)
    assert env.heartbeats == [(0,), (1,)]
    assert seen == [activity.CancellationDetails(paused=True)]


def test_waiting_code_is_told_from_another_thread() -> None:
    env = ActivityEnvironment()
    begun = threading.Event()

    def work() -> str | None:
        begun.set()
        assert activity.wait_for_cancelled(20)
        return activity.cancel_reason()

    teller = threading.Thread(target=lambda: begun.wait(20) and env.cancel("shutdown"))
    teller.start()

    assert env.run(work) == "shutdown"
    teller.join()


def test_coroutines_run_and_are_cancelled() -> None:
    env = ActivityEnvironment()

    @activity.defn
    async def work() -> str:
        activity.heartbeat("here")
        await asyncio.Event().wait()
        return "never"

    async def main() -> None:
        running = asyncio.create_task(env.arun(work))
        while not env.heartbeats:
            await asyncio.sleep(0)
        env.cancel()
        await running

    assert env.run(stories.acharge, "ada") == "async ada"
    assert asyncio.run(env.arun(stories.charge, "ada", 1)) == "receipt of ada"
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


def test_what_the_code_raises_comes_out_and_nothing_stays() -> None:
    def work() -> None:
        raise LookupError("no such customer")

    with pytest.raises(LookupError, match="no such customer"):
        ActivityEnvironment().run(work)
    with pytest.raises(NotInActivity):
        activity.info()
