"""Waiting for conditions."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from datetime import timedelta

import pytest

from aion import workflow
from aion.core.errors import ReadOnlyContext
from tests.support.driver import Driver

Play = Callable[..., Driver]


@workflow.defn(name="tests.Tokens")
class Tokens:
    """Waiters that take tokens, which signals bring."""

    def __init__(self) -> None:
        self.tokens = 0
        self.taken: list[str] = []

    @workflow.run
    async def run(self, waiters: int) -> list[str]:
        await asyncio.gather(*(self.take(f"w{number}") for number in range(waiters)))
        return self.taken

    async def take(self, name: str) -> None:
        await workflow.wait_condition(lambda: self.tokens > 0)
        self.tokens -= 1
        self.taken.append(name)

    @workflow.signal
    def bring(self, tokens: int) -> None:
        self.tokens += tokens

    @workflow.query
    def left(self) -> int:
        return self.tokens


def test_two_waiters_never_take_one_token(play: Play) -> None:
    run = play(Tokens, 3)
    run.signal("bring", 1)
    assert run.query("left") == 0
    run.signal("bring", 2)

    assert run.result == ["w0", "w1", "w2"]


def test_a_condition_that_holds_leaves_no_timer(play: Play) -> None:
    async def ready() -> str:
        await workflow.wait_condition(lambda: True, timeout=60)
        return "at once"

    assert play(ready).kinds == ["WorkflowStarted", "WorkflowCompleted"]


def test_a_condition_that_comes_true_in_the_same_drain_leaves_no_timer(play: Play) -> None:
    async def soon() -> str:
        seen: list[int] = []

        async def other() -> None:
            seen.append(1)

        task = asyncio.create_task(other())
        await workflow.wait_condition(lambda: seen, timeout=60)
        await task
        return "soon"

    assert play(soon).kinds == ["WorkflowStarted", "WorkflowCompleted"]


def test_the_timeout_is_cancelled_when_the_condition_holds(play: Play) -> None:
    run = play(_WithTimeout)
    run.signal("set")

    assert run.result == "set"
    assert run.kinds[-2:] == ["TimerCancelled", "WorkflowCompleted"]


def test_the_timeout_passes(play: Play) -> None:
    run = play(_WithTimeout)
    run.fire()

    assert run.result == "late"


@workflow.defn(name="tests.WithTimeout")
class _WithTimeout:
    value = False

    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.wait_condition(
                lambda: self.value, timeout=timedelta(days=2), timeout_summary="approval"
            )
        except TimeoutError:
            return "late"
        return "set"

    @workflow.signal
    def set(self) -> None:
        self.value = True


def test_a_timer_carries_its_summary(play: Play) -> None:
    run = play(_WithTimeout)

    assert run.events[1].summary == "approval"  # type: ignore[attr-defined]


@pytest.mark.parametrize("timeout", [0, -1, timedelta(0)])
def test_without_time_the_condition_is_tested_once(play: Play, timeout: float) -> None:
    async def once() -> str:
        tests: list[int] = []
        try:
            await workflow.wait_condition(lambda: tests.append(1), timeout=timeout)
        except TimeoutError:
            return f"{len(tests)} test"
        return "held"

    assert play(once).result == "1 test"


def test_a_predicate_that_acts_holds_the_run(play: Play) -> None:
    async def acting() -> None:
        await workflow.wait_condition(lambda: workflow.start_activity("sneaky"))

    with pytest.raises(ReadOnlyContext, match="read, not act"):
        play(acting)


def test_a_predicate_that_acts_later_holds_the_run(play: Play) -> None:
    async def acting() -> None:
        first = True

        def predicate() -> object:
            nonlocal first
            was, first = first, False
            return False if was else workflow.uuid4()

        await workflow.wait_condition(predicate)

    with pytest.raises(ReadOnlyContext):
        play(acting)


def test_an_error_in_a_predicate_is_raised_where_it_is_awaited(play: Play) -> None:
    run = play(_Fragile)
    run.signal("break_it")

    assert run.result == "ZeroDivisionError"


@workflow.defn(name="tests.Fragile")
class _Fragile:
    divisor = 1

    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.wait_condition(lambda: 1 / self.divisor > 1)
        except ArithmeticError as error:
            return type(error).__name__
        return "fine"

    @workflow.signal
    def break_it(self) -> None:
        self.divisor = 0


def test_a_predicate_sees_the_context_variables_of_its_waiter(play: Play) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    box = {"value": 0}

    async def contextual() -> str:
        variable.set(5)

        async def raise_it() -> None:
            await asyncio.sleep(1)
            box["value"] = 5

        task = asyncio.create_task(raise_it())
        await workflow.wait_condition(lambda: box["value"] == variable.get())
        await task
        return "equal"

    run = play(contextual)
    run.fire()
    box["value"] = 0  # for the replay at the end

    assert run.result == "equal"


def test_many_waiters_wake_in_the_order_of_waiting(play: Play) -> None:
    run = play(Tokens, 50)
    run.signal("bring", 50)

    assert run.result == [f"w{number}" for number in range(50)]
