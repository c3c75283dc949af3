"""Signals and queries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from aion import workflow
from aion.core.errors import QueryError, UnknownQuery
from aion.core.events import ActivityCompleted, ActivityStarted, SignalReceived
from tests.support.driver import Driver, arguments, payload

Play = Callable[..., Driver]


@workflow.defn(name="tests.Inbox")
class Inbox:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.open = True

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: not self.open)
        return self.seen

    @workflow.signal
    def note(self, text: str) -> None:
        self.seen.append(text)

    @workflow.signal(name="slow-note")
    async def slow_note(self, text: str) -> None:
        await asyncio.sleep(1)
        self.seen.append(text)

    @workflow.signal
    def close(self) -> None:
        self.open = False

    @workflow.signal
    def fail(self) -> None:
        raise ValueError("in a handler")

    @workflow.signal
    async def fail_later(self) -> None:
        await asyncio.sleep(1)
        raise ValueError("in a handler")

    @workflow.query
    def count(self) -> int:
        return len(self.seen)

    @workflow.query(name="from")
    def part(self, start: int, end: int = 99) -> list[str]:
        return self.seen[start:end]

    @workflow.query
    def act(self) -> None:
        workflow.start_activity("sneaky")

    @workflow.query
    def chance(self) -> str:
        return str(workflow.uuid4())

    @workflow.query
    def clock(self) -> float:
        return workflow.time()

    @workflow.query
    def broken(self) -> int:
        return 1 // 0


def test_signals_are_handled_in_their_order(play: Play) -> None:
    run = play(Inbox)
    run.signal("note", "a")
    run.arrive(
        SignalReceived(name="note", input=arguments("b")),
        SignalReceived(name="note", input=arguments(text="c")),
    )
    run.signal("close")

    assert run.result == ["a", "b", "c"]


def test_an_async_handler_takes_its_time(play: Play) -> None:
    run = play(Inbox)
    run.signal("slow-note", "late")
    run.signal("note", "early")
    run.fire()
    run.signal("close")

    assert run.result == ["early", "late"]


def test_a_signal_without_a_handler_is_kept(play: Play) -> None:
    run = play(Inbox)
    run.signal("unknown", 1)

    assert [signal.name for signal in run.instance.messages.unhandled] == ["unknown"]
    assert run.kinds[-1] == "SignalReceived"


def test_a_signal_that_cannot_be_read_is_dropped(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    run = play(Inbox)
    with caplog.at_level(logging.ERROR, logger="aion.workflow"):
        run.signal("note", ["not", "text"])
        run.signal("note")
    run.crash()
    run.signal("note", "fine")
    run.signal("close")

    assert run.result == ["fine"]
    assert len(caplog.records) == 2  # none by the replay
    assert "drops a signal" in caplog.text


@pytest.mark.parametrize("name", ["fail", "fail_later"])
def test_an_error_in_a_handler_fails_the_run(play: Play, name: str) -> None:
    run = play(Inbox)
    run.signal(name)
    if not run.closed:
        run.fire()

    assert "in a handler" in str(run.error)


def test_a_query_reads(play: Play) -> None:
    run = play(Inbox)
    for text in "abc":
        run.signal("note", text)

    assert run.query("count") == 3
    assert run.query("from", 1) == ["b", "c"]
    assert run.query("from", 0, end=1) == ["a"]


def test_a_query_is_answered_after_the_run_has_closed(play: Play) -> None:
    run = play(Inbox)
    run.signal("note", "a")
    run.signal("close")
    run.crash()

    assert run.query("count") == 1


def test_a_query_changes_nothing(play: Play) -> None:
    run = play(Inbox)
    before = run.lines
    for name in ("act", "chance"):
        with pytest.raises(QueryError, match="tried to change"):
            run.query(name)
    assert run.query("clock") == run.history[0].recorded_at.timestamp()

    assert run.lines == before
    run.signal("close")
    assert run.result == []


def test_a_query_that_fails_says_why(play: Play) -> None:
    run = play(Inbox)

    with pytest.raises(QueryError, match="ZeroDivisionError"):
        run.query("broken")
    with pytest.raises(QueryError, match="start"):
        run.query("from")


def test_an_unknown_query_lists_those_that_there_are(play: Play) -> None:
    run = play(Inbox)

    with pytest.raises(UnknownQuery, match="act, broken, chance, clock, count, from"):
        run.query("nothing")


def test_an_accepted_signal_is_folded_before_the_close(play: Play) -> None:
    @workflow.defn
    class Closing:
        def __init__(self) -> None:
            self.seen: list[str] = []

        @workflow.run
        async def run(self) -> str:
            await workflow.execute_activity("work")
            return "closed"

        @workflow.signal
        def note(self, text: str) -> None:
            self.seen.append(text)

        @workflow.query
        def notes(self) -> list[str]:
            return self.seen

    run = play(Closing)
    run.arrive(
        ActivityStarted(activity_id="1"),
        ActivityCompleted(activity_id="1", result=payload(None)),
        SignalReceived(name="note", input=arguments("just in time")),
    )

    assert run.kinds[-3:] == ["ActivityCompleted", "SignalReceived", "WorkflowCompleted"]
    assert run.query("notes") == ["just in time"]


def test_commands_of_a_late_signal_stand_before_the_close(play: Play) -> None:
    @workflow.defn
    class Busy:
        @workflow.run
        async def run(self) -> str:
            await workflow.execute_activity("work")
            return "closed"

        @workflow.signal
        async def more(self) -> None:
            await workflow.execute_activity("more")

    run = play(Busy)
    run.arrive(
        ActivityCompleted(activity_id="1", result=payload(None)), SignalReceived(name="more")
    )

    assert run.kinds[-3:] == ["SignalReceived", "ActivityScheduled", "WorkflowCompleted"]


def test_a_signal_is_seen_by_the_first_step_behind_it(play: Play) -> None:
    run = play(Inbox)
    run.arrive(
        SignalReceived(name="close"), SignalReceived(name="note", input=arguments("too late?"))
    )

    assert run.result == []  # the code had decided; the signal is recorded and readable
    assert run.query("count") == 1
