"""The watchdog: it always bites in time, and never anything but the watched block."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import timeit
from collections.abc import Callable

import pytest

from aion import workflow
from aion.core.errors import WorkflowInterrupted
from aion_engine.replay.watchdog import Watchdog
from tests.support.driver import Driver

Play = Callable[..., Driver]

LIMIT = 0.05


def spin_forever() -> None:
    while True:
        pass


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def swallow(times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(BaseException):
            spin_forever()


def test_code_that_does_not_yield_is_interrupted() -> None:
    begin = time.monotonic()

    with pytest.raises(WorkflowInterrupted) as caught:
        with Watchdog(LIMIT).watch("run 7 of Checkout"):
            spin_forever()

    assert LIMIT <= time.monotonic() - begin < LIMIT + 20
    error = caught.value
    assert error.label == "run 7 of Checkout"  # type: ignore[attr-defined]
    assert error.limit == LIMIT  # type: ignore[attr-defined]
    place = error.where  # type: ignore[attr-defined]
    assert place.startswith(f"{__file__}:")
    assert "run 7 of Checkout did not yield within 0.05 seconds" in str(error)
    assert place in str(error)


def test_code_that_swallows_it_is_interrupted_again() -> None:
    with pytest.raises(WorkflowInterrupted):
        with Watchdog(LIMIT).watch("stubborn"):
            swallow(3)


def test_code_that_swallows_it_and_ends_well_was_interrupted_all_the_same() -> None:
    def swallowing() -> str:
        swallow(1)
        return "fine"

    with pytest.raises(WorkflowInterrupted):
        with Watchdog(LIMIT).watch("sly"):
            assert swallowing() == "fine"


def test_an_error_made_of_the_interruption_is_replaced() -> None:
    def translating() -> None:
        try:
            spin_forever()
        except BaseException as error:
            raise ValueError("something else") from error

    with pytest.raises(WorkflowInterrupted):
        with Watchdog(LIMIT).watch("translating"):
            translating()


def test_quick_code_passes() -> None:
    dog = Watchdog(LIMIT)
    for _ in range(3):
        with dog.watch("quick"):
            pass
    time.sleep(2 * LIMIT)
    with dog.watch("quick again"):
        pass


def test_errors_of_quick_code_go_their_way() -> None:
    with pytest.raises(ZeroDivisionError):
        with Watchdog(LIMIT).watch("broken"):
            raise ZeroDivisionError


def test_after_an_interruption_it_watches_on() -> None:
    dog = Watchdog(LIMIT)
    for label in ("first", "second"):
        with pytest.raises(WorkflowInterrupted, match=label):
            with dog.watch(label):
                spin_forever()
        with dog.watch("quick"):
            pass


def test_time_outside_of_blocks_does_not_count() -> None:
    dog = Watchdog(LIMIT)
    for _ in range(5):
        with dog.watch("part"):
            spin(LIMIT / 3)
        spin(LIMIT)


def test_an_inner_block_adds_nothing() -> None:
    dog = Watchdog(LIMIT)

    with pytest.raises(WorkflowInterrupted, match="outer"):
        with dog.watch("outer"):
            with dog.watch("inner"):
                pass
            spin_forever()


def test_without_a_limit_nothing_is_watched() -> None:
    before = set(threading.enumerate())

    with Watchdog(0).watch("free"):
        spin(LIMIT)

    assert set(threading.enumerate()) <= before


def test_one_thread_at_a_time() -> None:
    dog = Watchdog(5)
    found: list[str] = []

    def other() -> None:
        try:
            dog.watch("other")
        except RuntimeError as error:
            found.append(str(error))

    with dog.watch("mine"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    assert found == ["A watchdog watches one thread at a time"]


def test_its_thread_starts_late_and_ends_with_it() -> None:
    def threads() -> int:
        return sum(thread.name == "aion-watchdog" for thread in threading.enumerate())

    before = threads()
    dog = Watchdog(0.01)
    assert threads() == before
    with dog.watch("first"):
        assert threads() == before + 1
    del dog

    import gc

    deadline = time.monotonic() + 30
    while threads() > before and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert threads() <= before


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_watched_too() -> None:
    dog = Watchdog(LIMIT)
    with dog.watch("parent"):
        pass

    child = os.fork()
    if child == 0:
        try:
            with dog.watch("child"):
                spin_forever()
        except WorkflowInterrupted:
            os._exit(0)
        finally:
            os._exit(1)

    assert os.waitpid(child, 0)[1] == 0


def test_the_cost_of_a_watch_is_small() -> None:
    dog = Watchdog(2)

    def watch() -> None:
        with dog.watch("cheap"):
            pass

    times = timeit.repeat(watch, timer=time.thread_time, number=5_000, repeat=7)

    assert min(times) / 5_000 < 30e-6  # measured: 1.3 microseconds of the processor


# --- with an instance -----------------------------------------------------------------------------


def test_a_workflow_that_does_not_yield_is_interrupted(play: Play) -> None:
    async def endless() -> None:
        await workflow.execute_activity("work")
        while True:
            pass

    run = play(endless)

    with pytest.raises(WorkflowInterrupted, match=r"test_watchdog\.py"):
        with Watchdog(LIMIT).watch("endless"):
            run.complete(1)


def test_an_interruption_inside_of_a_forgotten_task_surfaces() -> None:
    """The task keeps the exception and nobody looks; the loop goes on with the next callback."""
    seen: list[str] = []

    async def forgetful() -> str:
        async def child() -> None:
            spin_forever()

        forgotten = asyncio.create_task(child())
        await asyncio.sleep(0)
        seen.append("went on")
        return str(forgotten.done())

    with pytest.raises(WorkflowInterrupted, match=r"test_watchdog\.py"):
        with Watchdog(LIMIT).watch("forgetful"):
            Driver(forgetful).start()
    assert seen == ["went on"]


def test_the_running_loop_is_restored() -> None:
    from asyncio import events

    from aion_engine.replay.loop import WorkflowLoop

    def broken_off() -> None:
        events._set_running_loop(WorkflowLoop(None, print))  # type: ignore[arg-type, abstract]
        spin_forever()

    with pytest.raises(WorkflowInterrupted):
        with Watchdog(LIMIT).watch("broken off"):
            broken_off()

    assert events._get_running_loop() is None


# --- at the limit ---------------------------------------------------------------------------------


def _around_the_limit(dog: Watchdog, rounds: int, found: list[BaseException | None]) -> None:
    """Blocks that end at about the limit; whatever hits code outside of a block is found."""
    done = 0
    while done < rounds:
        done += 1
        try:
            for share in (0.97, 0.99, 1.0, 1.01, 1.03):
                try:
                    with dog.watch("close"):
                        spin(dog.limit * share)
                except WorkflowInterrupted:
                    pass
                spin(dog.limit * 0.05)
        except BaseException as error:
            found.append(error)
            return
    found.append(None)


@pytest.mark.parametrize("limit", [0.0005, 0.002])
def test_no_exception_strays(limit: float) -> None:
    found: list[BaseException | None] = []

    _around_the_limit(Watchdog(limit), int(0.3 / limit / 5), found)

    assert found == [None]


def test_threads_with_their_own_watchdogs_do_not_meet() -> None:
    found: list[BaseException | None] = []
    threads = [
        threading.Thread(target=_around_the_limit, args=(Watchdog(0.001), 40, found))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [None] * 4


def test_time_in_which_nobody_had_a_processor_does_not_count() -> None:
    dog = Watchdog(2.0)
    dog._armed = True
    dog._thread_id = 0  # nobody's
    dog._since = time.monotonic() - 3.0

    assert 0 < dog._look(late=2.5) <= 0.25, "it has had half a second"
    assert not dog._interrupted

    dog._since = time.monotonic() - 3.0
    assert dog._look(late=0.1) == pytest.approx(0.1), "the dog was there, and the code was not done"
    assert dog._interrupted
    dog._armed = dog._interrupted = False
