"""The primitives of asyncio on a workflow's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from aion import workflow
from aion.core.errors import ForbiddenInWorkflow
from tests.support.driver import Driver

Play = Callable[..., Driver]
act = workflow.execute_activity


def test_sleep_is_a_durable_timer(play: Play) -> None:
    async def nap() -> str:
        before = workflow.now()
        await asyncio.sleep(60)
        return str(workflow.now() - before)

    run = play(nap)
    assert run.kinds == ["WorkflowStarted", "TimerStarted"]
    run.fire()

    assert run.result == "0:01:00"


def test_sleep_of_zero_leaves_no_trace_and_lets_others_run(play: Play) -> None:
    async def yielding() -> list[str]:
        seen: list[str] = []

        async def other() -> None:
            seen.append("other")

        task = asyncio.create_task(other())
        await asyncio.sleep(0)
        seen.append("main")
        await asyncio.sleep(-5)
        await task
        return seen

    run = play(yielding)

    assert run.result == ["other", "main"]
    assert run.kinds == ["WorkflowStarted", "WorkflowCompleted"]


def test_gather_gives_results_in_the_order_of_asking(play: Play) -> None:
    async def both() -> list[str]:
        return list(await asyncio.gather(act("a"), act("b")))

    run = play(both)
    run.complete(2, "second")
    run.complete(1, "first")

    assert run.result == ["first", "second"]


def test_gather_returns_exceptions_when_asked(play: Play) -> None:
    async def tolerant() -> list[str]:
        results = await asyncio.gather(act("a"), act("b"), return_exceptions=True)
        return [type(one).__name__ for one in results]

    run = play(tolerant)
    run.fail(1, ValueError("no"))
    run.complete(2, 7)

    assert run.result == ["ActivityError", "int"]


@pytest.mark.parametrize(
    ("when", "done"),
    [
        ("FIRST_COMPLETED", ["b"]),
        ("FIRST_EXCEPTION", ["b", "c"]),
        ("ALL_COMPLETED", ["b", "c", "a"]),
    ],
)
def test_wait_returns_by_its_condition(play: Play, when: str, done: list[str]) -> None:
    async def waiting() -> list[str]:
        tasks = [asyncio.create_task(act(name), name=name) for name in "abc"]
        finished, _ = await asyncio.wait(tasks, return_when=getattr(asyncio, when))
        return sorted(task.get_name() for task in finished)

    run = play(waiting)
    run.complete(2)
    if not run.closed:
        run.fail(3, ValueError("no"))
    if not run.closed:
        run.complete(1)

    assert run.result == sorted(done)


def test_wait_gives_up_after_its_timeout(play: Play) -> None:
    async def waiting() -> list[int]:
        tasks = [asyncio.create_task(act(name)) for name in "ab"]
        done, pending = await asyncio.wait(tasks, timeout=5)
        return [len(done), len(pending)]

    run = play(waiting)
    run.complete(1)
    run.fire()

    assert run.result == [1, 1]


def test_timeout_raises_timeout_error_and_cancels_what_it_waits_for(play: Play) -> None:
    async def impatient() -> str:
        try:
            async with asyncio.timeout(10):
                await act("slow")
        except TimeoutError:
            return "late"
        return "in time"

    run = play(impatient)
    run.fire()

    assert run.result == "late"
    assert run.kinds[3:] == ["TimerFired", "ActivityCancelRequested", "WorkflowCompleted"]


def test_timeout_that_is_not_needed_is_cancelled(play: Play) -> None:
    async def patient() -> str:
        async with asyncio.timeout(10):
            return str(await act("quick"))

    run = play(patient)
    run.complete(1, "done")

    assert run.result == "done"
    assert run.kinds[-2:] == ["TimerCancelled", "WorkflowCompleted"]


def test_timeout_can_be_rescheduled(play: Play) -> None:
    async def extended() -> str:
        async with asyncio.timeout(10) as limit:
            await act("first")
            limit.reschedule(asyncio.get_running_loop().time() + 60)
            await act("second")
        return "done"

    run = play(extended)
    run.complete(1)

    assert run.kinds[-3:] == ["TimerCancelled", "TimerStarted", "ActivityScheduled"]
    run.complete(2)
    assert run.result == "done"


def test_nested_timeouts_raise_at_the_one_that_passed(play: Play) -> None:
    async def nested() -> str:
        try:
            async with asyncio.timeout(10):
                try:
                    async with asyncio.timeout(60):
                        await act("slow")
                except TimeoutError:
                    return "inner"
        except TimeoutError:
            return "outer"
        return "none"

    run = play(nested)
    run.fire()

    assert run.result == "outer"


def test_task_group_waits_for_all(play: Play) -> None:
    async def group() -> list[str]:
        async with asyncio.TaskGroup() as tasks:
            found = [tasks.create_task(act(name)) for name in "ab"]
        return [task.result() for task in found]

    run = play(group)
    run.complete(2, "B")
    run.complete(1, "A")

    assert run.result == ["A", "B"]


def test_task_group_cancels_the_others_when_one_fails(play: Play) -> None:
    async def group() -> str:
        try:
            async with asyncio.TaskGroup() as tasks:
                for name in "abc":
                    tasks.create_task(act(name))
        except ExceptionGroup as failed:
            return str([type(one).__name__ for one in failed.exceptions])
        return "fine"

    run = play(group)
    run.fail(2, ValueError("no"))

    assert run.result == "['ActivityError']"
    cancelled = [e.key[0] for e in run.events if type(e).__name__ == "ActivityCancelRequested"]
    assert cancelled == ["1", "3"]


def test_event_wakes_all_waiters(play: Play) -> None:
    async def events() -> list[int]:
        event = asyncio.Event()
        seen: list[int] = []

        async def wait(number: int) -> None:
            await event.wait()
            seen.append(number)

        tasks = [asyncio.create_task(wait(number)) for number in range(3)]
        await asyncio.sleep(1)
        event.set()
        await asyncio.gather(*tasks)
        return seen

    run = play(events)
    run.fire()

    assert run.result == [0, 1, 2]


def test_queue_hands_over_in_order(play: Play) -> None:
    async def pipeline() -> list[int]:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        seen: list[int] = []

        async def consume() -> None:
            while True:
                seen.append(await queue.get())
                await asyncio.sleep(1)
                queue.task_done()

        consumer = asyncio.create_task(consume())
        for number in range(3):
            await queue.put(number)
        await queue.join()
        consumer.cancel()
        return seen

    run = play(pipeline).run()

    assert run.result == [0, 1, 2]
    assert run.kinds.count("TimerFired") == 3


def test_semaphore_bounds_what_runs_at_once(play: Play) -> None:
    async def bounded() -> list[int]:
        gate = asyncio.Semaphore(2)

        async def one(number: int) -> int:
            async with gate:
                return int(await act("step", number))

        return list(await asyncio.gather(*(one(number) for number in range(5))))

    run = play(bounded)
    assert len(run.activities) == 2
    run.complete(2, 20)
    assert list(run.activities) == ["1", "3"]
    run.run(lambda name, args: args[0])

    assert run.result == [0, 20, 2, 3, 4]


def test_lock_is_fair(play: Play) -> None:
    async def locked() -> list[int]:
        lock = asyncio.Lock()
        order: list[int] = []

        async def one(number: int) -> None:
            async with lock:
                await asyncio.sleep(1)
                order.append(number)

        await asyncio.gather(*(one(number) for number in range(4)))
        return order

    run = play(locked).run()

    assert run.result == [0, 1, 2, 3]


def test_condition_notifies_one_waiter_at_a_time(play: Play) -> None:
    async def conditions() -> list[int]:
        condition = asyncio.Condition()
        order: list[int] = []

        async def wait(number: int) -> None:
            async with condition:
                await condition.wait()
                order.append(number)

        tasks = [asyncio.create_task(wait(number)) for number in range(2)]
        await asyncio.sleep(1)
        for _ in tasks:
            async with condition:
                condition.notify()
            await asyncio.sleep(1)
        return order

    run = play(conditions).run()

    assert run.result == [0, 1]


def test_shield_keeps_the_shielded_running(play: Play) -> None:
    async def shielded() -> str:
        task = asyncio.create_task(act("precious"))
        try:
            async with asyncio.timeout(10):
                await asyncio.shield(task)
        except TimeoutError:
            return "late, then " + str(await task)
        return "in time"

    run = play(shielded)
    run.fire()
    assert "ActivityCancelRequested" not in run.kinds
    run.complete(1, "done")

    assert run.result == "late, then done"


def test_a_task_that_nobody_awaits_still_runs(play: Play) -> None:
    async def background() -> str:
        seen: list[str] = []

        async def other() -> None:
            seen.append(str(await act("aside")))

        task = asyncio.create_task(other())
        await workflow.wait_condition(lambda: seen)
        assert task.done()
        return seen[0]

    run = play(background)
    run.complete(1, "done")

    assert run.result == "done"


def test_callbacks_run_in_the_order_of_asking(play: Play) -> None:
    async def callbacks() -> list[str]:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        loop.call_soon(seen.append, "soon")
        loop.call_later(2, seen.append, "later")
        loop.call_at(loop.time() + 1, seen.append, "at")
        loop.call_soon(seen.append, "never").cancel()
        await asyncio.sleep(3)
        return seen

    run = play(callbacks).run()

    assert run.result == ["soon", "at", "later"]


@pytest.mark.parametrize(
    "call",
    [
        lambda loop: loop.run_in_executor(None, print),
        lambda loop: loop.call_soon_threadsafe(print),
        lambda loop: loop.create_connection(None, "localhost", 1),
        lambda loop: loop.create_server(None, "localhost", 1),
        lambda loop: loop.getaddrinfo("localhost", 1),
        lambda loop: loop.subprocess_exec(None, "ls"),
        lambda loop: loop.add_reader(0, print),
        lambda loop: loop.run_forever(),
        lambda loop: loop.stop(),
    ],
)
def test_what_needs_the_outside_is_refused(play: Play, call: Callable[..., object]) -> None:
    async def outside() -> None:
        call(asyncio.get_running_loop())

    with pytest.raises(ForbiddenInWorkflow, match=r"an activity|a signal"):
        play(outside)


def test_to_thread_is_refused(play: Play) -> None:
    async def threaded() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(ForbiddenInWorkflow, match="thread"):
        play(threaded)


def test_contexts_of_tasks_are_their_own(play: Play) -> None:
    import contextvars

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def contexts() -> list[str]:
        async def child(value: str) -> str:
            variable.set(value)
            await asyncio.sleep(1)
            return variable.get()

        variable.set("main")
        found = await asyncio.gather(child("a"), child("b"))
        return [*found, variable.get()]

    run = play(contexts).run()

    assert run.result == ["a", "b", "main"]
    assert variable.get() == "none"
