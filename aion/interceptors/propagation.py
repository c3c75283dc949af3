"""Context variables that travel in headers."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, NoReturn, TypeVar

from aion.authoring import interceptor_inputs as inputs
from aion.authoring.context import require_workflow
from aion.authoring.interceptor_bases import Interceptor

Input = TypeVar("Input", bound=inputs.CallInput)


class ContextVarPropagator(Interceptor):
    """Carries context variables from the caller into workflows, handlers, activities, children and on.

    `variables` maps names of headers to context variables that hold text; None stands for "not set" and is
    not carried. Code of a workflow or an activity finds the variables as they were where it was asked for;
    a handler finds those of its message, and where the message has none, those of the run. Runs and handlers
    have variables of their own: what one sets, no other sees.

    Use an instance of it in `AION["INTERCEPTORS"]`, or a subclass that sets `variables`.
    """

    variables: Mapping[str, ContextVar[Any]] = {}

    def __init__(self, variables: Mapping[str, ContextVar[Any]] | None = None) -> None:
        if variables is not None:
            self.variables = dict(variables)

    # --- out of the client: what the caller names in `headers` counts more ---

    def start_workflow(
        self,
        input: inputs.StartWorkflowInput,
        next: Callable[[inputs.StartWorkflowInput], Any],
    ) -> Any:
        """Carry the variables into the run."""
        return next(self._added(input))

    def signal(self, input: inputs.SignalInput, next: Callable[[inputs.SignalInput], None]) -> None:
        """Carry the variables to the handler."""
        next(self._added(input))

    def query(self, input: inputs.QueryInput, next: Callable[[inputs.QueryInput], Any]) -> Any:
        """Carry the variables to the handler."""
        return next(self._added(input))

    def update(self, input: inputs.UpdateInput, next: Callable[[inputs.UpdateInput], Any]) -> Any:
        """Carry the variables to the validator and the handler."""
        return next(self._added(input))

    # --- into workflow code ---

    async def execute_workflow(
        self,
        input: inputs.ExecuteWorkflowInput,
        next: Callable[[inputs.ExecuteWorkflowInput], Awaitable[Any]],
    ) -> Any:
        """Set the variables for the run."""
        self._restore(input.headers)
        return await next(input)

    async def handle_signal(
        self,
        input: inputs.HandleSignalInput,
        next: Callable[[inputs.HandleSignalInput], Awaitable[None]],
    ) -> None:
        """Set the variables for the handler."""
        self._restore_for_handler(input)
        await next(input)

    def handle_query(
        self,
        input: inputs.HandleQueryInput,
        next: Callable[[inputs.HandleQueryInput], Any],
    ) -> Any:
        """Set the variables for the handler."""
        self._restore_for_handler(input)
        return next(input)

    def validate_update(
        self,
        input: inputs.HandleUpdateInput,
        next: Callable[[inputs.HandleUpdateInput], None],
    ) -> None:
        """Set the variables for the validator."""
        self._restore_for_handler(input)
        next(input)

    async def handle_update(
        self,
        input: inputs.HandleUpdateInput,
        next: Callable[[inputs.HandleUpdateInput], Awaitable[Any]],
    ) -> Any:
        """Set the variables for the handler."""
        self._restore_for_handler(input)
        return await next(input)

    # --- out of workflow code: what the code has set counts more than the run's headers ---

    def start_activity(
        self,
        input: inputs.StartActivityInput,
        next: Callable[[inputs.StartActivityInput], asyncio.Future[Any]],
    ) -> asyncio.Future[Any]:
        """Carry the variables into the activity."""
        return next(self._replaced(input))

    def start_local_activity(
        self,
        input: inputs.StartActivityInput,
        next: Callable[[inputs.StartActivityInput], asyncio.Future[Any]],
    ) -> asyncio.Future[Any]:
        """Carry the variables into the activity."""
        return next(self._replaced(input))

    async def start_child_workflow(
        self,
        input: inputs.StartChildWorkflowInput,
        next: Callable[[inputs.StartChildWorkflowInput], Awaitable[Any]],
    ) -> Any:
        """Carry the variables into the child."""
        return await next(self._replaced(input))

    async def signal_external(
        self,
        input: inputs.SignalExternalInput,
        next: Callable[[inputs.SignalExternalInput], Awaitable[None]],
    ) -> None:
        """Carry the variables to the handler in the other workflow."""
        await next(self._replaced(input))

    def continue_as_new(
        self,
        input: inputs.ContinueAsNewInput,
        next: Callable[[inputs.ContinueAsNewInput], NoReturn],
    ) -> NoReturn:
        """Carry the variables into the next run."""
        next(self._replaced(input))

    # --- into activities ---

    def execute_activity(
        self,
        input: inputs.ExecuteActivityInput,
        next: Callable[[inputs.ExecuteActivityInput], Any],
    ) -> Any:
        """Set the variables for the attempt."""
        self._restore(input.headers)
        return next(input)

    # --- how ---

    def _current(self) -> dict[str, str]:
        values = {name: variable.get(None) for name, variable in self.variables.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _added(self, input: Input) -> Input:
        return dataclasses.replace(input, headers={**self._current(), **input.headers})

    def _replaced(self, input: Input) -> Input:
        others = {k: v for k, v in input.headers.items() if k not in self.variables}
        return dataclasses.replace(input, headers={**others, **self._current()})

    def _restore_for_handler(self, input: inputs.CallInput) -> None:
        run = require_workflow("a handler").headers
        self._restore({**run, **input.headers})

    def _restore(self, headers: Mapping[str, str]) -> None:
        for name, variable in self.variables.items():
            value = headers.get(name)
            if (
                value is not None or variable.get(None) is not None
            ):  # a thread's own is not the caller's
                variable.set(value)
