"""Failed attempts: retried from their row, with backoff, until the policy ends it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from aion import ActivityError, ApplicationError, RetryPolicy, activity
from aion.core.events import ActivityFailed, ActivityStarted
from aion.core.failures import decode_failure
from aion.models import ActivityTask
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.rows import events_of, kinds_of

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]
SLOW = RetryPolicy(initial_interval=dt.timedelta(seconds=10), maximum_attempts=4, jitter=0.0)


def after(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


@pytest.fixture
def failing(script: Register, acting: Register) -> list[BaseException]:
    """What the attempts raise, in order; afterwards they succeed."""
    errors: list[BaseException] = []

    @acting
    def work() -> str:
        if errors:
            raise errors.pop(0)
        return f"attempt {activity.info().attempt}"

    @script
    async def main(me: kit.Scripted, options: dict[str, Any]) -> Any:
        given = {**options, "retry": options.get("retry", SLOW)}
        try:
            return await kit.act.with_options(**given).execute("work")
        except ActivityError as error:
            return [type(error.cause).__name__, str(error.cause), error.attempt]

    return errors


def start(engine: Engine, script: Register, **options: Any) -> Any:
    """Options of an activity have no JSON form: the script closes over them."""
    main = kit.SCRIPTS["main"]

    @script
    async def bound(me: kit.Scripted) -> Any:
        return await main(me, options)

    return engine.start("bound")


def test_the_wait_doubles_in_the_row(
    engine: Engine, clock: StandingClock, script: Register, failing: list[BaseException]
) -> None:
    failing.extend(ValueError(str(number)) for number in range(3))
    handle = start(engine, script)

    engine.go()
    for attempt, due in ((2, 10), (3, 30), (4, 70)):
        row = ActivityTask.objects.get()
        assert (row.attempt, row.state, row.next_attempt_at) == (attempt, "scheduled", after(due))
        assert decode_failure(row.last_failure.encode()).message == str(attempt - 2)
        clock.at = after(due) - dt.timedelta(microseconds=1)
        engine.go()
        assert ActivityTask.objects.get().attempt == attempt
        clock.at = after(due)
        engine.go()

    assert handle.result(0) == "attempt 4"
    assert kinds_of(handle.run_id) == [
        "WorkflowStarted",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivityCompleted",
        "WorkflowCompleted",
    ]
    [started] = [e for e in events_of(handle.run_id) if isinstance(e, ActivityStarted)]
    assert (started.attempt, started.started_at, started.worker) == (
        4,
        after(70),
        engine.worker.name,
    )


def test_the_last_failure_reaches_the_workflow(
    engine: Engine, clock: StandingClock, script: Register, failing: list[BaseException]
) -> None:
    failing.extend(ValueError(str(number)) for number in range(9))
    handle = start(engine, script)

    for _ in range(5):
        engine.go()
        clock.move(100)

    assert handle.result(0) == ["ApplicationError", "3", 4]
    assert len(failing) == 5
    assert ActivityTask.objects.count() == 0


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (ApplicationError("no", non_retryable=True), SLOW),
        (KeyError("no"), RetryPolicy(non_retryable=("KeyError",))),
        (ApplicationError("no", type="Refused"), RetryPolicy(non_retryable=("Refused",))),
        (ValueError("no"), RetryPolicy(maximum_attempts=1)),
    ],
    ids=["the error says so", "its class is listed", "its type is listed", "one attempt"],
)
def test_some_failures_are_final(
    error: Exception,
    retry: RetryPolicy,
    engine: Engine,
    script: Register,
    failing: list[BaseException],
) -> None:
    failing.append(error)
    handle = start(engine, script, retry=retry)

    engine.go()

    assert handle.result(0)[2] == 1
    [failed] = [e for e in events_of(handle.run_id) if isinstance(e, ActivityFailed)]
    assert "work" in failed.failure.traceback


def test_an_error_may_say_when_to_try_again(
    engine: Engine, clock: StandingClock, script: Register, failing: list[BaseException]
) -> None:
    failing.append(ApplicationError("busy", next_retry_delay=dt.timedelta(seconds=3)))
    handle = start(engine, script)

    engine.go()
    assert ActivityTask.objects.get().next_attempt_at == after(3)
    clock.move(3)
    engine.go()

    assert handle.result(0) == "attempt 2"


def test_no_attempt_begins_beyond_the_schedule_to_close_timeout(
    engine: Engine, clock: StandingClock, script: Register, failing: list[BaseException]
) -> None:
    failing.extend(ValueError(str(number)) for number in range(9))
    handle = start(engine, script, schedule_to_close_timeout=dt.timedelta(seconds=30))

    engine.go()
    clock.move(10)
    engine.go()

    assert handle.result(0) == ["ApplicationError", "1", 2]


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit()])
def test_an_attempt_that_ends_by_what_ends_processes_has_failed(
    error: BaseException,
    engine: Engine,
    clock: StandingClock,
    script: Register,
    failing: list[BaseException],
) -> None:
    failing.append(error)
    handle = start(engine, script)

    engine.go()
    assert ActivityTask.objects.values_list("attempt", "state").get() == (2, "scheduled")
    clock.move(10)
    engine.go()

    assert handle.result(0) == "attempt 2"


def test_an_activity_that_cancels_itself_has_failed(
    engine: Engine, clock: StandingClock, script: Register, failing: list[BaseException]
) -> None:
    failing.append(asyncio.CancelledError())
    handle = start(engine, script)

    engine.go()
    clock.move(10)
    engine.go()

    assert handle.result(0) == "attempt 2"


def test_a_result_without_a_json_form_is_a_failure(
    engine: Engine, script: Register, acting: Register, failing: list[BaseException]
) -> None:
    acting(lambda: None)

    @acting
    def work() -> Any:
        return object()

    handle = start(engine, script, retry=RetryPolicy(maximum_attempts=1))
    engine.go()

    name, message, _ = handle.result(0)
    assert "result of activity kit.act" in message
    assert name


def test_an_unknown_activity_type_is_retried_until_it_is_known(
    engine: Engine, clock: StandingClock, script: Register, failing: list[BaseException]
) -> None:
    from aion.authoring.registry import registry

    handle = start(engine, script)
    engine.turns()
    definition = registry.activities.pop("kit.act")
    try:
        engine.act()
    finally:
        registry.activities["kit.act"] = definition
    row = ActivityTask.objects.get()
    assert row.attempt == 2
    assert "kit.act" in decode_failure(row.last_failure.encode()).message
    clock.move(10)
    engine.go()

    assert handle.result(0) == "attempt 2"


# --- async def ------------------------------------------------------------------------------------


def test_a_coroutine_is_an_activity(engine: Engine, script: Register, acting: Register) -> None:
    @acting
    async def work(number: int) -> list[int]:
        await asyncio.sleep(0)
        return await asyncio.gather(*(asyncio.sleep(0, number + each) for each in range(3)))

    @script
    async def main(me: kit.Scripted) -> Any:
        return await kit.aact.execute("work", 10)

    handle = engine.start("main")
    engine.go()

    assert handle.result(0) == [10, 11, 12]


def test_a_coroutine_is_cancelled_when_it_should_stop(
    engine: Engine, script: Register, acting: Register
) -> None:
    ended: list[str] = []

    @acting
    async def work() -> None:
        running.context.stop("cancelled")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cleaned up")
            raise

    @script
    async def main(me: kit.Scripted) -> Any:
        await kit.aact.execute("work")

    handle = engine.start("main")
    engine.turns()
    running = engine.begin()
    assert running is not None
    engine.perform(running)
    engine.turns()

    assert ended == ["cleaned up"]
    assert "ActivityCancelled" in kinds_of(handle.run_id)
