"""Handlers of messages: signals, queries and updates. Offered through `aion.workflow`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, TypeVar, overload

from aion.authoring import workflow_definition as definitions
from aion.authoring.context import UpdateInfo, require_workflow
from aion.authoring.plain import blocks

F = TypeVar("F", bound=Callable[..., Any])


@overload
def signal(function: F, /) -> F: ...
@overload
def signal(*, name: str | None = None, dynamic: bool = False) -> Callable[[F], F]: ...
def signal(function: Any = None, /, *, name: str | None = None, dynamic: bool = False) -> Any:
    """Mark a method, plain or `async`, that takes a signal; `name` defaults to the method's.

    A `dynamic` one takes every signal without a handler of its own, as `(self, name, args)`.
    """
    return _mark(definitions.SIGNAL_MARK, function, name, dynamic)


@overload
def query(function: F, /) -> F: ...
@overload
def query(*, name: str | None = None, dynamic: bool = False) -> Callable[[F], F]: ...
def query(function: Any = None, /, *, name: str | None = None, dynamic: bool = False) -> Any:
    """Mark a plain method that answers a query; it may read anything and change nothing.

    A `dynamic` one answers every query without a handler of its own, as `(self, name, args)`.
    """
    return _mark(definitions.QUERY_MARK, function, name, dynamic)


@overload
def update(function: F, /) -> F: ...
@overload
def update(*, name: str | None = None, dynamic: bool = False) -> Callable[[F], F]: ...
def update(function: Any = None, /, *, name: str | None = None, dynamic: bool = False) -> Any:
    """Mark a method, plain or `async`, that takes an update: a message that is answered.

    `@the_update.validator` marks a plain method with the same parameters, which raises to refuse the
    update before anything is recorded; it may read and not act.
    """
    return _mark(definitions.UPDATE_MARK, function, name, dynamic)


def _mark(mark: str, function: Any, name: str | None, dynamic: bool) -> Any:
    def decorate(function: Any) -> Any:
        title = definitions.DYNAMIC if dynamic else name or function.__name__
        setattr(function, mark, title)
        if mark == definitions.UPDATE_MARK:
            function.validator = _validator_of(function)
        return function

    return decorate(function) if function is not None else decorate


def _validator_of(update: Any) -> Callable[[F], F]:
    def mark(function: F) -> F:
        setattr(update, definitions.VALIDATOR_MARK, function)
        return function

    return mark


def set_signal_handler(name: str | None, function: Callable[..., Any] | None) -> None:
    """Take the signals of a name (None: all without a handler) from now on, also those kept until now.

    None as function removes the handler.
    """
    require_workflow("workflow.set_signal_handler()").set_handler("signal", name, function)


def set_query_handler(name: str | None, function: Callable[..., Any] | None) -> None:
    """Answer the queries of a name (None: all without a handler) from now on."""
    require_workflow("workflow.set_query_handler()").set_handler("query", name, function)


def set_update_handler(name: str | None, function: Callable[..., Any] | None) -> None:
    """Take the updates of a name (None: all without a handler) from now on."""
    require_workflow("workflow.set_update_handler()").set_handler("update", name, function)


@blocks
async def receive(
    name: str, *, timeout: dt.timedelta | float | None = None, type: Any = Any
) -> Any:
    """Take the next signal of a name, in the order of arrival, waiting for it.

    For signals without a handler: a mailbox. Gives the signal's argument, decoded by `type` (several
    arguments come as a list, none as None).

    Raises:
        TimeoutError: none came within `timeout` (timedelta or seconds); nothing was taken.
    """
    seconds = timeout.total_seconds() if isinstance(timeout, dt.timedelta) else timeout
    return await require_workflow("workflow.receive()").receive(name, type, seconds)


def current_update_info() -> UpdateInfo | None:
    """Describe the update whose handler is running here, None outside of update handlers."""
    return require_workflow("workflow.current_update_info()").current_update()


def all_handlers_finished() -> bool:
    """Tell whether no signal or update handler is running: wait for it before you return."""
    return require_workflow("workflow.all_handlers_finished()").all_handlers_finished()
