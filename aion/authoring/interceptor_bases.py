"""The base classes of interceptors: each method passes its call on, and may be overridden.

An interceptor is made once for each process and serves all threads and runs of it, so what belongs to one
call stays in the method. Offered through `aion.interceptors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from aion.authoring import interceptor_inputs as inputs


class ClientInterceptor:
    """Around calls of `aion.client`, in the caller's process and transaction. An error stops the call."""

    def start_workflow(
        self,
        input: inputs.StartWorkflowInput,
        next: Callable[[inputs.StartWorkflowInput], Any],
    ) -> Any:
        """Around a start; gives the handle."""
        return next(input)

    def signal(self, input: inputs.SignalInput, next: Callable[[inputs.SignalInput], None]) -> None:
        """Around a signal."""
        next(input)

    def query(self, input: inputs.QueryInput, next: Callable[[inputs.QueryInput], Any]) -> Any:
        """Around a query; gives the answer."""
        return next(input)

    def update(self, input: inputs.UpdateInput, next: Callable[[inputs.UpdateInput], Any]) -> Any:
        """Around the sending of an update; gives its handle. It does not wait for the result."""
        return next(input)

    def cancel(self, input: inputs.CancelInput, next: Callable[[inputs.CancelInput], None]) -> None:
        """Around a cancel request."""
        next(input)

    def terminate(
        self, input: inputs.TerminateInput, next: Callable[[inputs.TerminateInput], None]
    ) -> None:
        """Around a termination."""
        next(input)


class WorkflowInboundInterceptor:
    """Around what enters workflow code. It is workflow code: deterministic, guarded, run on replay too."""

    async def execute_workflow(
        self,
        input: inputs.ExecuteWorkflowInput,
        next: Callable[[inputs.ExecuteWorkflowInput], Awaitable[Any]],
    ) -> Any:
        """Around the run method; gives the result. `__init__` has been called before."""
        return await next(input)

    async def handle_signal(
        self,
        input: inputs.HandleSignalInput,
        next: Callable[[inputs.HandleSignalInput], Awaitable[None]],
    ) -> None:
        """Around the handler of a signal, plain or `async`."""
        await next(input)

    def handle_query(
        self,
        input: inputs.HandleQueryInput,
        next: Callable[[inputs.HandleQueryInput], Any],
    ) -> Any:
        """Around the handler of a query; gives the answer. It may read and not act."""
        return next(input)

    def validate_update(
        self,
        input: inputs.HandleUpdateInput,
        next: Callable[[inputs.HandleUpdateInput], None],
    ) -> None:
        """Around the validation of an update, also where it has no validator. An error refuses it."""
        next(input)

    async def handle_update(
        self,
        input: inputs.HandleUpdateInput,
        next: Callable[[inputs.HandleUpdateInput], Awaitable[Any]],
    ) -> Any:
        """Around the handler of an update, plain or `async`; gives the result."""
        return await next(input)


class WorkflowOutboundInterceptor:
    """Around what workflow code asks for. It is workflow code: deterministic, guarded, run on replay too."""

    def start_activity(
        self,
        input: inputs.StartActivityInput,
        next: Callable[[inputs.StartActivityInput], asyncio.Future[Any]],
    ) -> asyncio.Future[Any]:
        """Around the request for an activity; gives the future of its result."""
        return next(input)

    def start_local_activity(
        self,
        input: inputs.StartActivityInput,
        next: Callable[[inputs.StartActivityInput], asyncio.Future[Any]],
    ) -> asyncio.Future[Any]:
        """Around the request for a local activity; gives the future of its result."""
        return next(input)

    async def start_child_workflow(
        self,
        input: inputs.StartChildWorkflowInput,
        next: Callable[[inputs.StartChildWorkflowInput], Awaitable[Any]],
    ) -> Any:
        """Around the start of a child; gives its handle."""
        return await next(input)

    async def signal_external(
        self,
        input: inputs.SignalExternalInput,
        next: Callable[[inputs.SignalExternalInput], Awaitable[None]],
    ) -> None:
        """Around a signal to another workflow, or to a child."""
        await next(input)

    async def cancel_external(
        self,
        input: inputs.CancelExternalInput,
        next: Callable[[inputs.CancelExternalInput], Awaitable[None]],
    ) -> None:
        """Around a cancel request to another workflow, or to a child through its handle."""
        await next(input)

    def continue_as_new(
        self,
        input: inputs.ContinueAsNewInput,
        next: Callable[[inputs.ContinueAsNewInput], NoReturn],
    ) -> NoReturn:
        """Around continuing as new. `next` leaves the workflow code, and so must this."""
        next(input)


class ActivityInterceptor:
    """Around attempts of activities, in the worker that runs them. No workflow code: it may do anything."""

    def execute_activity(
        self,
        input: inputs.ExecuteActivityInput,
        next: Callable[[inputs.ExecuteActivityInput], Any],
    ) -> Any:
        """Around the activity's function, whose result it gives; a coroutine has run to its end.

        An error is the attempt's, as if the function had raised it.
        """
        return next(input)

    def heartbeat(
        self, input: inputs.HeartbeatInput, next: Callable[[inputs.HeartbeatInput], None]
    ) -> None:
        """Around a heartbeat, before it is throttled."""
        next(input)


class Interceptor(
    ClientInterceptor, WorkflowInboundInterceptor, WorkflowOutboundInterceptor, ActivityInterceptor
):
    """All sides in one."""


BASES: tuple[type, ...] = (
    ClientInterceptor,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
    ActivityInterceptor,
)
