"""Chains of interceptors, without any engine."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from aion import interceptors
from aion.authoring.interception import Chains, chains, impurities
from aion.authoring.interceptor_bases import BASES
from aion.core.errors import InvalidArgument
from aion.core.headers import MOST_HEADER_BYTES, check_headers
from aion.interceptors import ClientInterceptor, Interceptor, SignalInput, using

SIGNAL = SignalInput(workflow_id="w", run_id=None, name="go", args=(1,))


class Adding(ClientInterceptor):
    def __init__(self, word: str) -> None:
        self.word = word

    def signal(self, input: SignalInput, next: Callable[[SignalInput], None]) -> None:
        next(dataclasses.replace(input, args=(*input.args, self.word)))


def test_the_first_of_the_setting_is_outermost() -> None:
    given: list[Any] = []
    chain = Chains([Adding("outer"), Adding("inner")]).signal
    assert chain is not None

    chain(SIGNAL, lambda input: given.append(input.args))

    assert given == [(1, "outer", "inner")]


def test_a_chain_can_be_called_again() -> None:
    given: list[Any] = []
    chain = Chains([Adding("a")]).signal
    assert chain is not None

    for _ in range(2):
        chain(SIGNAL, lambda input: given.append(input.args))

    assert given == [(1, "a"), (1, "a")]


def test_only_calls_that_somebody_overrides_are_wrapped() -> None:
    made = Chains([Adding("x"), Interceptor()])

    assert [name for name in Chains.__slots__ if getattr(made, name) is not None] == ["signal"]


def test_without_interceptors_nothing_is_wrapped() -> None:
    assert {getattr(chains(), name) for name in Chains.__slots__} == {None}


def test_every_method_of_a_base_has_a_chain() -> None:
    methods = [name for base in BASES for name in vars(base) if not name.startswith("_")]

    assert sorted(methods) == sorted(Chains.__slots__)


@pytest.mark.parametrize("name", Chains.__slots__)
def test_the_base_methods_pass_on_what_they_are_given(name: str) -> None:
    method = getattr(Interceptor(), name)
    given: list[Any] = []

    async def following(input: Any) -> str:
        given.append(input)
        return "done"

    is_async = inspect.iscoroutinefunction(method)
    outcome = method("input", following if is_async else given.append)
    if is_async:
        with pytest.raises(StopIteration):
            outcome.send(None)

    assert given == ["input"]


def test_interceptors_for_a_while_go_again() -> None:
    with using(Adding("x")):
        assert chains().signal is not None

    assert chains().signal is None


def test_headers_can_be_added() -> None:
    changed = dataclasses.replace(SIGNAL, headers={"a": "1", "b": "2"}).with_headers({"b": "3"})

    assert changed.headers == {"a": "1", "b": "3"}
    assert SIGNAL.headers == {}


@pytest.mark.parametrize("headers", [{"a": 1}, {1: "a"}, {"a": "\ud800"}])
def test_headers_are_text(headers: dict[Any, Any]) -> None:
    with pytest.raises(InvalidArgument, match="headers"):
        check_headers(headers)


def test_headers_are_limited_in_bytes() -> None:
    check_headers({"ab": "é" * ((MOST_HEADER_BYTES - 2) // 2)})

    with pytest.raises(InvalidArgument, match="8,192 are the most"):
        check_headers({"ab": "é" * (MOST_HEADER_BYTES // 2)})


class Clocked(Interceptor):
    async def execute_workflow(self, input: Any, next: Any) -> Any:
        dt.datetime.now(dt.UTC)
        return await next(input)

    def execute_activity(self, input: Any, next: Any) -> Any:
        dt.datetime.now(dt.UTC)
        return next(input)


def test_clocks_in_workflow_methods_are_found() -> None:
    found = impurities(Clocked())

    assert len(found) == 1
    assert "dt.datetime.now() reads the wall clock" in found[0]
    assert impurities(Adding("x")) == []


def test_the_public_names_are_there() -> None:
    assert [name for name in interceptors.__all__ if not hasattr(interceptors, name)] == []
