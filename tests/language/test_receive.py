"""`workflow.receive`: signals as a mailbox that the code reads when it likes."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from aion import client, workflow
from tests.language.worlds import kinds, rest, same_when_lost
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db


@workflow.defn(name="receive.Reader")
class Reader:
    """Several readers of one name, each reading several times."""

    @workflow.run
    async def run(self, readers: int, times: int) -> list[list[Any]]:
        got: list[list[Any]] = []

        async def read(reader: int) -> None:
            for _ in range(times):
                got.append([reader, await workflow.receive("mail")])

        await asyncio.gather(*map(read, range(readers)))
        return got


@dataclasses.dataclass
class Parcel:
    size: int


def test_the_kth_receive_gets_the_kth_signal(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        await workflow.wait_condition(lambda: me.notes)
        return [await workflow.receive("mail") for _ in range(4)]

    handle = engine.start("main")
    for value in range(3):
        handle.signal("mail", value)
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    handle.signal("mail", 3)
    engine.turns()

    assert handle.result(0) == [0, 1, 2, 3]


@pytest.mark.parametrize("together", [True, False])
def test_readers_take_turns(engine: Engine, together: bool) -> None:
    handle = client.start_workflow(Reader, 3, 2)
    engine.turns()
    for value in range(6):
        handle.signal("mail", value)
        if not together:
            engine.turns()
    engine.turns()

    assert handle.result(0) == [[value % 3, value] for value in range(6)]


def test_names_do_not_touch_each_other(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        return [await workflow.receive(name) for name in "abba"]

    handle = engine.start("main")
    for number, name in enumerate("baab"):
        handle.signal(name, number)
        engine.turns()

    assert handle.result(0) == [1, 0, 3, 2]


def test_a_receive_that_timed_out_has_taken_nothing(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        try:
            await workflow.receive("mail", timeout=5)
        except TimeoutError:
            me.notes.append("late")
        return [await workflow.receive("mail"), await workflow.receive("mail"), *me.notes]

    handle = engine.start("main")
    engine.turns()
    clock.move(5)
    engine.turns()
    for value in (1, 2):
        handle.signal("mail", value)
        engine.turns()

    assert handle.result(0) == [1, 2, "late"]


def test_a_timeout_of_zero_looks_once(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        found: list[Any] = []
        for _ in range(2):
            try:
                found.append(await workflow.receive("mail", timeout=0))
            except TimeoutError:
                found.append("none")
            await workflow.wait_condition(lambda: me.notes)
        return found

    handle = engine.start("main")
    engine.turns()
    handle.signal("mail", 1)
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == ["none", 1]
    assert "TimerStarted" not in kinds(handle)


def test_a_reader_that_is_cancelled_leaves_its_signal_to_the_next(
    engine: Engine, script: Any
) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        first = asyncio.create_task(workflow.receive("mail"))
        second = asyncio.create_task(workflow.receive("mail"))

        def give_up(_: Any) -> None:
            first.cancel()

        workflow.set_signal_handler("give up", give_up)
        return [await second, first.cancelled()]

    handle = engine.start("main")
    engine.turns()
    handle.signal("give up", 0)
    handle.signal("mail", 1)
    engine.turns()

    assert handle.result(0) == [1, True]


def test_a_timeout_and_a_signal_the_earlier_one_counts(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: kit.Scripted) -> Any:
        try:
            return await workflow.receive("mail", timeout=5)
        except TimeoutError:
            return ["late", await workflow.receive("mail")]

    before, after = engine.start("main"), engine.start("main")
    engine.turns()
    before.signal("mail", 1)
    clock.move(5)
    engine.turns()
    after.signal("mail", 1)
    engine.turns()

    assert before.result(0) == 1
    assert after.result(0) == ["late", 1]


def test_several_arguments_come_as_a_list_and_none_as_none(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        return [await workflow.receive("mail") for _ in range(3)]

    handle = engine.start("main")
    handle.signal("mail")
    handle.signal("mail", 1)
    handle.signal("mail", 1, "two")
    engine.turns()

    assert handle.result(0) == [None, 1, [1, "two"]]


def test_what_does_not_fit_the_type_is_dropped_like_a_handlers_bad_arguments(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        parcel = await workflow.receive("parcel", type=Parcel, timeout=60)
        try:
            await workflow.receive("parcel", type=Parcel, timeout=60)
        except TimeoutError:
            return [parcel.size, type(parcel).__name__, workflow.now().second]
        return ["not reached"]

    handle = engine.start("main")
    handle.signal("parcel", "a string")
    handle.signal("parcel", {"size": 3})
    engine.turns()
    clock.move(30)
    handle.signal("parcel", {"size": "large"})
    engine.turns()
    clock.move(30)
    engine.turns()

    # A bad sender neither ends the wait nor makes it longer.
    assert handle.result(0) == [3, "Parcel", 0]


def test_signals_without_reader_are_kept_for_nobody(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> int:
        await workflow.wait_condition(lambda: me.notes)
        return 1

    handle = engine.start("main")
    handle.signal("mail", 1)
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == 1


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        handle = client.start_workflow(Reader, 2, 3, id="reader")
        for value in range(6):
            handle.signal("mail", value)
            handle.signal("other", value)
            engine.turns()
        rest(engine, clock)
        assert handle.result(0) == [[value % 2, value] for value in range(6)]

    same_when_lost(story, clock)
