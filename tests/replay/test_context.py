"""The deterministic world: time, chance, ids, side effects, info, logs."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
import time
import uuid
from collections.abc import Callable

import pytest

from aion import workflow
from aion.core.errors import WorkflowCodeError
from tests.support.driver import RUN_ID, START, Driver

Play = Callable[..., Driver]


def test_now_is_the_time_of_the_event_being_folded(play: Play) -> None:
    async def clock() -> list[object]:
        first = workflow.now()
        await workflow.sleep(dt.timedelta(hours=1))
        assert workflow.time() == workflow.now().timestamp()
        assert asyncio.get_running_loop().time() == workflow.time()
        return [str(first), str(workflow.now())]

    run = play(clock)
    run.now += dt.timedelta(minutes=90)  # the timer fires late
    run.fire()

    assert run.result == [str(START), str(START + dt.timedelta(minutes=90))]


def test_the_clock_never_goes_back(play: Play) -> None:
    async def clock() -> str:
        await workflow.execute_activity("work")
        return str(workflow.now())

    run = play(clock)
    run.now -= dt.timedelta(hours=1)
    run.complete(1)

    assert run.result == str(START)
    assert [recorded.recorded_at for recorded in run.history] == [START] * 5


def test_random_numbers_depend_on_run_and_stream_only(play: Play) -> None:
    async def numbers(extra: bool) -> list[float]:
        if extra:
            workflow.uuid4()
            workflow.random("other").random()
            workflow.random("other").shuffle([1, 2, 3])
        stream = workflow.random("mine")
        return [stream.random(), stream.randint(1, 10**30), stream.gauss(0, 1)]

    one, other = play(numbers, False), play(numbers, True)
    elsewhere = play(numbers, False, run_id=str(uuid.UUID(int=7)))

    assert one.result == other.result
    assert one.result != elsewhere.result


def test_a_stream_goes_on_where_it_was(play: Play) -> None:
    async def numbers() -> list[float]:
        return [workflow.random().random() for _ in range(3)]

    assert len(set(play(numbers).result)) == 3


def test_streams_cover_what_random_offers(play: Play) -> None:
    async def numbers() -> None:
        stream = workflow.random()
        values = [stream.random() for _ in range(2000)]
        assert all(0 <= value < 1 for value in values)
        assert abs(sum(values) / 2000 - 0.5) < 0.05
        assert {stream.randrange(3) for _ in range(100)} == {0, 1, 2}
        assert len(stream.randbytes(100)) == 100
        assert sorted(stream.sample(range(10), 10)) == list(range(10))
        assert stream.choice("a") == "a"
        assert isinstance(stream, random.Random)
        stream.seed(1)

    assert play(numbers).kinds[-1] == "WorkflowCompleted"


def test_ids_are_unique_and_independent_of_each_other(play: Play) -> None:
    async def ids(extra: bool) -> list[str]:
        if extra:
            workflow.uuid7()
        return [str(workflow.uuid4()), str(workflow.uuid4())]

    first, second = play(ids, False).result
    again = play(ids, True).result

    assert first != second
    assert again == [first, second]
    assert uuid.UUID(first).version == 4
    assert uuid.UUID(first).variant == uuid.RFC_4122


def test_uuid7_begins_with_the_time(play: Play) -> None:
    async def ids() -> list[str]:
        return [str(workflow.uuid7()) for _ in range(2)]

    found = [uuid.UUID(text) for text in play(ids).result]

    assert [one.version for one in found] == [7, 7]
    assert found[0] != found[1]
    assert found[0].int >> 80 == int(START.timestamp() * 1000)


# --- side effects ---------------------------------------------------------------------------------


def test_a_side_effect_is_taken_once(play: Play) -> None:
    taken: list[int] = []

    async def once() -> int:
        value = workflow.side_effect(lambda: taken.append(1) or len(taken))
        await workflow.execute_activity("work")
        return value

    run = play(once)
    run.crash()
    run.complete(1)
    run.crash()

    assert run.result == 1
    assert taken == [1]


def test_a_side_effect_may_read_clock_and_chance(play: Play) -> None:
    async def chance() -> list[object]:
        return [
            workflow.side_effect(time.time),
            workflow.side_effect(lambda: str(uuid.uuid4())),
            workflow.side_effect(lambda: random.random()),
            workflow.side_effect(lambda: dt.datetime.now(dt.UTC), type=dt.datetime).isoformat(),
        ]

    run = play(chance)

    assert run.kinds == ["WorkflowStarted", *["SideEffectRecorded"] * 4, "WorkflowCompleted"]
    assert str(run.result[3]).startswith(str(dt.datetime.now(dt.UTC).year))


def test_the_code_gets_the_decoded_form_live_and_on_replay(play: Play) -> None:
    seen: list[object] = []

    async def decoded() -> None:
        seen.append(workflow.side_effect(lambda: (1, 2)))
        seen.append(workflow.side_effect(lambda: (1, 2), type=tuple[int, int]))
        await workflow.execute_activity("work")

    play(decoded).crash()

    assert seen == [[1, 2], (1, 2)] * 2


def test_a_side_effect_must_not_act(play: Play) -> None:
    async def acting() -> None:
        workflow.side_effect(lambda: workflow.start_activity("sneaky"))

    with pytest.raises(WorkflowCodeError, match="read, not act"):
        play(acting)


@pytest.mark.parametrize("function", [lambda: 1 // 0, object, lambda: workflow.uuid4()])
def test_a_side_effect_that_fails_holds_the_run_even_if_caught(
    play: Play, function: Callable[[], object]
) -> None:
    async def failing() -> str:
        try:
            workflow.side_effect(function)
        except Exception:
            return "caught, and replay could not know"
        return "fine"

    with pytest.raises(WorkflowCodeError, match="A side effect failed"):
        play(failing)


# --- info and logs --------------------------------------------------------------------------------


def test_info_describes_the_run(play: Play) -> None:
    async def about() -> list[object]:
        first = workflow.info()
        await workflow.execute_activity("work")
        second = workflow.info()
        return [
            first.workflow_id,
            first.run_id,
            first.workflow_type,
            first.root_run_id,
            first.attempt,
            str(first.started_at),
            first.history_length,
            second.history_length,
        ]

    run = play(about)
    run.complete(1)

    assert run.result == ["test", RUN_ID, "about", RUN_ID, 1, str(START), 1, 4]


def test_the_logger_adds_ids_and_is_silent_on_replay(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def talking() -> None:
        workflow.logger.info("step %d", 1, extra={"order": 7})
        assert not workflow.is_replaying() or not workflow.logger.isEnabledFor(logging.CRITICAL)
        await workflow.execute_activity("work")
        workflow.logger.info("step %d", 2)

    with caplog.at_level(logging.INFO, logger="aion.workflow"):
        run = play(talking)
        run.crash()
        run.complete(1)

    assert caplog.messages == ["step 1", "step 2"]
    first = caplog.records[0]
    assert (first.workflow_id, first.run_id, first.order) == ("test", RUN_ID, 7)  # type: ignore[attr-defined]


def test_is_replaying_tells_recorded_from_new(play: Play) -> None:
    seen: list[bool] = []

    async def curious() -> None:
        seen.append(workflow.is_replaying())
        await workflow.execute_activity("work")
        seen.append(workflow.is_replaying())

    run = play(curious)
    run.crash()
    run.complete(1)

    assert seen == [False, True, False]
    assert workflow.in_workflow() is False


@pytest.mark.parametrize("seconds", [float("inf"), 1e12])
def test_a_timer_beyond_the_calendar_is_an_ordinary_error(play: Play, seconds: float) -> None:
    async def patient() -> str:
        try:
            await asyncio.sleep(seconds)
        except OverflowError as error:
            return str(error)
        return "awake"

    run = play(patient)

    assert "9998" in run.result
    assert run.kinds == ["WorkflowStarted", "WorkflowCompleted"]


def test_timers_fire_in_any_order_and_only_once(play: Play) -> None:
    async def timers() -> list[float]:
        seen: list[float] = []

        async def one(seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append(seconds)

        await asyncio.gather(one(3), one(1), one(2))
        return seen

    run = play(timers)
    run.fire(1)
    assert run.arrive() == []
    run.run()

    assert run.result == [3, 1, 2]


def test_a_timer_fired_and_cancelled_in_one_turn_is_settled_by_order(play: Play) -> None:
    async def race() -> str:
        try:
            await asyncio.wait_for(workflow.execute_activity("work"), 5)
        except TimeoutError:
            return "late"
        return "in time"

    from aion.core.events import ActivityCompleted, ActivityStarted, TimerFired
    from tests.support.driver import payload

    done = [
        ActivityStarted(activity_id="1"),
        ActivityCompleted(activity_id="1", result=payload(None)),
    ]
    fired = TimerFired(timer_id="1")
    first, second = play(race), play(race)
    first.arrive(*done, fired)
    second.arrive(fired, *done)

    assert first.result == "in time"
    assert second.result == "late"
    assert "TimerFired" not in first.kinds
    assert "ActivityCompleted" not in second.kinds
