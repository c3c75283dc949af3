"""Handlers of messages: signals, queries and updates. Offered through `aion.workflow`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, TypeVar, overload

from aion.authoring import workflow_definition as definitions
from aion.authoring.context import UpdateInfo, require_workflow
from aion.authoring.handler_definition import (
    DYNAMIC,
    OPTIONS_MARK,
    VALIDATOR_MARK,
    Handler,
    HandlerOptions,
    HandlerUnfinishedPolicy,
)
from aion.authoring.plain import blocks
from aion.core.errors import WorkflowCodeError

F = TypeVar("F", bound=Callable[..., Any])


@overload
def signal(function: F, /) -> F: ...
@overload
def signal(
    *,
    name: str | None = None,
    dynamic: bool = False,
    description: str = "",
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> Callable[[F], F]: ...
def signal(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    dynamic: bool = False,
    description: str = "",
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> Any:
    """Mark a method, plain or `async`, that takes a signal; `name` defaults to the method's.

    A `dynamic` one takes every signal without a handler of its own, as `(self, name, args)`. `description`
    is for forms, and by default the docstring. `unfinished_policy` says whether to warn when the run closes
    while the handler runs.
    """
    options = HandlerOptions(description, HandlerUnfinishedPolicy(unfinished_policy))
    return _mark(definitions.SIGNAL_MARK, function, name, dynamic, options)


@overload
def query(function: F, /) -> F: ...
@overload
def query(
    *, name: str | None = None, dynamic: bool = False, description: str = ""
) -> Callable[[F], F]: ...
def query(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    dynamic: bool = False,
    description: str = "",
) -> Any:
    """Mark a plain method that answers a query; it may read anything and change nothing.

    A `dynamic` one answers every query without a handler of its own, as `(self, name, args)`. `description`
    is for forms, and by default the docstring.
    """
    return _mark(definitions.QUERY_MARK, function, name, dynamic, HandlerOptions(description))


@overload
def update(function: F, /) -> F: ...
@overload
def update(
    *,
    name: str | None = None,
    dynamic: bool = False,
    description: str = "",
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> Callable[[F], F]: ...
def update(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    dynamic: bool = False,
    description: str = "",
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> Any:
    """Mark a method, plain or `async`, that takes an update: a message that is answered.

    `@the_update.validator` marks a plain method with the same parameters, which raises to refuse the
    update before anything is recorded; it may read and not act. The options are those of `signal`.
    """
    options = HandlerOptions(description, HandlerUnfinishedPolicy(unfinished_policy))
    return _mark(definitions.UPDATE_MARK, function, name, dynamic, options)


def _mark(
    mark: str, function: Any, name: str | None, dynamic: bool, options: HandlerOptions
) -> Any:
    def decorate(function: Any) -> Any:
        title = DYNAMIC if dynamic else name or function.__name__
        setattr(function, mark, title)
        setattr(function, OPTIONS_MARK, options)
        if mark == definitions.UPDATE_MARK:
            function.validator = _validator_of(function)
        return function

    return decorate(function) if function is not None else decorate


def _validator_of(update: Any) -> Callable[[F], F]:
    def mark(function: F) -> F:
        setattr(update, VALIDATOR_MARK, function)
        return function

    return mark


def set_signal_handler(
    name: str | None,
    function: Callable[..., Any] | None,
    *,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> None:
    """Take the signals of a name (None: all without a handler) from now on, also those kept until now.

    None as function removes the handler.
    """
    context = require_workflow("workflow.set_signal_handler()")
    context.set_handler("signal", name, _bound(name, function, policy=unfinished_policy))


def set_query_handler(name: str | None, function: Callable[..., Any] | None) -> None:
    """Answer the queries of a name (None: all without a handler) from now on."""
    context = require_workflow("workflow.set_query_handler()")
    context.set_handler("query", name, _bound(name, function))


def set_update_handler(
    name: str | None,
    function: Callable[..., Any] | None,
    *,
    validator: Callable[..., Any] | None = None,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> None:
    """Take the updates of a name (None: all without a handler) from now on.

    Raises:
        WorkflowCodeError: the validator given does not take the parameters of the handler.
    """
    context = require_workflow("workflow.set_update_handler()")
    handler = _bound(name, function, validator=validator, policy=unfinished_policy)
    problem = handler.validator_problem() if handler is not None and validator else None
    if problem is not None:
        raise WorkflowCodeError(problem[0].upper() + problem[1:])
    context.set_handler("update", name, handler)


def _bound(
    name: str | None,
    function: Callable[..., Any] | None,
    *,
    validator: Callable[..., Any] | None = None,
    policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> Handler | None:
    """Make a handler of a function that is no method."""
    if function is None:
        return None
    options = HandlerOptions("", HandlerUnfinishedPolicy(policy))
    key = DYNAMIC if name is None else name
    return Handler(key, function, bound=True, validator=validator, options=options)


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
