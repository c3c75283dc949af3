"""Workflows as plain functions: what elsewhere is awaited just waits.

A workflow written with `def` runs on a greenlet of its own (`aion_engine.replay.plain_code`). While its code
runs, `current_plain_code` names it, and what `blocks` decorates waits for its outcome and gives that instead
of a coroutine. Everywhere else, also in coroutines that plain code waits for, nothing is different.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from aion.core.errors import NotInWorkflow

P = ParamSpec("P")
T = TypeVar("T")


class PlainCode(Protocol):
    """One run of a plain function."""

    def is_running(self) -> bool:
        """Tell whether the caller is this very code, and not a coroutine that it waits for."""

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Stop the code until the outcome is there, and give or raise it."""

    def beside(
        self, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, Any]:
        """Give a coroutine that runs another plain function in the same way."""


current_plain_code: ContextVar[PlainCode | None] = ContextVar("aion_plain_code", default=None)


def running() -> PlainCode | None:
    """Give the plain code that calls this; None in coroutines and outside of workflows."""
    code = current_plain_code.get()
    return code if code is not None and code.is_running() else None


def blocks(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let a coroutine function, called from plain code, give its outcome at once."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        coroutine = function(*args, **kwargs)
        code = running()
        return coroutine if code is None else cast("Any", code.wait(coroutine))

    return call


def awaitable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that plain code hands over give awaitables, so that it may wait in its turn."""
    code = running()
    return function if code is None else functools.partial(code.beside, function)


def wait(outcome: Awaitable[T]) -> T:
    """Give the outcome of something awaitable, in a workflow written as a plain `def`.

    For futures (`charge_card.start(...)`), child handles, timers, and what asyncio offers:
    `workflow.wait(asyncio.gather(...))`.

    Raises:
        NotInWorkflow: the caller is not a plain workflow; a coroutine writes `await`.
    """
    return _require("workflow.wait()").wait(outcome)


def spawn(function: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
    """Run another plain function beside this one, in a workflow written as a plain `def`.

    Gives a future of its result; `workflow.wait` it.

    Raises:
        NotInWorkflow: the caller is not a plain workflow; a coroutine calls `asyncio.create_task`.
    """
    return asyncio.ensure_future(_require("workflow.spawn()").beside(function, *args, **kwargs))


def _require(what: str) -> PlainCode:
    code = running()
    if code is None:
        raise NotInWorkflow(
            f"{what} is for workflows written as a plain `def`; a coroutine awaits instead"
        )
    return code
