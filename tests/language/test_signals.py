"""Signals to handlers: order, late and dynamic handlers, arguments that do not fit, errors."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from aion import ApplicationError, client, workflow
from aion.core import events
from tests.language.worlds import failure_of, found, kinds, rest, same_when_lost
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db


@workflow.defn(name="signals.Book")
class Book:
    """Writes down what reaches it, by which handler."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.done = False

    @workflow.run
    async def run(self) -> list[Any]:
        await workflow.wait_condition(lambda: self.done)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.lines

    @workflow.signal
    def plain(self, value: int) -> None:
        self.lines.append(["plain", value])

    @workflow.signal
    async def slow(self, value: int, pause: float = 0.0) -> None:
        self.lines.append(["slow", value])
        await asyncio.sleep(pause)
        self.lines.append(["slept", value])

    @workflow.signal
    async def acting(self, value: int) -> None:
        self.lines.append(await kit.act.execute("double", value))

    @workflow.signal(name="other name")
    def renamed(self, *values: int, end: str = "") -> None:
        self.lines.append([*values, end])

    @workflow.signal(dynamic=True)
    def rest(self, name: str, args: list[Any]) -> None:
        self.lines.append([name, args])

    @workflow.signal
    def stop(self) -> None:
        self.done = True

    @workflow.signal
    def fail(self, kind: str) -> None:
        if kind == "hold":
            asyncio.get_running_loop().run_in_executor(None, print)
        raise ApplicationError("no", type=kind)

    @workflow.signal
    async def fail_later(self) -> None:
        await asyncio.sleep(1)
        raise ApplicationError("later", type="Later")


@pytest.fixture(autouse=True)
def _doubling(acting: Any) -> None:
    @acting
    def double(value: int) -> int:
        return value * 2


def test_each_handler_gets_its_signals_in_the_order_of_arrival(engine: Engine) -> None:
    handle = client.start_workflow(Book)
    for value in range(3):
        handle.signal(Book.plain, value)
        handle.signal("other name", value, kwargs={"end": "."})
        handle.signal("unheard", value, value)
    handle.signal(Book.stop)
    engine.turns()

    assert handle.result(0) == [
        line for n in range(3) for line in (["plain", n], [n, "."], ["unheard", [n, n]])
    ]


def test_a_signal_may_come_before_the_first_turn(engine: Engine) -> None:
    handle = client.start_workflow(Book)
    handle.signal(Book.plain, 1)
    handle.signal(Book.stop)
    engine.turns()

    assert handle.result(0) == [["plain", 1]]
    assert kinds(handle) == [
        "WorkflowStarted",
        "SignalReceived",
        "SignalReceived",
        "WorkflowCompleted",
    ]


def test_async_handlers_interleave_and_are_waited_for(engine: Engine, clock: StandingClock) -> None:
    handle = client.start_workflow(Book)
    handle.signal(Book.slow, 1, 5.0)
    handle.signal(Book.slow, 2, 1.0)
    handle.signal(Book.acting, 3)
    handle.signal(Book.stop)
    rest(engine, clock)

    assert handle.result(0) == [["slow", 1], ["slow", 2], 6, ["slept", 2], ["slept", 1]]


