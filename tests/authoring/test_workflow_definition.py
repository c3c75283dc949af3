"""What `workflow.defn` makes of classes and functions, and what it finds wrong with them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from aion import workflow
from aion.authoring.registry import registry
from aion.authoring.workflow_definition import WorkflowDefinition, definition_of
from aion.core.errors import ForbiddenInWorkflow
from tests.support.driver import Driver


@workflow.defn
class Order:
    """A definition as users write them."""

    @workflow.init
    def __init__(self, number: int, *, express: bool = False) -> None:
        self.number = number
        self.express = express
        self.approved = False

    @workflow.run
    async def run(self, number: int, *, express: bool = False) -> str:
        await workflow.wait_condition(lambda: self.approved)
        return f"{self.number} {self.express}"

    @workflow.signal
    def approve(self) -> None:
        self.approved = True

    @workflow.signal(name="approve-later")
    async def approve_later(self) -> None:
        await workflow.sleep(1)
        self.approved = True

    @workflow.query
    def is_approved(self) -> bool:
        return self.approved


@workflow.defn(name="orders.Refund")
async def refund(number: int) -> int:
    return number


def definition(target: Any) -> WorkflowDefinition:
    found = definition_of(target)
    assert found is not None
    return found


def test_a_class_is_read() -> None:
    found = definition(Order)

    assert found.name == "Order"
    assert found.origin == f"{__name__}.Order"
    assert found.is_class
    assert found.init_takes_input
    assert set(found.signals) == {"approve", "approve-later"}
    assert found.signals["approve-later"].is_async
    assert set(found.queries) == {"is_approved"}
    assert found.problems == []
    assert found.impurities == []
    assert "Order" in repr(found)


def test_a_function_is_read() -> None:
    found = definition(refund)

    assert found.name == "orders.Refund"
    assert not found.is_class
    assert found.run is refund
    assert found.problems == []
    assert registry.workflow("orders.Refund") is found


def test_the_class_stays_an_ordinary_class() -> None:
    order = Order(7)
    order.approve()

    assert order.is_approved()


def test_init_gets_the_input_of_run(play: Callable[..., Driver]) -> None:
    run = play(Order, 7, express=True)
    run.signal("approve")

    assert run.result == "7 True"


def test_what_is_no_workflow_has_no_definition() -> None:
    assert definition_of(print) is None
    assert definition_of(7) is None
    assert definition_of(dt.datetime) is None


def test_a_subclass_of_a_workflow_is_none_until_it_is_decorated() -> None:
    class Special(Order):
        pass

    assert definition_of(Special) is None
    assert definition(workflow.defn(Special)).name == "Special"
    assert definition(Order).name == "Order"


def test_handlers_are_inherited_and_may_be_replaced() -> None:
    @workflow.defn
    class Special(Order):
        @workflow.query(name="is_approved")
        def is_special(self) -> bool:
            return True

        @workflow.signal
        def approve(self) -> None:
            self.approved = False

    found = definition(Special)

    assert set(found.signals) == {"approve", "approve-later"}
    assert found.signals["approve"].function is Special.approve
    assert found.problems[0] == "has two query handlers named 'is_approved'"


def test_the_hash_follows_the_source() -> None:
    assert definition(Order).definition_hash == definition(Order).definition_hash
    assert definition(Order).definition_hash != definition(refund).definition_hash
    assert len(definition(Order).definition_hash) == 16


# --- problems -------------------------------------------------------------------------------------


def without_run() -> Any:
    class Bad:
        pass

    return Bad


def with_two_runs() -> Any:
    class Bad:
        @workflow.run
        async def one(self) -> None: ...

        @workflow.run
        async def two(self) -> None: ...

    return Bad


def with_run_that_yields() -> Any:
    class Bad:
        @workflow.run
        async def run(self) -> Any:
            yield 1

    return Bad


def with_async_query() -> Any:
    class Bad:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.query
        async def state(self) -> int:
            return 1

    return Bad


def with_two_signals_of_a_name() -> Any:
    class Bad:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.signal(name="go")
        def one(self) -> None: ...

        @workflow.signal(name="go")
        def two(self) -> None: ...

    return Bad


def with_init_of_its_own() -> Any:
    class Bad:
        def __init__(self, number: int) -> None: ...

        @workflow.run
        async def run(self, number: int) -> None: ...

    return Bad


def with_init_that_differs() -> Any:
    class Bad:
        @workflow.init
        def __init__(self, number: int) -> None: ...

        @workflow.run
        async def run(self, order: int) -> None: ...

    return Bad


def with_run_overridden() -> Any:
    class Bad(Order):
        async def run(self, number: int, *, express: bool = False) -> str:
            return "other"

    return Bad


def with_signal_overridden() -> Any:
    class Bad(Order):
        def approve(self) -> None: ...

    return Bad


def function_that_yields() -> Any:
    def bad() -> Any:
        yield 1

    return bad


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (without_run, "no method decorated with @workflow.run"),
        (with_two_runs, "has 2 methods decorated with @workflow.run: one, two"),
        (with_run_that_yields, "run() yields; a workflow returns its result"),
        (with_async_query, "query 'state' is async"),
        (with_two_signals_of_a_name, "two signal handlers named 'go'"),
        (with_init_of_its_own, "not decorated with @workflow.init"),
        (with_init_that_differs, "same parameters as @workflow.run"),
        (with_run_overridden, "overrides run() without repeating its decorator"),
        (with_signal_overridden, "overrides approve() without repeating its decorator"),
        (function_that_yields, "bad() yields; a workflow returns its result"),
        (without_run, "is defined inside a function"),
    ],
)
def test_a_mistake_is_a_problem_and_no_exception(make: Callable[[], Any], problem: str) -> None:
    found = definition(workflow.defn(make()))

    assert any(problem in each for each in found.problems), found.problems


def test_init_with_defaults_needs_no_input() -> None:
    @workflow.defn
    class Fine:
        def __init__(self, number: int = 7, *rest: int, **more: int) -> None: ...

        @workflow.run
        async def run(self) -> None: ...

    assert definition(Fine).problems == ["is defined inside a function; move it to module level"]


# --- outside of a workflow ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        workflow.info,
        workflow.now,
        workflow.time,
        workflow.random,
        workflow.uuid4,
        workflow.uuid7,
        workflow.is_replaying,
        workflow.cancel_reason,
        lambda: workflow.side_effect(lambda: 1),
        lambda: workflow.start_activity("work"),
    ],
)
def test_outside_of_a_workflow_the_error_says_so(call: Callable[[], object]) -> None:
    from aion.core.errors import NotInWorkflow

    with pytest.raises(NotInWorkflow, match=r"workflow\.\w+\(\)"):
        call()


def test_the_logger_works_outside_of_a_workflow(caplog: pytest.LogCaptureFixture) -> None:
    workflow.logger.warning("hello")

    assert caplog.messages == ["hello"]
    assert not workflow.in_workflow()


# --- impurities -----------------------------------------------------------------------------------


@workflow.defn
class Impure:
    @workflow.run
    async def run(self) -> str:
        return self.helper()

    def helper(self) -> str:
        return str(dt.datetime.now(dt.UTC))

    @staticmethod
    def still() -> dt.date:
        return dt.date.today()

    @property
    def age(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)


def test_every_method_of_a_class_is_looked_at(play: Callable[..., Driver]) -> None:
    found = definition(Impure).impurities

    assert len(found) == 3
    assert all(each.startswith(__file__) and "workflow.now()" in each for each in found)
    with pytest.raises(ForbiddenInWorkflow, match="wall clock"):
        play(Impure)
