"""Cancel scopes and shields: what a cancel reaches, nested with timeouts and groups, and replayed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aion import workflow
from aion.core import events
from tests.support.driver import Driver, defined

act = workflow.execute_activity


def finish(run: Driver, name: str, result: Any = None) -> None:
    (activity_id,) = [i for i, (each, _) in run.activities.items() if each == name]
    run.complete(activity_id, result)


def replays(run: Driver) -> None:
    run.crash()
    run.instance.close()


# --- scopes ---------------------------------------------------------------------------------------


async def guarded(seen: list[str]) -> str:
    scope = workflow.cancel_scope()

    async def watch() -> None:
        await act("alarm")
        scope.cancel("alarmed")

    watcher = asyncio.create_task(watch())
    with scope:
        try:
            seen.append(str(await act("work")))
        finally:
            await act("tidy")
    watcher.cancel()
    return f"{scope.cancelled} {scope.cancel_requested} {workflow.cancel_reason()} {seen}"


@workflow.defn(name="scopes.Guarded")
async def in_scope() -> str:
    return await guarded([])


def test_a_scope_ends_its_block_and_nothing_else() -> None:
    run = Driver(in_scope).start()
    finish(run, "alarm")
    run.crash()
    assert "work" not in [name for name, _ in run.activities.values()]
    finish(run, "tidy")  # cleaning up may take its time

    assert run.result == "True True None []"
    replays(run)


def test_a_scope_that_nobody_cancels_does_nothing() -> None:
    run = Driver(in_scope).start()
    finish(run, "work", "done")
    finish(run, "tidy")

    assert run.result == "False False None ['done']"
    replays(run)


def test_a_cancel_of_the_run_passes_through_a_scope() -> None:
    run = Driver(in_scope).start()
    run.cancel("stop")
    finish(run, "tidy")

    assert run.kinds[-1] == "WorkflowCancelled"
    replays(run)


def test_a_cancel_of_the_run_and_of_the_scope_at_once_cancel_the_run() -> None:
    async def main() -> str:
        with workflow.cancel_scope() as scope:
            try:
                await act("work")
            finally:
                scope.cancel()
                await asyncio.sleep(0)
        return "not reached"

    run = Driver(main).start()
    run.cancel("stop")

    assert run.kinds[-1] == "WorkflowCancelled"
    replays(run)


@pytest.mark.parametrize("which", ["outer", "inner", "both"])
def test_nested_scopes_end_where_they_were_cancelled(which: str) -> None:
    async def main() -> list[Any]:
        seen: list[Any] = []
        outer, inner = workflow.cancel_scope(), workflow.cancel_scope()

        async def cancel() -> None:
            await act("go")
            if which != "outer":
                inner.cancel()
            if which != "inner":
                outer.cancel()

        task = asyncio.create_task(cancel())
        with outer:
            with inner:
                await act("work")
            seen.append("behind inner")
        seen += [outer.cancelled, inner.cancelled]
        await task
        return seen

    run = Driver(main).start()
    finish(run, "go")

    assert (
        run.result
        == {
            "outer": [True, False],
            "inner": ["behind inner", False, True],
            "both": [True, False],
        }[which]
    )
    replays(run)


def test_a_block_may_cancel_its_own_scope() -> None:
    async def main() -> list[Any]:
        seen: list[Any] = []
        with workflow.cancel_scope() as scope:
            assert scope.cancel()
            assert not scope.cancel()
            seen.append("still here")
            await act("never")
        with workflow.cancel_scope() as unmoved:
            unmoved.cancel()  # and goes on to the end without waiting
        seen += [scope.cancelled, unmoved.cancelled]
        await asyncio.sleep(1)  # the cancels are over
        return [*seen, unmoved.cancel()]

    run = Driver(main).start()
    run.fire()

    assert run.result == ["still here", True, False, False]
    assert "ActivityScheduled" not in run.kinds  # asked for and cancelled in one step
    replays(run)


def test_a_scope_cancelled_before_its_block_ends_it_where_it_first_waits() -> None:
    async def main() -> list[Any]:
        scope = workflow.cancel_scope()
        scope.cancel()
        seen: list[Any] = []
        with scope:
            seen.append("begun")
            await act("never")
        return [*seen, scope.cancelled]

    assert Driver(main).start().result == ["begun", True]


def test_an_error_of_the_block_is_not_swallowed() -> None:
    async def main() -> None:
        with workflow.cancel_scope() as scope:
            try:
                scope.cancel()
                await act("never")
            finally:
                raise ValueError("mine")

    assert str(Driver(main).start().error) == "mine"


def test_a_scope_is_for_one_block() -> None:
    async def main() -> None:
        scope = workflow.cancel_scope()
        with scope:
            pass
        with scope:
            pass

    assert "one block" in str(Driver(main).start().error)


def test_a_signal_handler_may_cancel_a_scope() -> None:
    @workflow.defn(name="scopes.Stoppable")
    class Stoppable:
        def __init__(self) -> None:
            self.rounds = 0
            self.scope = workflow.CancelScope()

        @workflow.run
        async def run(self) -> int:
            while self.rounds < 3:
                self.scope = workflow.cancel_scope()
                with self.scope:
                    await act("round")
                self.rounds += 1
            return self.rounds

        @workflow.signal
        def skip(self) -> None:
            self.scope.cancel()

    run = Driver(defined(Stoppable).target).start()
    for _ in range(3):
        run.signal("skip")
        run.crash()

    assert run.result == 3
    assert run.kinds.count("ActivityCancelRequested") == 3


# --- shields --------------------------------------------------------------------------------------


async def closing_books() -> str:
    await act("first")
    await act("second")
    return "closed"


def test_what_is_shielded_goes_on_and_the_cancel_comes_behind_it() -> None:
    async def main() -> str:
        await workflow.shielded(closing_books())
        await act("never")
        return "not reached"

    run = Driver(main).start()
    run.cancel("stop")
    finish(run, "first")
    run.crash()
    run.cancel("again")
    finish(run, "second")

    assert run.kinds[-1] == "WorkflowCancelled"
    assert not any("never" in getattr(each, "activity_type", "") for each in run.events)
    replays(run)


def test_without_a_cancel_a_shield_gives_the_result() -> None:
    async def main() -> str:
        return await workflow.shielded(closing_books())

    run = Driver(main).start().run()

    assert run.result == "closed"


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_error_under_a_shield_is_raised_either_way(cancelled: bool) -> None:
    async def broken() -> None:
        await act("first")
        raise ValueError("under the shield")

    async def main() -> str:
        try:
            await workflow.shielded(broken())
        except ValueError as error:
            return str(error)
        return ""

    run = Driver(main).start()
    if cancelled:
        run.cancel()
    finish(run, "first")

    assert run.result == "under the shield"
    replays(run)


def test_clean_up_after_a_cancel_is_not_interrupted_by_another_scope() -> None:
    async def main() -> list[str]:
        seen: list[str] = []
        scope = workflow.cancel_scope()

        async def cancel_twice() -> None:
            scope.cancel()
            await act("wait")
            task.cancel()

        async def work() -> None:
            with scope:
                try:
                    await act("work")
                finally:
                    await workflow.shielded(closing_books())
                    seen.append("cleaned")

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        await cancel_twice()
        try:
            await task
        except asyncio.CancelledError:
            seen.append("cancelled")
        return seen

    run = Driver(main).start()
    finish(run, "wait")
    finish(run, "first")
    run.crash()
    finish(run, "second")

    assert run.result == [
        "cancelled"
    ]  # the second cancel was of the task, raised behind the shield
    asked = [e.activity_type for e in run.events if isinstance(e, events.ActivityScheduled)]
    assert asked == ["wait", "first", "second"]  # `work` was taken back before it was written
    replays(run)


# --- with timeouts --------------------------------------------------------------------------------


def test_a_timeout_around_a_shield_waits_for_it() -> None:
    async def main() -> str:
        try:
            await workflow.with_timeout(workflow.shielded(closing_books()), 5)
        except TimeoutError:
            return "late, and closed"
        return "in time"

    run = Driver(main).start()
    run.fire()
    assert not run.closed
    finish(run, "first")
    finish(run, "second")

    assert run.result == "late, and closed"
    replays(run)


def test_a_timeout_inside_a_shield_works_after_a_cancel() -> None:
    async def patient() -> str:
        try:
            await workflow.with_timeout(act("slow"), 5)
        except TimeoutError:
            return "gave up"
        return "done"

    async def main() -> str:
        seen = ""
        try:
            seen = await workflow.shielded(patient())
        except asyncio.CancelledError:
            seen = "cancelled"
        return seen

    run = Driver(main).start()
    run.cancel()
    run.fire()

    assert run.result == "cancelled"
    replays(run)


@pytest.mark.parametrize("first", ["timeout", "scope"])
def test_a_scope_inside_a_timeout(first: str) -> None:
    async def main() -> str:
        scope = workflow.cancel_scope()

        async def alarm() -> None:
            await act("alarm")
            scope.cancel()

        task = asyncio.create_task(alarm())
        try:
            async with asyncio.timeout(5):
                with scope:
                    await act("work")
                return f"scope {scope.cancelled}"
        except TimeoutError:
            return f"timeout {scope.cancelled}"
        finally:
            task.cancel()

    run = Driver(main).start()
    if first == "timeout":
        run.fire()
    else:
        finish(run, "alarm")

    assert run.result == f"{first} {first == 'scope'}"
    replays(run)


@pytest.mark.parametrize(("outer", "inner"), [(10, 20), (20, 10), (10, 10)])
def test_of_nested_timeouts_the_one_that_passed_is_raised(outer: int, inner: int) -> None:
    async def main() -> list[str]:
        seen: list[str] = []

        async def work() -> None:
            try:
                await workflow.with_timeout(act("slow"), inner)
            except TimeoutError:
                seen.append("inner")
                raise
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        try:
            await workflow.with_timeout(work(), outer)
        except TimeoutError:
            seen.append("outer")
        return seen

    run = Driver(main).start()
    run.fire()

    assert run.result[-1] == "outer"
    assert run.result[0] == ("cancelled" if outer <= inner else "inner")
    replays(run)


def test_a_scope_and_a_group() -> None:
    async def main() -> list[Any]:
        seen: list[Any] = []

        async def part(name: str) -> None:
            try:
                await act(name)
            except asyncio.CancelledError:
                seen.append(name)
                raise

        scope = workflow.cancel_scope()

        async def cancel() -> None:
            await act("go")
            scope.cancel()

        task = asyncio.create_task(cancel())
        with scope:
            async with asyncio.TaskGroup() as group:
                for name in "cab":
                    group.create_task(part(name))
        await task
        return [*seen, scope.cancelled]

    run = Driver(main).start()
    finish(run, "go")

    assert run.result == ["c", "a", "b", True]
    replays(run)
