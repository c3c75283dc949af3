"""Children and other workflows, as workflow code sees them. Offered through `aion.workflow`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Generator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, NoReturn

import msgspec

from aion.authoring.activity_requests import Encode
from aion.authoring.child_options import ChildOptions
from aion.authoring.context import (
    ChildCall,
    ContinueAsNew,
    SignalCall,
    WorkflowContext,
    require_workflow,
    user_site,
)
from aion.authoring.interceptor_inputs import (
    CancelExternalInput,
    ContinueAsNewInput,
    SignalExternalInput,
    StartChildWorkflowInput,
)
from aion.authoring.plain import blocks
from aion.authoring.workflow_definition import SIGNAL_MARK, WorkflowDefinition, definition_of
from aion.core.errors import InvalidArgument, UnknownType, WorkflowCodeError
from aion.core.headers import check_headers
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
        text, encode = signal_call(name)
        check_text("request_id", request_id)
        context = require_workflow("signal() of another workflow")
        site = user_site(2)

        async def send(input: SignalExternalInput) -> None:
            check_headers(input.headers)
            data = encode(tuple(input.args), dict(input.kwargs))
            call = SignalCall(
                input.workflow_id,
                input.run_id,
                input.name,
                data,
                request_id,
                dict(input.headers),
            )
            await context.signal_external(call, site)

        sent = SignalExternalInput(
            workflow_id=self.workflow_id,
            run_id=self.run_id,
            name=text,
            args=args,
            kwargs=dict(kwargs or {}),
            headers=context.headers,
        )
        chain = context.chains.signal_external
        await (send(sent) if chain is None else chain(sent, send))

    @blocks
    async def cancel(self, reason: str = "") -> None:
        """Ask the workflow to cancel itself, and wait until it has the request.

        Raises:
            ApplicationError: of type `RunNotFound`, when there is no open run of this id.
        """
        context = require_workflow("cancel() of another workflow")
        site = user_site(2)

        async def ask(input: CancelExternalInput) -> None:
            await context.cancel_external(input.workflow_id, input.run_id, input.reason, site)

        asked = CancelExternalInput(workflow_id=self.workflow_id, run_id=self.run_id, reason=reason)
        chain = context.chains.cancel_external
        await (ask(asked) if chain is None else chain(asked, ask))


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
    context = require_workflow("workflow.start_child_workflow()")
    target, site = _target(workflow), user_site(2)

    async def start(input: StartChildWorkflowInput) -> ChildWorkflowHandle:
        check_headers(input.headers)
        data = target.encode(tuple(input.args), dict(input.kwargs))
        call = ChildCall(
            input.workflow_type, data, input.options, target.decode, dict(input.headers)
        )
        started = context.start_child(call, site)
        return ChildWorkflowHandle(started.workflow_id, started.run_id, started.result)

    asked = StartChildWorkflowInput(
        workflow_type=target.name,
        args=args,
        kwargs=dict(kwargs or {}),
        options=ChildOptions(**options),
        headers=context.headers,
    )
    chain = context.chains.start_child_workflow
    handle: ChildWorkflowHandle = await (start(asked) if chain is None else chain(asked, start))
    return handle


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


class _Target(NamedTuple):
    """A workflow to be started: its type, and how its arguments and its result are written."""

    name: str
    encode: Encode
    decode: Callable[[msgspec.Raw], Any]


def _target(workflow: Workflow) -> _Target:
    if isinstance(workflow, str):
        return _Target(workflow, partial(encode_arguments, what=f"workflow {workflow}"), decode_any)
    definition = _definition(workflow)
    what = f"workflow {definition.name}"
    signature = definition.signature
    return _Target(
        definition.name,
        _checked(signature, what),
        lambda raw: signature.decode_result(raw, what=what),
    )


def _checked(signature: CallSignature, what: str) -> Encode:
    """Give what encodes arguments when they fit the signature."""

    def encode(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        signature.check(args, kwargs, what=what)
        return signature.encode(args, kwargs, what=what)

    return encode


def _definition(workflow: Any) -> WorkflowDefinition:
    definition = definition_of(workflow)
    if definition is None:
        raise UnknownType(f"{workflow!r} is not decorated with @workflow.defn", name=str(workflow))
    return definition


def signal_call(name: str | Callable[..., Any]) -> tuple[str, Encode]:
    """Give a signal's name and what encodes its arguments; that of a handler method checks them.

    Raises:
        InvalidArgument: the method is not a signal handler.
    """
    if isinstance(name, str):
        return name, partial(encode_arguments, what=f"signal {name}")
    marked = getattr(name, SIGNAL_MARK, None)
    if marked is None:
        raise InvalidArgument(f"{name!r} is not decorated with @workflow.signal", field="name")
    return marked, _checked(CallSignature.of(name, skip_self=True), f"signal {marked}")


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
    target = _target(workflow if workflow is not None else context.definition.target)

    def leave(input: ContinueAsNewInput) -> NoReturn:
        wish = _wish(context, input, target)
        context.check_acting(wish)
        raise wish

    asked = ContinueAsNewInput(
        workflow_type=target.name,
        args=args,
        kwargs=dict(kwargs or {}),
        task_queue=task_queue,
        run_timeout=run_timeout,
        memo=memo,
        search_attributes=search_attributes,
        headers=context.headers,
    )
    chain = context.chains.continue_as_new
    if chain is not None:
        chain(asked, leave)
        raise WorkflowCodeError("An interceptor of continue_as_new() returned; it must call next()")
    leave(asked)


def _wish(context: WorkflowContext, input: ContinueAsNewInput, target: _Target) -> ContinueAsNew:
    check_headers(input.headers)
    data = target.encode(tuple(input.args), dict(input.kwargs))
    check_text("workflow", input.workflow_type)
    check_text("task_queue", input.task_queue)
    searched = input.search_attributes
    return ContinueAsNew(
        workflow_type=input.workflow_type,
        input=data,
        task_queue=input.task_queue,
        run_timeout=input.run_timeout,
        memo=None if input.memo is None else encode(dict(input.memo), field="memo"),
        search_attributes=(None if searched is None else context.kept_attributes(searched)),
        headers=dict(input.headers),
    )
