"""Starts of workflows, alone or together with a message."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from aion.authoring.interception import chains
from aion.authoring.interceptor_inputs import StartWorkflowInput
from aion.authoring.workflow_definition import WorkflowDefinition
from aion.client.calls import Workflow, definition, policy, through, twin
from aion.client.handle import WorkflowHandle
from aion.client.updates import UpdateHandle
from aion.core.errors import InvalidArgument
from aion.core.priority import DEFAULT
from aion.core.retry import RetryPolicy
from aion.operations.checking import check_mapping
from aion.operations.policies import IdConflictPolicy, IdReusePolicy
from aion.operations.start import Started, StartRequest
from aion.operations.start import start as _start
from aion.operations.start_many import start_many
from aion.operations.target import parse_run_id
from aion.store.dialects import atomic as _atomic


def start_workflow(  # noqa: PLR0913  # the options of a start, by keyword
    workflow: Workflow,
    *args: Any,
    id: str = "",
    kwargs: Mapping[str, Any] | None = None,
    request_id: str = "",
    task_queue: str = "",
    id_reuse_policy: IdReusePolicy | str = IdReusePolicy.ALLOW,
    id_conflict_policy: IdConflictPolicy | str = IdConflictPolicy.FAIL,
    start_delay: dt.timedelta | None = None,
    execution_timeout: dt.timedelta | None = None,
    run_timeout: dt.timedelta | None = None,
    retry: RetryPolicy | None = None,
    cron: str = "",
    time_zone: str = "",
    priority: int = DEFAULT,
    memo: Mapping[str, Any] | None = None,
    search_attributes: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> WorkflowHandle:
    """Start a workflow, by class, function or type name, and give a handle of its run.

    It starts if and when the caller's transaction commits; the handle's ids are known at once. A repeated
    call with the same `id` and `request_id` gives the run of the first. With `retry`, a run that fails or
    times out is tried again; with `cron`, each starts at the first time behind the end of the one before.
    Of runs that wait, those of `priority` 1 are taken first, those of 5 last.

    Raises:
        UnknownType: no workflow has this name.
        DefinitionError: the workflow is defined in a way that cannot work.
        TypeError: the arguments do not fit the workflow.
        PayloadError: an argument has no JSON form or is too large.
        WorkflowAlreadyStarted: the id is taken and the policies refuse.
        OpenRunLimitReached: the settings allow no further open run of this type.
        InvalidArgument: an option cannot be used.
    """
    target = definition(workflow)
    goes_with_it = _shown(memo, search_attributes, headers)
    asked = _asked(target.name, args, dict(kwargs or {}), id, task_queue, goes_with_it)
    request = partial(
        _request,
        target,
        request_id=request_id,
        reuse=policy(IdReusePolicy, id_reuse_policy, "id_reuse_policy"),
        conflict=policy(IdConflictPolicy, id_conflict_policy, "id_conflict_policy"),
        start_delay=start_delay,
        run_timeout=run_timeout,
        execution_timeout=execution_timeout,
        retry=retry,
        cron=cron,
        time_zone=time_zone,
        priority=priority,
    )
    return _start_asked(asked, request)


def start_workflows(  # noqa: PLR0913  # as above
    workflow: Workflow,
    inputs: Iterable[Sequence[Any]],
    *,
    ids: Sequence[str] = (),
    task_queue: str = "",
    id_conflict_policy: IdConflictPolicy | str = IdConflictPolicy.FAIL,
    start_delay: dt.timedelta | None = None,
    execution_timeout: dt.timedelta | None = None,
    run_timeout: dt.timedelta | None = None,
    retry: RetryPolicy | None = None,
    priority: int = DEFAULT,
    memo: Mapping[str, Any] | None = None,
    search_attributes: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> list[WorkflowHandle]:
    """Start a workflow once for each tuple of arguments, all in one transaction: all of them or none.

    A hundred cost about as many statements as one. `ids` gives their workflow ids, in the order of `inputs`;
    the other options hold for each of them, and mean what they mean to `start_workflow`.

    Raises:
        InvalidArgument: there are not as many ids as inputs, or an option cannot be used.
        WorkflowAlreadyStarted: an id is taken and the policy refuses.
        Also what `start_workflow` raises; nothing is started then.
    """
    target = definition(workflow)
    arguments = [tuple(one) for one in inputs]
    if ids and len(ids) != len(arguments):
        raise InvalidArgument(f"{len(arguments)} inputs have {len(ids)} ids", field="ids")
    request = partial(
        _request,
        target,
        conflict=policy(IdConflictPolicy, id_conflict_policy, "id_conflict_policy"),
        start_delay=start_delay,
        run_timeout=run_timeout,
        execution_timeout=execution_timeout,
        retry=retry,
        priority=priority,
    )
    asked = [
        _asked(target.name, args, {}, name, task_queue, _shown(memo, search_attributes, headers))
        for args, name in zip(arguments, ids or [""] * len(arguments), strict=True)
    ]
    if chains().start_workflow is not None:  # interceptors see each of them
        with _atomic():
            return [_start_asked(one, request) for one in asked]
    requests = [request(one) for one in asked]
    return [
        _handle(one, led_to) for one, led_to in zip(requests, start_many(requests), strict=True)
    ]


def _shown(memo: Any, search_attributes: Any, headers: Any) -> dict[str, dict[str, Any]]:
    """Check what goes with a run as objects; give a copy of each."""
    given = {"memo": memo, "search_attributes": search_attributes, "headers": headers}
    return {name: check_mapping(name, value) for name, value in given.items()}


def _asked(
    workflow_type: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    id: str,
    task_queue: str,
    shown: dict[str, dict[str, Any]],
) -> StartWorkflowInput:
    return StartWorkflowInput(
        workflow_type=workflow_type,
        args=args,
        kwargs=kwargs,
        id=id,
        task_queue=task_queue,
        memo=shown["memo"],
        search_attributes=shown["search_attributes"],
        headers=shown["headers"],
    )


def _start_asked(
    asked: StartWorkflowInput, request: Callable[[StartWorkflowInput], StartRequest]
) -> WorkflowHandle:
    """Start what the interceptors make of a start."""

    def start_it(input: StartWorkflowInput) -> WorkflowHandle:
        made = request(input)
        return _handle(made, _start(made))

    handle: WorkflowHandle = through(chains().start_workflow, asked, start_it)
    return handle


def _request(
    target: WorkflowDefinition,
    input: StartWorkflowInput,
    *,
    retry: RetryPolicy | None,
    **options: Any,
) -> StartRequest:
    """Check a start, and encode it."""
    if input.workflow_type != target.name:
        target = definition(input.workflow_type)
    what = f"workflow {target.name}"
    args, kwargs = tuple(input.args), dict(input.kwargs)
    target.signature.check(args, kwargs, what=what)
    return StartRequest(
        workflow_type=target.name,
        input=target.signature.encode(args, kwargs, what=what),
        workflow_id=input.id,
        task_queue=input.task_queue,
        definition_hash=target.definition_hash,
        memo=dict(input.memo),
        search_attributes=dict(input.search_attributes),
        headers=dict(input.headers),
        retry=retry if retry is not None else target.retry,
        **options,
    )


def _handle(request: StartRequest, started: Started) -> WorkflowHandle:
    return WorkflowHandle(
        started.workflow_id, started.run_id, started.created, request.workflow_type
    )


def signal_with_start(
    workflow: Workflow,
    *args: Any,
    signal: str | Callable[..., Any],
    signal_args: tuple[Any, ...] = (),
    signal_kwargs: Mapping[str, Any] | None = None,
    signal_request_id: str = "",
    **options: Any,
) -> WorkflowHandle:
    """Signal the open run of a workflow id, starting it first if there is none: one transaction.

    The options are those of `start_workflow`; `id` must be given. With `request_id` and `signal_request_id`
    a call repeated changes nothing, also when the run has continued as new or closed meanwhile.

    Raises:
        InvalidArgument: no `id`, or another option that cannot be used.
    """
    with _or_existing(options):
        handle = start_workflow(workflow, *args, **options)
        handle.signal(signal, *signal_args, kwargs=signal_kwargs, request_id=signal_request_id)
    return handle


def update_with_start(
    workflow: Workflow,
    *args: Any,
    update: str | Callable[..., Any],
    update_args: tuple[Any, ...] = (),
    update_kwargs: Mapping[str, Any] | None = None,
    update_id: str = "",
    **options: Any,
) -> UpdateHandle:
    """Update the open run of a workflow id, starting it first if there is none: one transaction.

    The options are those of `start_workflow`; `id` must be given. Ask the handle for the result.

    Raises:
        InvalidArgument: no `id`, or another option that cannot be used.
    """
    with _or_existing(options):
        handle = start_workflow(workflow, *args, **options)
        return handle.start_update(
            update, *update_args, kwargs=update_kwargs, id=update_id, wait_for=""
        )


@contextmanager
def _or_existing(options: dict[str, Any]) -> Iterator[None]:
    if not options.get("id"):
        raise InvalidArgument("A start that may find a run needs an id", field="id")
    options.setdefault("id_conflict_policy", IdConflictPolicy.USE_EXISTING)
    with _atomic():
        yield


def execute_workflow(
    workflow: Workflow, *args: Any, result_timeout: float | None = None, **options: Any
) -> Any:
    """Start a workflow and wait for its result (see `start_workflow` and `WorkflowHandle.result`)."""
    return start_workflow(workflow, *args, **options).result(result_timeout)


def get_workflow_handle(workflow_id: str, run_id: uuid.UUID | str | None = None) -> WorkflowHandle:
    """Give a handle of a run that was started elsewhere. Nothing is looked up yet.

    Raises:
        InvalidArgument: `run_id` is not a UUID.
    """
    return WorkflowHandle(workflow_id, None if run_id is None else parse_run_id(run_id))


async def astart_workflow(workflow: Workflow, *args: Any, **options: Any) -> WorkflowHandle:
    """Async twin of `start_workflow`."""
    handle: WorkflowHandle = await twin(start_workflow)(workflow, *args, **options)
    return handle


async def astart_workflows(
    workflow: Workflow, inputs: Iterable[Sequence[Any]], **options: Any
) -> list[WorkflowHandle]:
    """Async twin of `start_workflows`."""
    handles: list[WorkflowHandle] = await twin(start_workflows)(workflow, inputs, **options)
    return handles


async def asignal_with_start(workflow: Workflow, *args: Any, **options: Any) -> WorkflowHandle:
    """Async twin of `signal_with_start`."""
    handle: WorkflowHandle = await twin(signal_with_start)(workflow, *args, **options)
    return handle


async def aupdate_with_start(workflow: Workflow, *args: Any, **options: Any) -> UpdateHandle:
    """Async twin of `update_with_start`."""
    handle: UpdateHandle = await twin(update_with_start)(workflow, *args, **options)
    return handle


async def aexecute_workflow(
    workflow: Workflow, *args: Any, result_timeout: float | None = None, **options: Any
) -> Any:
    """Async twin of `execute_workflow`."""
    handle = await astart_workflow(workflow, *args, **options)
    return await handle.aresult(result_timeout)
