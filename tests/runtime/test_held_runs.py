"""Held runs: their problem is shown, their messages wait, their neighbours go on."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from aion import client, workflow
from aion.authoring.registry import registry
from aion.core.errors import WorkflowFailureError
from aion.models import Message, Run, Timer
from tests.sample.models import Effect
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.rows import kinds_of, mailbox_of

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]


async def draws_chance(me: kit.Scripted) -> None:
    random.random()


async def reads_the_clock(me: kit.Scripted) -> None:
    time.time()


async def starts_a_thread(me: kit.Scripted) -> None:
    threading.Thread(target=print).start()


async def touches_the_database(me: kit.Scripted) -> None:
    Effect.objects.create(key="never")


async def calls_an_activity(me: kit.Scripted) -> None:
    kit.act("work")


async def hides_it(me: kit.Scripted) -> None:
    try:
        random.random()
    except Exception:
        return


async def never_yields(me: kit.Scripted) -> None:
    while True:
        pass


async def leaves_the_process(me: kit.Scripted) -> None:
    raise SystemExit(3)


MISTAKES: dict[Any, tuple[str, str]] = {
    draws_chance: ("forbidden_in_workflow", "workflow.random"),
    reads_the_clock: ("forbidden_in_workflow", "workflow.time"),
    starts_a_thread: ("forbidden_in_workflow", "thread"),
    touches_the_database: ("forbidden_in_workflow", "touched the database"),
    calls_an_activity: ("forbidden_in_workflow", "execute"),
    never_yields: ("workflow_interrupted", "did not yield within 0.2 seconds"),
    leaves_the_process: ("workflow_code", "SystemExit"),
}


@pytest.fixture(autouse=True)
def impatient(settings: Any) -> None:
    settings.AION = {**settings.AION, "YIELD_LIMIT": 0.2}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_holds_its_run_and_no_other(
    mistake: Any, engine: Engine, clock: StandingClock, script: Register
) -> None:
    code, words = MISTAKES[mistake]
    kit.SCRIPTS["main"] = mistake
    before = client.start_workflow(kit.greet, "before")
    handle = engine.start("main")
    handle.signal("note", 1)
    after = client.start_workflow(kit.greet, "after")
    engine.turns()

    assert before.result(0).text == "hello before"
    assert after.result(0).text == "hello after"
    held = handle.describe()
    assert (held.status, held.history_length, held.problem_count) == ("running", 1, 1)
    assert held.problem is not None
    assert held.problem["code"] == code
    assert words in held.problem["message"]
    assert held.held_until is not None
    assert held.held_until > clock.at
    assert set(Message.objects.values_list("run_id", "parked")) == {(handle.run_id, True)}
    assert mailbox_of(handle.run_id) == ["start", "SignalReceived"]  # type: ignore[arg-type]
    assert Effect.objects.count() == 0

    kit.SCRIPTS["main"] = _fixed
    clock.at = held.held_until
    assert engine.tick().released == 1
    engine.turns()

    assert handle.result(0) == [1]
    done = handle.describe()
    assert (done.problem, done.problem_count, done.held_until) == (None, 0, None)
    assert Message.objects.count() == 0


async def _fixed(me: kit.Scripted) -> list[Any]:
    await workflow.wait_condition(lambda: bool(me.notes))
    return me.notes


def test_a_held_run_is_tried_again_more_and_more_rarely(
    engine: Engine, clock: StandingClock, script: Register
) -> None:
    kit.SCRIPTS["main"] = draws_chance
    handle = engine.start("main")
    waits: list[float] = []
    for _ in range(9):
        engine.turns()
        until = handle.describe().held_until
        assert until is not None
        waits.append((until - clock.at).total_seconds())
        clock.at = until
        assert engine.tick().released == 1

    assert waits == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert handle.describe().problem_count == 9
    kit.SCRIPTS.clear()


def test_messages_to_a_held_run_wait_with_it(
    engine: Engine, clock: StandingClock, script: Register
) -> None:
    kit.SCRIPTS["main"] = draws_chance
    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    handle.signal("note", 2)
    engine.turns()

    assert handle.describe().problem_count == 1
    assert not Message.objects.filter(parked=False).exists()

    async def fixed(me: kit.Scripted) -> list[Any]:
        await workflow.wait_condition(lambda: len(me.notes) == 2)
        return me.notes

    kit.SCRIPTS["main"] = fixed
    clock.move(10)
    engine.tick()
    engine.turns()
    assert handle.result(0) == [1, 2]


def change_the_code(engine: Engine, script: Register) -> client.WorkflowHandle:
    """A run that waits for one activity, and code that now asks for another."""

    @script
    async def main(me: kit.Scripted) -> Any:
        result = await kit.act.execute("first")
        return [result, me.notes]

    handle = engine.start("main")
    engine.turns()

    async def changed(me: kit.Scripted) -> Any:
        return await kit.booking.execute("second")

    kit.SCRIPTS["original"], kit.SCRIPTS["main"] = kit.SCRIPTS["main"], changed
    engine.loop.turns.cache.clear()
    return handle


def test_code_that_no_longer_fits_is_shown_and_its_result_kept(
    engine: Engine, clock: StandingClock, script: Register, acting: Register
) -> None:
    @acting
    def first() -> str:
        return "from before the deploy"

    handle = change_the_code(engine, script)
    engine.act()
    engine.turns()

    problem = handle.describe().problem
    assert problem is not None
    assert problem["code"] == "non_determinism"
    assert "ActivityScheduled(1, kit.act)" in problem["message"]
    assert "ScheduleActivity(1, kit.booking)" in problem["message"]
    assert "test_held_runs.py" in problem["where"]
    assert kinds_of(handle.run_id) == ["WorkflowStarted", "ActivityScheduled"]  # type: ignore[arg-type]
    assert mailbox_of(handle.run_id) == ["ActivityStarted", "ActivityCompleted"]  # type: ignore[arg-type]

    kit.SCRIPTS["main"] = kit.SCRIPTS["original"]
    clock.move(10)
    engine.tick()
    engine.turns()

    assert handle.result(0) == ["from before the deploy", []]


def test_code_that_no_longer_fits_may_fail_its_run(
    settings: Any, engine: Engine, script: Register
) -> None:
    settings.AION = {**settings.AION, "ON_NON_DETERMINISM": "fail"}
    handle = change_the_code(engine, script)
    handle.signal("note", 1)
    engine.turns()

    assert kinds_of(handle.run_id)[-1] == "WorkflowFailed"  # type: ignore[arg-type]
    with pytest.raises(WorkflowFailureError, match="no longer fits the history") as caught:
        handle.result(0)
    assert type(caught.value.cause).__name__ == "NonDeterminismError"
    assert Message.objects.count() == 0


@pytest.mark.parametrize(("setting", "chosen"), [("hold", "fail"), ("fail", "hold")])
def test_a_type_may_say_whether_its_runs_fail(
    settings: Any,
    engine: Engine,
    script: Register,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    chosen: str,
) -> None:
    settings.AION = {**settings.AION, "ON_NON_DETERMINISM": setting}
    monkeypatch.setattr(registry.workflow("kit.Scripted"), "on_non_determinism", chosen)
    handle = change_the_code(engine, script)
    handle.signal("note", 1)
    engine.turns()

    assert handle.describe().status == ("failed" if chosen == "fail" else "running")


def test_an_unknown_workflow_type_waits_for_its_code(engine: Engine, clock: StandingClock) -> None:
    handle = client.start_workflow(kit.greet, "ann")
    definition = registry.workflows.pop("kit.greet")
    try:
        engine.turns()
        problem = handle.describe().problem
    finally:
        registry.workflows["kit.greet"] = definition
    assert problem is not None
    assert problem["code"] == "unknown_type"
    assert "kit.greet" in problem["message"]

    clock.move(10)
    engine.tick()
    engine.turns()

    assert handle.result(0).text == "hello ann"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("SignalReceived", "no json"),
        ("SignalReceived", '{"nothing": 1}'),
        ("FromTheFuture", "{}"),
    ],
)
def test_a_poisoned_message_harms_only_its_run(
    kind: str, body: str, engine: Engine, clock: StandingClock
) -> None:
    handle = client.start_workflow(kit.Waiting)
    Message.objects.create(run_id=handle.run_id, kind=kind, body=body, created_at=START)
    other = client.start_workflow(kit.greet, "ann")
    engine.turns()

    assert other.result(0).text == "hello ann"
    assert handle.describe().problem is not None
    assert handle.describe().history_length == 1

    Message.objects.filter(kind=kind).delete()
    handle.signal("go", 1)
    clock.move(10)
    engine.tick()
    engine.turns()
    assert handle.result(0) == [1]


def test_a_broken_history_harms_only_its_run(engine: Engine) -> None:
    from django.db import connection

    handle = client.start_workflow(kit.Waiting)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE aion_event SET attributes = '{}'")
    other = client.start_workflow(kit.greet, "ann")
    engine.turns()

    assert other.result(0).text == "hello ann"
    assert handle.describe().problem is not None


def test_types_that_a_definition_holds_on_hold(engine: Engine, clock: StandingClock) -> None:
    definition = registry.workflow("kit.Scripted")
    definition.hold_on = (LookupError,)
    try:

        async def main(me: kit.Scripted) -> None:
            raise KeyError("a table that is not there yet")

        kit.SCRIPTS["main"] = main
        handle = engine.start("main")
        engine.turns()
        problem = handle.describe().problem
        assert problem is not None
        assert problem["type"] == "KeyError"
        kit.SCRIPTS["main"] = _fixed
        handle.signal("note", 1)
        clock.move(10)
        engine.tick()
        engine.turns()
        assert handle.result(0) == [1]
    finally:
        definition.hold_on = ()
        kit.SCRIPTS.clear()


def test_hidden_mistakes_are_mistakes(engine: Engine, clock: StandingClock) -> None:
    """Code that catches the guard's error has not drawn chance; it just goes on."""
    kit.SCRIPTS["main"] = hides_it
    handle = engine.start("main")
    engine.turns()
    kit.SCRIPTS.clear()

    assert handle.describe().status == "completed"


def test_timers_of_a_run_that_a_message_brought_back_still_fire(
    engine: Engine, clock: StandingClock, script: Register
) -> None:
    broken = [True]

    @script
    async def main(me: kit.Scripted) -> str:
        await workflow.sleep(60)
        return "slept"

    handle = engine.start("main")
    engine.turns()
    note = kit.Scripted.note

    def guarded(me: kit.Scripted, value: Any) -> None:
        if broken:
            random.random()

    registry.workflow("kit.Scripted").signals["note"].function = guarded
    try:
        handle.signal("note", 1)
        engine.turns()
        assert Timer.objects.get().parked is True
        broken.clear()
        clock.move(11)
        handle.signal("note", 2)  # comes between the end of the hold and the tick that releases
        engine.turns()
    finally:
        registry.workflow("kit.Scripted").signals["note"].function = note
    assert Run.objects.get().problem is None
    engine.tick()
    clock.move(60)
    engine.tick()
    engine.turns()

    assert handle.result(0) == "slept"
