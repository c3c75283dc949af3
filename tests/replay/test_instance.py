"""The life of an instance: what it expects, and that closing it ends everything."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from aion import workflow
from aion.core.errors import HistoryError
from aion.core.events import (
    ActivityCompleted,
    ActivityScheduled,
    ActivityStarted,
    CancelRequested,
    SignalReceived,
    TimerFired,
)
from aion.core.history import Recorded
from tests.conftest import ROOT
from tests.support.driver import START, Driver

Play = Callable[..., Driver]
act = workflow.execute_activity


def test_an_instance_that_nobody_has_closed_is_not_collected(play: Play) -> None:
    """Its `finally` would run at that moment, in another run's turn, whose commands its own became."""

    async def careful() -> None:
        try:
            await workflow.sleep(10)
        finally:
            workflow.upsert_memo({"left": "by another run"})

    async def collects() -> None:
        gc.collect()

    forgotten = Driver(careful).start()
    instance = weakref.ref(forgotten.instance)
    del forgotten

    run = play(collects)

    assert run.kinds == ["WorkflowStarted", "WorkflowCompleted"]
    left = instance()
    assert left is not None
    left.close()


def test_a_closed_instance_is_collected() -> None:
    async def waits() -> None:
        await workflow.sleep(10)

    forgotten = Driver(waits).start()
    instance = weakref.ref(forgotten.instance)
    forgotten.instance.close()
    del forgotten
    gc.collect()

    assert instance() is None


def test_closing_ends_the_code_where_it_stands(play: Play) -> None:
    ended: list[str] = []

    async def careful() -> None:
        try:
            await act("work")
        except BaseException as error:
            ended.append(type(error).__name__)
            raise
        finally:
            ended.append("finally")

    run = play(careful)
    run.instance.close()

    assert ended == ["Evicted", "finally"]


def test_tasks_end_in_the_order_of_their_creation(play: Play) -> None:
    ended: list[int] = []

    async def many() -> None:
        async def one(number: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(number)

        await asyncio.gather(*(one(number) for number in range(20)))

    play(many).instance.close()

    assert ended == list(range(20))


@pytest.mark.filterwarnings("error")
def test_code_that_acts_while_it_is_closed_leaves_no_trace(play: Play) -> None:
    async def acting(depth: int = 5) -> None:
        try:
            await (acting(depth - 1) if depth else act("work"))
        finally:
            await act("cleanup")
            await asyncio.gather(act("more"), asyncio.sleep(5))
            workflow.side_effect(lambda: 1)

    run = play(acting)
    before = run.lines
    run.instance.close()

    assert run.lines == before


@pytest.mark.filterwarnings("error")
def test_a_task_group_is_closed_for_good(play: Play) -> None:
    """It waits for its tasks before it lets the exception through, so that once is not enough."""
    ended: list[str] = []

    async def grouped() -> None:
        try:
            async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
                for name in "ab":
                    tasks.create_task(act(name))
        finally:
            ended.append("closed")

    run = play(grouped)
    run.instance.close()
    assert ended == ["closed"]
    gc.collect()


def test_code_that_never_lets_go_is_left_alone() -> None:
    box = {"go": True, "closed": 0}

    async def clinging() -> None:
        while box["go"]:
            try:
                await asyncio.Event().wait()
            except BaseException:
                box["closed"] += 1

    run = Driver(clinging).start()
    run.instance.close()
    box["go"] = False

    assert box["closed"] == 100


def test_what_asyncio_offers_works_while_the_code_is_closed(play: Play) -> None:
    seen: list[str] = []

    async def locked() -> None:
        lock = asyncio.Lock()
        try:
            async with lock:
                await act("work")
        finally:
            current = asyncio.current_task()
            seen.append("free" if not lock.locked() and current is not None else "odd")
            async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
                tasks.create_task(act("more"))

    play(locked).instance.close()

    assert seen == ["free"]


def test_an_instance_expects_only_what_it_waits_for(play: Play) -> None:
    async def waiting() -> None:
        async with asyncio.timeout(5):
            await act("work")

    expects = play(waiting).instance.expects

    assert expects(ActivityStarted(activity_id="1"))
    assert expects(ActivityCompleted(activity_id="1"))
    assert not expects(ActivityCompleted(activity_id="2"))
    assert expects(TimerFired(timer_id="1"))
    assert not expects(TimerFired(timer_id="2"))
    assert expects(CancelRequested())
    assert expects(SignalReceived(name="any"))


def test_what_is_no_arrival_cannot_be_folded(play: Play) -> None:
    async def waiting() -> None:
        await act("work")

    run = play(waiting)
    command = ActivityScheduled(activity_id="2", activity_type="more")

    with pytest.raises(HistoryError, match="cannot be folded"):
        run.instance.apply(Recorded(3, START, command))


def test_many_tasks_are_swept(play: Play) -> None:
    async def busy() -> int:
        for _ in range(50):
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(20)))
        await act("work")
        return 1000

    run = play(busy)

    assert len(run.instance._loop.tasks) < 200
    run.complete(1)
    assert run.result == 1000


def test_instances_in_memory_do_not_slow_each_other_down(play: Play) -> None:
    """Their tasks have the same ordinals, and meet in one set of asyncio's."""
    from asyncio import tasks

    async def waiting() -> None:
        await act("work")

    runs = [play(waiting) for _ in range(50)]
    registered = getattr(tasks, "_scheduled_tasks", None) or getattr(tasks, "_all_tasks", None)
    mine = {id(task) for run in runs for task in run.instance._loop.tasks}
    found = [ref for ref in getattr(registered, "data", ()) if id(ref()) in mine]

    assert len({hash(ref) for ref in found}) == len(found)


ORDER: Any = """
import asyncio, sys
from aion import workflow
from tests.support.driver import Driver

async def group():
    async with asyncio.TaskGroup() as tasks:
        for number in range(40):
            tasks.create_task(workflow.execute_activity(f"a{number}"))

async def racing():
    tasks = {asyncio.create_task(workflow.execute_activity(f"a{n}")) for n in range(40)}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.wait(pending)

for code in (group, racing):
    run = Driver(code).start()
    run.fail(20, ValueError("no"))
    for line in run.lines:
        sys.stdout.buffer.write(line + b"\\n")
    run.instance.close()
"""


def test_tasks_are_cancelled_in_the_same_order_in_every_process() -> None:
    """TaskGroup and wait keep tasks in sets, whose order would follow memory addresses."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", f"x = [object() for _ in range({seed * 777})]\n{ORDER}"],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for seed in range(1, 5)
    ]
    outputs = [process.communicate() for process in processes]

    assert [process.returncode for process in processes] == [0] * 4, outputs[0][1].decode()
    assert len({output for output, _ in outputs}) == 1
    text = outputs[0][0].decode()
    cancels = [line for line in text.splitlines() if '"ActivityCancelRequested"' in line]
    ids = [int(line.split('"activity_id":"')[1].split('"')[0]) for line in cancels]
    assert ids[:39] == [number for number in range(1, 41) if number != 20]