def test_a_handler_that_runs_when_the_code_returns_is_dropped(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> str:
        async def endless(value: int) -> None:
            await asyncio.sleep(1000)

        workflow.set_signal_handler("endless", endless)
        await workflow.wait_condition(lambda: not workflow.all_handlers_finished())
        return "over"

    handle = engine.start("main")
    handle.signal("endless", 1)
    engine.turns()

    assert handle.result(0) == "over"


@pytest.mark.parametrize(
    ("name", "args"),
    [("plain", ("text",)), ("plain", ()), ("slow", (None,)), ("slow", (1, "long"))],
)
def test_arguments_that_do_not_fit_are_dropped_and_logged(
    engine: Engine, caplog: pytest.LogCaptureFixture, name: str, args: tuple[Any, ...]
) -> None:
    handle = client.start_workflow(Book)
    with caplog.at_level(logging.ERROR, "aion.workflow"):
        handle.signal(name, *args)
        handle.signal(Book.plain, 7)
        engine.turns()
        handle.signal(Book.stop)
        engine.turns()

    assert handle.result(0) == [["plain", 7]]
    assert len(caplog.records) == 1  # once, and not again on every replay


@pytest.mark.parametrize("name", ["fail", "fail_later"])
def test_an_error_of_a_handler_fails_the_run(
    engine: Engine, clock: StandingClock, name: str
) -> None:
    handle = client.start_workflow(Book)
    handle.signal(name, *(["Mine"] if name == "fail" else []))
    rest(engine, clock)

    error = failure_of(handle)
    assert isinstance(error, ApplicationError)
    assert error.type == ("Mine" if name == "fail" else "Later")


def test_a_handler_that_leaves_the_loop_holds_the_run(engine: Engine) -> None:
    handle = client.start_workflow(Book)
    engine.turns()
    handle.signal(Book.fail, "hold")
    engine.turns()

    about = handle.describe()
    assert (str(about.status), about.problem_count) == ("running", 1)
    assert kinds(handle) == ["WorkflowStarted"]  # the signal waits, nothing of the turn is written


# --- handlers registered while the code runs ------------------------------------------------------


def test_kept_signals_reach_a_late_handler_in_the_order_of_all_names(
    engine: Engine, script: Any
) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        await workflow.wait_condition(lambda: me.notes)
        got: list[Any] = []
        workflow.set_signal_handler("a", lambda value: got.append(["a", value]))
        workflow.set_signal_handler(None, lambda name, args: got.append([name, *args]))
        return got

    handle = engine.start("main")
    for number, name in enumerate("babca"):
        handle.signal(name, number)
    engine.turns()
    handle.signal("note", "go")
    engine.turns()

    # `a` was registered first and took its own; the dynamic one got the rest as it had come.
    assert handle.result(0) == [["a", 1], ["a", 4], ["b", 0], ["b", 2], ["c", 3]]


def test_a_dynamic_handler_gets_everything_in_the_order_of_arrival(
    engine: Engine, script: Any
) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        await workflow.wait_condition(lambda: me.notes)
        got: list[Any] = []
        workflow.set_signal_handler(None, lambda name, args: got.append(name))
        return got

    handle = engine.start("main")
    for name in "bab":
        handle.signal(name)
    handle.signal("note", "go")
    engine.turns()

    assert handle.result(0) == ["b", "a", "b"]


def test_a_removed_handler_leaves_its_signals_to_the_next(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        got: list[Any] = []
        workflow.set_signal_handler("a", lambda value: got.append(["first", value]))
        await workflow.wait_condition(lambda: got)
        workflow.set_signal_handler("a", None)
        await workflow.wait_condition(lambda: me.notes)
        workflow.set_signal_handler("a", lambda value: got.append(["second", value]))
        return got

    handle = engine.start("main")
    for value in (1, 2):
        handle.signal("a", value)
        engine.turns()
    handle.signal("note", "go")
    engine.turns()

    assert handle.result(0) == [["first", 1], ["second", 2]]


def test_a_handler_of_the_class_can_be_replaced(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        mine: list[Any] = []
        workflow.set_signal_handler("note", mine.append)
        await workflow.wait_condition(lambda: mine)
        return [mine, me.notes]

    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == [[1], []]


# --- signals and the end of the run ---------------------------------------------------------------


def test_an_accepted_signal_is_seen_though_the_code_has_returned(
    engine: Engine, script: Any
) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        await workflow.wait_condition(lambda: me.notes)
        return me.notes[:1]

    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    handle.signal("note", 2)
    engine.turns()

    assert handle.result(0) == [1]
    assert handle.query("read") == [1, 2]
    assert kinds(handle)[-3:] == ["SignalReceived", "SignalReceived", "WorkflowCompleted"]


def test_a_request_id_makes_a_signal_one(engine: Engine) -> None:
    handle = client.start_workflow(Book)
    for _ in range(2):
        handle.signal(Book.plain, 1, request_id="r")
        engine.turns()
    handle.signal(Book.stop)
    engine.turns()

    assert handle.result(0) == [["plain", 1]]
    assert len(found(handle, events.SignalReceived)) == 2


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        handle = client.start_workflow(Book, id="book")
        for value in range(3):
            handle.signal(Book.slow, value, 3.0 - value)
            handle.signal(Book.acting, value)
            engine.turns()
            handle.signal("who", value)
            engine.go()
        handle.signal(Book.plain, "bad")  # type: ignore[arg-type]
        handle.signal(Book.stop)
        rest(engine, clock)
        assert handle.describe().status == "completed"

    same_when_lost(story, clock)
