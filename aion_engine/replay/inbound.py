"""The way into workflow code: to the run method and to the handlers, through the interceptors there are.

Where there are none nothing is wrapped. A chain is a coroutine also around a plain handler; it is made to
run at once then (see `Messages.run`), so that configuring an interceptor changes no order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aion.authoring.handler_definition import Handler
from aion.authoring.interception import Chain
from aion.authoring.interceptor_inputs import (
    CallInput,
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
)
from aion.authoring.workflow_definition import WorkflowDefinition
from aion.core.events import SignalReceived, UpdateAccepted
from aion.core.headers import Headers
from aion_engine.replay.plain_code import begin

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Around = Callable[[Callable[..., Any], bool], Any]
"""Gives the coroutine that calls a handler inside of its interceptors; the handler may give one, too."""


def run_method(
    chain: Chain | None,
    definition: WorkflowDefinition,
    target: Any,
    arguments: Arguments,
    headers: Headers,
) -> Any:
    """Give the coroutine of a run; `target` is the workflow object, None where a function is the workflow."""
    first = (target,) if definition.is_class else ()
    args, kwargs = arguments
    if chain is None:
        return begin(definition, (*first, *args), kwargs)

    async def run(input: ExecuteWorkflowInput) -> Any:
        return await begin(definition, (*first, *input.args), dict(input.kwargs))

    return chain(ExecuteWorkflowInput(args=args, kwargs=kwargs, headers=headers), run)


def around_signal(
    chain: Chain | None, signal: SignalReceived, arguments: Arguments
) -> Around | None:
    """Give what wraps a signal's handler, None where nobody does."""
    if chain is None:
        return None
    args, kwargs = arguments
    input = HandleSignalInput(name=signal.name, args=args, kwargs=kwargs, headers=signal.headers)
    return _around(chain, input)


def around_update(
    chain: Chain | None, update: UpdateAccepted, arguments: Arguments
) -> Around | None:
    """Give what wraps an update's handler, None where nobody does."""
    if chain is None:
        return None
    args, kwargs = arguments
    input = HandleUpdateInput(
        id=update.update_id, name=update.name, args=args, kwargs=kwargs, headers=update.headers
    )
    return _around(chain, input)


def _around(chain: Chain, input: CallInput) -> Around:
    def around(call: Callable[..., Any], waits: bool) -> Any:
        async def handle(input: CallInput) -> Any:
            outcome = call(tuple(input.args), dict(input.kwargs))
            return await outcome if waits else outcome

        return chain(input, handle)

    return around


def answer_query(
    chain: Chain | None,
    handler: Handler,
    target: Any,
    name: str,
    arguments: Arguments,
    headers: Headers,
) -> Any:
    """Give what a query's handler answers."""
    args, kwargs = arguments
    if chain is None:
        return handler.call(target, args, kwargs)

    def handle(input: HandleQueryInput) -> Any:
        return handler.call(target, tuple(input.args), dict(input.kwargs))

    return chain(HandleQueryInput(name=name, args=args, kwargs=kwargs, headers=headers), handle)


def validate_update(
    chain: Chain | None,
    validate: Callable[[tuple[Any, ...], Mapping[str, Any]], None],
    input: HandleUpdateInput,
) -> None:
    """Let an update pass; whatever is raised refuses it."""
    if chain is None:
        validate(input.args, input.kwargs)
    else:
        chain(input, lambda input: validate(tuple(input.args), input.kwargs))
