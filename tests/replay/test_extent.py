"""How long a history is, as the code may observe it: the same live and on every replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from aion import activity, workflow
from aion.core import events
from aion.core.history import Recorded, encode_event, from_lines, to_lines
from aion.core.lengths import SUGGEST_EVENTS
from aion_engine.replay.extent import Extent
from aion_engine.replay.replayer import replay
from tests.support.driver import RUN_ID, START, Driver, defined

SEEN: list[tuple[int, int, bool]] = []


@activity.defn
def measured(length: int, size: int, suggested: bool) -> str:
    return "ß" * 40  # more bytes than letters


def look() -> tuple[int, int, bool]:
    about = workflow.info()
    found = (about.history_length, about.history_bytes, workflow.continue_as_new_suggested())
    SEEN.append(found)
    return found


@workflow.defn(name="extent.Measuring")
class Measuring:
    """Asks after every arrival, from run method and handler alike."""

    @workflow.run
    async def run(self, rounds: int) -> int:
        for _ in range(rounds):
            await measured.execute(*look())
            await workflow.sleep(1)
        return look()[1]

    @workflow.signal
    def poke(self, text: str) -> None:
        look()


@pytest.fixture(autouse=True)
def _seen() -> None:
    SEEN.clear()


def started(run: Driver, **changes: Any) -> Driver:
    """Let a run begin otherwise."""
    event = msgspec.structs.replace(run.history[0].event, **changes)
    run.history[0] = Recorded(run.history[0].seq, START, event)
    return run


def played(**changes: Any) -> Driver:
    run = started(Driver(Measuring, 3), **changes).start()
    run.signal("poke", "é" * 100)
    run.run(lambda name, args: "ß" * 40)
    assert run.closed
    return run


def prefix(history: list[Recorded], length: int) -> int:
    return sum(len(encode_event(recorded.event)) for recorded in history[:length])


def test_length_and_bytes_are_those_of_the_events_so_far() -> None:
    run = played()

    assert SEEN
    assert all(size == prefix(run.history, length) for length, size, _ in SEEN)
    assert [length for length, _, _ in SEEN] == sorted({length for length, _, _ in SEEN})


def test_replay_sees_at_every_boundary_what_the_run_saw() -> None:
    run = played()
    live = list(SEEN)

    for length in range(1, len(run.history) + 1):
        SEEN.clear()
        instance, _ = replay(defined(Measuring), RUN_ID, run.history[:length], partial=True)
        instance.close()
        assert live[: len(SEEN)] == SEEN
    assert live == SEEN


def test_a_run_that_crashes_everywhere_sees_the_same() -> None:
    whole = played()
    live = list(SEEN)
    SEEN.clear()
    run = Driver(Measuring, 3).start()

    run.crash().signal("poke", "é" * 100)
    while not run.closed:
        run.crash()
        if run.activities:
            run.complete(next(iter(run.activities)), "ß" * 40)
        else:
            run.fire()

    assert [*to_lines(run.history)] == [*to_lines(whole.history)]
    assert set(SEEN) == set(live)


def test_bytes_are_those_that_were_stored_however_they_would_be_written_today() -> None:
    run = played()
    lines = [
        line.replace(b'"attributes":{', b'"attributes":{"of_another_day":"' + b"x" * 50 + b'",')
        if b'"kind":"TimerFired"' in line
        else line
        for line in to_lines(run.history)
    ]
    stored = from_lines(lines)
    fired = sum(recorded.kind == "TimerFired" for recorded in stored)
    last = SEEN[-1]
    SEEN.clear()

    instance, _ = replay(defined(Measuring), RUN_ID, stored)
    instance.close()

    added = len(b'"of_another_day":"' + b"x" * 50 + b'",')
    assert SEEN[-1][:2] == (last[0], last[1] + added * fired)


@pytest.mark.parametrize("what", ["events", "bytes"])
def test_the_suggestion_comes_with_the_event_that_reaches_the_mark(what: str) -> None:
    played()
    length, size, _ = SEEN[3]
    before = SEEN[2]

    for mark, first in (
        ((length, 3), (length + 1, 4))
        if what == "events"
        else (
            (size, 3),
            (size + 1, 4),
        )
    ):
        SEEN.clear()
        run = played(**{f"history_suggest_{what}": mark})
        live = list(SEEN)
        # The first event names the mark, so that everything is a few bytes longer.
        reached = [i for i, seen in enumerate(live) if seen[0 if what == "events" else 1] >= mark]
        assert [i for i, seen in enumerate(live) if seen[2]] == reached
        assert what == "bytes" or reached[0] == first
        SEEN.clear()
        instance, _ = replay(defined(Measuring), RUN_ID, run.history)
        instance.close()
        assert live == SEEN
    assert not before[2]


def long(first_seq: int, version: int) -> Callable[[], list[Any]]:
    @workflow.defn(name="extent.once")
    async def once() -> list[Any]:
        return [workflow.info().history_length, workflow.continue_as_new_suggested()]

    def play() -> list[Any]:
        run = started(Driver(once), behaviour_version=version)
        run.history[0] = msgspec.structs.replace(run.history[0], seq=first_seq)
        run.start()
        value: list[Any] = msgspec.json.decode(run.events[-1].result)  # type: ignore[attr-defined]
        return value

    return play


@pytest.mark.parametrize(("version", "seen"), [(1, [SUGGEST_EVENTS, True]), (2, [1, False])])
def test_a_successor_counts_its_own_events_since_version_2(version: int, seen: list[Any]) -> None:
    assert long(SUGGEST_EVENTS, version)() == seen


def test_a_first_event_without_a_version_is_of_the_first() -> None:
    assert events.WorkflowStarted(workflow_id="a", workflow_type="b").behaviour_version == 1


def test_what_somebody_else_has_counted_is_taken_over() -> None:
    extent = Extent()
    extent.show(Recorded(seq, START, events.TimerFired(timer_id="1")) for seq in (5, 6))
    extent.reach(6)

    extent.settle(1000)
    extent.show([Recorded(7, START, events.TimerFired(timer_id="22"))])
    before = extent.bytes
    extent.reach(7)

    assert (before, extent.bytes) == (1000, 1000 + len(b'{"timer_id":"22"}'))
    assert extent.length == 3
