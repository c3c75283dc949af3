"""Reads of the wall clock are found in the code, and nothing else is."""

from __future__ import annotations

import datetime
import datetime as dt
import functools
from collections.abc import Callable
from datetime import date
from datetime import datetime as moment
from typing import Any

import pytest

from aion import workflow
from aion.authoring.purity import impure_calls
from aion.authoring.workflow import side_effect

aware = dt.datetime
unknown: Any = None


class Moment(dt.datetime):
    pass


def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def by_module() -> Any:
    return datetime.datetime.now()


def by_class() -> Any:
    return moment.utcnow()


def by_date() -> Any:
    return date.today()


def by_alias() -> Any:
    return aware.now(dt.UTC)


def by_subclass() -> Any:
    return Moment.now()


def in_a_lambda() -> Any:
    return lambda: moment.now()


def in_a_comprehension() -> Any:
    return [dt.datetime.now(dt.UTC) for _ in range(3)]


def in_an_inner_function() -> Any:
    def inner() -> Any:
        def innermost() -> Any:
            return moment.now()

        return innermost

    return inner


def in_an_inner_class() -> Any:
    class Inner:
        at = moment.now()

    return Inner


def by_a_local_import() -> Any:
    from datetime import date as day
    from datetime import datetime

    return datetime.now() > day.today()  # type: ignore[operator]


def by_a_local_module() -> Any:
    import datetime as clock

    return clock.datetime.now()


async def in_a_coroutine() -> Any:
    async with unknown:
        return moment.now() if unknown else None


@decorator
def under_a_decorator() -> Any:
    return moment.now()


def without_a_call() -> Any:
    return map(moment.now, [None])


def beside_a_side_effect() -> Any:
    return workflow.side_effect(lambda: 1), moment.now()


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (by_module, 1),
        (by_class, 1),
        (by_date, 1),
        (by_alias, 1),
        (by_subclass, 1),
        (in_a_lambda, 1),
        (in_a_comprehension, 1),
        (in_an_inner_function, 1),
        (in_an_inner_class, 1),
        (by_a_local_import, 2),
        (by_a_local_module, 1),
        (in_a_coroutine, 1),
        (under_a_decorator, 1),
        (without_a_call, 1),
        (beside_a_side_effect, 1),
    ],
)
def test_a_read_of_the_wall_clock_is_found(function: Callable[[], Any], count: int) -> None:
    found = impure_calls(function)

    assert len(found) == count
    first = getattr(function, "__wrapped__", function).__code__.co_firstlineno
    for each in found:
        path, line, rest = each.split(":", 2)
        assert path == __file__
        assert first <= int(line) <= first + 10
        assert "workflow.now()" in rest


def test_a_name_of_an_outer_function_is_followed() -> None:
    clock = dt.datetime

    def inner() -> Any:
        return clock.now(dt.UTC)

    assert len(impure_calls(inner)) == 1


def by_the_workflow() -> Any:
    return workflow.now()


def by_a_parameter(moment: Any) -> Any:
    return moment.now()


def by_a_variable() -> Any:
    moment = workflow
    return moment.now()


def by_an_attribute(self: Any) -> Any:
    return self.now(), self.clock.today, unknown.now


def with_other_methods() -> Any:
    return moment.fromisoformat("2030-01-01"), date(2030, 1, 1), dt.datetime.max, dt.timedelta(1)


def _helper() -> Any:
    return moment.now()


def through_a_helper() -> Any:
    return _helper()


def in_a_side_effect() -> Any:
    return workflow.side_effect(lambda: moment.now(), type=moment)


def as_a_side_effect() -> Any:
    return workflow.side_effect(moment.now), side_effect(date.today)


@pytest.mark.parametrize(
    "function",
    [
        by_the_workflow,
        by_a_parameter,
        by_a_variable,
        by_an_attribute,
        with_other_methods,
        through_a_helper,
        in_a_side_effect,
        as_a_side_effect,
        print,
    ],
)
def test_nothing_else_is_found(function: Callable[..., Any]) -> None:
    assert impure_calls(function) == []
