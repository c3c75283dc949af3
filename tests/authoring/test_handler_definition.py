"""Validators that do not take their update's parameters, and what is told of handlers."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from aion import workflow
from aion.authoring.handler_descriptions import HandlerDescription, ParameterDescription
from aion.authoring.workflow_definition import WorkflowDefinition, definition_of
from aion.core.errors import WorkflowCodeError
from tests.support.driver import Driver, defined


def with_validator(validator: Any) -> type:
    class Desk:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.update
        def serve(self, amount: int, *, express: bool = False) -> int:
            return amount

    Desk.serve.validator(validator)  # type: ignore[attr-defined]
    return Desk


def problems(validator: Any) -> list[str]:
    found = WorkflowDefinition(with_validator(validator), name="Desk").problems
    return [each for each in found if "inside a function" not in each]


def same(self: Any, amount: int, *, express: bool = False) -> None: ...
def anything(self: Any, *args: Any, **kwargs: Any) -> None: ...
def other_type(self: Any, amount: str, *, express: str = "") -> None: ...
def fewer(self: Any, amount: int) -> None: ...
def more(self: Any, amount: int, currency: str, *, express: bool = False) -> None: ...
def other_name(self: Any, total: int, *, express: bool = False) -> None: ...
def no_default(self: Any, amount: int, *, express: bool) -> None: ...
def positional(self: Any, amount: int, express: bool = False) -> None: ...
async def asynchronous(self: Any, amount: int, *, express: bool = False) -> None: ...


@pytest.mark.parametrize("validator", [same, anything, other_type])
def test_a_validator_that_takes_what_its_update_takes(validator: Any) -> None:
    assert problems(validator) == []


@pytest.mark.parametrize("validator", [fewer, more, other_name, no_default, positional])
def test_a_validator_that_does_not_take_what_its_update_takes(validator: Any) -> None:
    (problem,) = problems(validator)

    assert problem.startswith("the validator of update 'serve' must take the parameters of its")
    assert "amount: 'int', *, express: 'bool' = False" in problem


def test_an_async_validator_is_a_problem() -> None:
    (problem,) = problems(asynchronous)

    assert "is async" in problem


def test_a_validator_given_while_the_code_runs_is_checked() -> None:
    async def main() -> None:
        workflow.set_update_handler("add", lambda amount: amount, validator=lambda: None)

    run = Driver(defined(main).target)
    with pytest.raises(WorkflowCodeError, match="The validator of update 'add' must take"):
        run.start()


# --- descriptions ---------------------------------------------------------------------------------


@dataclasses.dataclass
class Line:
    sku: str
    count: int = 1


@workflow.defn(name="described.Cart")
class Cart:
    @workflow.run
    async def run(self) -> None: ...

    @workflow.signal(description="Take it out again.")
    def drop(self, sku: str, *reasons: str, at: dt.date = dt.date(2030, 1, 1)) -> None:
        """Not what people read."""

    @workflow.query
    def total(self) -> float:
        """What it costs.

        In euros.
        """
        return 0.0

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def add(self, line: Line, note: str | None = None, **options: Any) -> list[int]:
        return []

    @add.validator  # type: ignore[attr-defined]
    def check_add(self, line: Line, note: str | None = None, **options: Any) -> None: ...

    @workflow.update
    def odd(self, unknown: Nowhere, bare=object()) -> None: ...  # type: ignore[name-defined,no-untyped-def]  # noqa: F821, B008

    @workflow.query(dynamic=True)
    def every_other(self, name: str, args: list[Any]) -> None: ...


def described(kind: str, name: str) -> HandlerDescription:
    definition = definition_of(Cart)
    assert definition is not None
    (found,) = [
        one for one in definition.describe_handlers() if (one.kind, one.name) == (kind, name)
    ]
    return found


def test_handlers_are_listed_by_kind_and_name() -> None:
    definition = definition_of(Cart)
    assert definition is not None

    assert [(one.kind, one.name) for one in definition.describe_handlers()] == [
        ("signal", "drop"),
        ("query", ""),
        ("query", "total"),
        ("update", "add"),
        ("update", "odd"),
    ]


def test_a_signal_with_its_parameters() -> None:
    found = described("signal", "drop")

    assert found.description == "Take it out again."
    assert found.result == {}
    assert found.parameters == (
        ParameterDescription("sku", True, {"type": "string"}),
        ParameterDescription("reasons", False, {"type": "string"}, repeated=True),
        ParameterDescription("at", False, {"type": "string", "format": "date"}, "2030-01-01"),
    )


def test_a_query_with_docstring_and_result() -> None:
    found = described("query", "total")

    assert found.description == "What it costs.\n\nIn euros."
    assert (found.parameters, found.result) == ((), {"type": "number"})


def test_an_update_with_its_validator_and_policy() -> None:
    found = described("update", "add")
    line, note, options = found.parameters

    assert line.required
    assert line.schema["$defs"]["Line"]["required"] == ["sku"]
    assert (note.required, note.default) == (False, None)
    assert note.schema == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert (options.named, options.required, options.schema) == (True, False, {})
    assert found.result == {"type": "array", "items": {"type": "integer"}}
    assert found.validated
    assert found.unfinished_policy is workflow.HandlerUnfinishedPolicy.ABANDON


def test_what_is_not_known_is_left_open() -> None:
    unknown, bare = described("update", "odd").parameters

    assert (unknown.required, unknown.schema) == (True, {})
    assert (bare.required, bare.default, bare.schema) == (False, None, {})


def test_a_dynamic_handler_takes_whatever_comes() -> None:
    found = described("query", "")

    assert found.dynamic
    assert found.parameters == ()
