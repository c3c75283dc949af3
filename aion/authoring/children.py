"""Children and other workflows, as workflow code sees them. Offered through `aion.workflow`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Generator, Mapping
from datetime import timedelta
from typing import Any, NoReturn

import msgspec

from aion.authoring.child_options import ChildOptions
from aion.authoring.context import (
    ChildCall,
    ContinueAsNew,
    SignalCall,
    require_workflow,
    user_site,
)
from aion.authoring.plain import blocks
from aion.authoring.workflow_definition import SIGNAL_MARK, WorkflowDefinition, definition_of
from aion.core.errors import InvalidArgument, UnknownType
from aion.core.payloads import encode
from aion.core.signatures import CallSignature, decode_any, encode_arguments
from aion.core.texts import check_text

Workflow = type | Callable[..., Any] | str


@dataclasses.dataclass(frozen=True, slots=True)
class ExternalWorkflowHandle:
    """Another workflow, by its id; `run_id` pins one run."""

    workflow_id: str
    run_id: str = ""

    @blocks
    async def signal(
        self,
        name: str | Callable[..., Any],
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        request_id: str = "",
    ) -> None:
        """Send a signal, exactly once, and wait until the receiver has it.

        A `request_id` that the receiver's chain of runs has taken before, from whomever, changes nothing.

        Raises:
            ApplicationError: of type `RunNotFound`, when there is no open run of this id.
            PayloadError: an argument has no JSON form or is too large.
            InvalidArgument: the request id cannot be stored.
        """
        text, data = signal_call(name, args, kwargs)
        check_text("request_id", request_id)
        context = require_workflow("signal() of another workflow")
        message = SignalCall(self.workflow_id, self.run_id, text, data, request_id)
        await context.signal_external(message, user_site(2))

    @blocks
    async def cancel(self, reason: str = "") -> None:
        """Ask the workflow to cancel itself, and wait until it has the request.

        Raises:
            ApplicationError: of type `RunNotFound`, when there is no open run of this id.
        """
        context = require_workflow("cancel() of another workflow")
        await context.cancel_external(self.workflow_id, self.run_id, reason, user_site(2))


@dataclasses.dataclass(frozen=True, slots=True)
class ChildWorkflowHandle(ExternalWorkflowHandle):
    """A child that was started. Await the handle for its result."""

    result: asyncio.Future[Any] = dataclasses.field(default=None, repr=False)  # type: ignore[arg-type]

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.result.__await__()


def get_external_workflow_handle(workflow_id: str, run_id: str = "") -> ExternalWorkflowHandle:
    """Give a handle of another workflow, to signal or cancel it from workflow code."""
    return ExternalWorkflowHandle(workflow_id, run_id)


@blocks
async def start_child_workflow(
    workflow: Workflow, *args: Any, kwargs: Mapping[str, Any] | None = None, **options: Any
) -> ChildWorkflowHandle:
    """Start a child and give its handle; the child exists when this turn commits.

    Keyword arguments for the child go into `kwargs`; all others are `ChildOptions`. A child whose id is
    taken by an open run fails when awaited: `ChildWorkflowError`, its cause of type
    `WorkflowAlreadyStarted`.

    Raises:
        TypeError: an option is unknown, or the arguments do not fit the child.
        PayloadError: an argument has no JSON form or is too large.
    """
    started = require_workflow("workflow.start_child_workflow()").start_child(
        _call(workflow, args, dict(kwargs or {}), options), user_site(2)
    )
    return ChildWorkflowHandle(started.workflow_id, started.run_id, started.result)


@blocks
async def execute_child_workflow(
    workflow: Workflow, *args: Any, kwargs: Mapping[str, Any] | None = None, **options: Any
) -> Any:
    """Start a child and give its result, following it through continue-as-new and retries.

    Raises:
        ChildWorkflowError: it did not complete; `cause` says why.
        asyncio.CancelledError: this code was cancelled, and the child with it.
    """
    return await (await start_child_workflow(workflow, *args, kwargs=kwargs, **options))


def _call(
    workflow: Workflow, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> ChildCall:
    chosen = ChildOptions(**options)
    if isinstance(workflow, str):
        data = encode_arguments(args, kwargs, what=f"workflow {workflow}")
        return ChildCall(workflow, data, chosen, decode_any)
    definition = _definition(workflow)
    what = f"workflow {definition.name}"
    signature = definition.signature
    signature.check(args, kwargs, what=what)

    def decode(raw: msgspec.Raw) -> Any:
        return signature.decode_result(raw, what=what)

    return ChildCall(definition.name, signature.encode(args, kwargs, what=what), chosen, decode)


def _definition(workflow: Any) -> WorkflowDefinition:
    definition = definition_of(workflow)
    if definition is None:
        raise UnknownType(f"{workflow!r} is not decorated with @workflow.defn", name=str(workflow))
    return definition


def signal_call(
    name: str | Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
) -> tuple[str, bytes]:
    """Give a signal's name and encoded arguments; a handler method also checks the arguments.

    Raises:
        InvalidArgument: the method is not a signal handler.
    """
    if isinstance(name, str):
        return name, encode_arguments(args, kwargs or {}, what=f"signal {name}")
    marked = getattr(name, SIGNAL_MARK, None)
    if marked is None:
        raise InvalidArgument(f"{name!r} is not decorated with @workflow.signal", field="name")
    signature = CallSignature.of(name, skip_self=True)
    what = f"signal {marked}"
    signature.check(args, dict(kwargs or {}), what=what)
    return marked, signature.encode(args, dict(kwargs or {}), what=what)


def continue_as_new(
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    workflow: Workflow | None = None,
    task_queue: str = "",
    run_timeout: timedelta | None = None,
    memo: Mapping[str, Any] | None = None,
    search_attributes: Mapping[str, Any] | None = None,
) -> NoReturn:
    """End this run and go on as a new one of the same workflow id, with a history that begins afresh.

    The arguments are the new run's. Signals that nobody has taken move to it; memo and search attributes
    do too, unless given here. Works from the run method and from handlers.

    Raises:
        TypeError: the arguments do not fit the workflow.
        PayloadError: an argument has no JSON form or is too large.
        InvalidSearchAttribute: a search attribute is not registered or not of its kind. It holds the run.
    """
    context = require_workflow("workflow.continue_as_new()")
    target = workflow if workflow is not None else context.definition.target
    call = _call(target, args, dict(kwargs or {}), {})
    check_text("workflow", call.workflow_type)
    check_text("task_queue", task_queue)
    wish = ContinueAsNew(
        workflow_type=call.workflow_type,
        input=call.input,
        task_queue=task_queue,
        run_timeout=run_timeout,
        memo=None if memo is None else encode(dict(memo), field="memo"),
        search_attributes=(
            None if search_attributes is None else context.kept_attributes(search_attributes)
        ),
    )
    context.check_acting(wish)
    raise wish
