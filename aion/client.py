"""The Python front of the operations: `from aion import client`.

Every function is synchronous and has an `a`-prefixed async twin, as in Django. What changes something joins
the caller's transaction: inside `transaction.atomic()` it happens if and when that commits.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from aion.authoring.registry import registry
from aion.authoring.workflow_definition import WorkflowDefinition, definition_of
from aion.core.errors import DefinitionError, InvalidArgument, UnknownType
from aion.core.history import Recorded
from aion.core.ids import uuid7
from aion.core.signatures import CallSignature, decode_any, encode_arguments
from aion.operations import complete_activity as _tokens
from aion.operations import result as _result
from aion.operations.cancel import cancel as _cancel
from aion.operations.checking import check_count, check_mapping, check_text
from aion.operations.describe import RunDescription
from aion.operations.describe import describe as _describe
from aion.operations.pause import pause as _pause
from aion.operations.pause import resume as _resume
from aion.operations.policies import IdConflictPolicy, IdReusePolicy
from aion.operations.query import query as _query
from aion.operations.reopen import reopen as _reopen
from aion.operations.signal import signal as _signal
from aion.operations.start import StartRequest
from aion.operations.start import start as _start
from aion.operations.target import find as _find
from aion.operations.target import parse_run_id
from aion.operations.terminate import terminate as _terminate
from aion.operations.update import send_update, wait_for_update
from aion.store import histories as _histories

__all__ = [
    "IdConflictPolicy",
    "IdReusePolicy",
    "RunDescription",
    "UpdateHandle",
    "WorkflowHandle",
    "acancel_activity",
    "acomplete_activity",
    "aexecute_workflow",
    "afail_activity",
    "aheartbeat_activity",
    "astart_workflow",
    "cancel_activity",
    "complete_activity",
    "execute_workflow",
    "fail_activity",
    "get_workflow_handle",
    "heartbeat_activity",
    "start_workflow",
]

P = ParamSpec("P")
T = TypeVar("T")
Workflow = type | Callable[..., Any] | str


def _twin(function: Callable[P, T]) -> Callable[P, Any]:
    """Make the async twin of a function, on the thread where Django's connections live."""
    return sync_to_async(function, thread_sensitive=True)


@dataclasses.dataclass(frozen=True, slots=True)
class UpdateHandle:
    """An update that was sent."""

    run_id: uuid.UUID
    id: str
    handler: Callable[..., Any] | None = None

    def result(self, timeout: float | None = None) -> Any:
        """Give the update's result, waiting for it; `timeout` is in seconds.

        Raises:
            UpdateRefused: the validator refused it.
            UpdateFailed: the handler failed, or the run ended first.
            ResultTimeout: it did not complete in time; it goes on.
        """
        raw = wait_for_update(self.run_id, self.id, timeout=timeout) or b"null"
        if self.handler is None:
            return decode_any(raw)
        signature = CallSignature.of(self.handler, skip_self=True)
        return signature.decode_result(raw, what=f"update {self.id}")

    async def aresult(self, timeout: float | None = None) -> Any:
        """Async twin of `result`."""
        return await sync_to_async(self.result, thread_sensitive=False)(timeout)


@dataclasses.dataclass(frozen=True, slots=True)
class WorkflowHandle:
    """One run of a workflow, for those who talk to it.

    Without `run_id` the handle means whatever run of the workflow id is open, else the newest.
    `created` is False when a start found the run already there.
    """

    workflow_id: str
    run_id: uuid.UUID | None = None
    created: bool = False
    workflow_type: str = ""

    def result(self, timeout: float | None = None, *, type: Any = None) -> Any:
        """Give the workflow's result, waiting for it; `timeout` is in seconds.

        It is decoded by the return annotation of the workflow, or by `type`. A run that continued as new
        is followed. Do not wait inside a transaction: what you wait for may wait for its commit.

        Raises:
            WorkflowFailureError: the run did not complete; `cause` says why.
            ResultTimeout: it did not end in time, and goes on.
            RunNotFound: there is no such run.
        """
        run = _find(self.workflow_id, self.run_id)
        raw = _result.result(run.id, timeout=timeout)
        if type is not None:
            return decode_any(raw) if type is Any else _decode(raw, type)
        definition = registry.workflows.get(run.workflow_type)
        if definition is None:
            return decode_any(raw)
        return definition.signature.decode_result(raw, what=f"workflow {run.workflow_type}")

    def signal(
        self,
        name: str | Callable[..., Any],
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        request_id: str = "",
    ) -> None:
        """Send a signal, by name or by the handler method. When this returns, the workflow will see it.

        A `request_id` that the run has taken before changes nothing.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
            PayloadError: an argument has no JSON form or is too large.
        """
        name, data = _message("signal", name, args, kwargs)
        _signal(self.workflow_id, self.run_id, name, data, request_id=request_id)

    def query(
        self,
        name: str | Callable[..., Any],
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Ask the workflow's code, by the query's name or method. Open or closed, nothing changes.

        Raises:
            RunNotFound: there is no such run.
            UnknownQuery: the workflow has no such query.
            QueryError: the handler failed.
        """
        handler = name if callable(name) else None
        name, data = _message("query", name, args, kwargs)
        raw = _query(self.workflow_id, self.run_id, name, data)
        if handler is None:
            return decode_any(raw)
        signature = CallSignature.of(handler, skip_self=True)
        return signature.decode_result(raw, what=f"query {name}")

    def start_update(
        self,
        name: str | Callable[..., Any],
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        id: str = "",
        wait_for: str = "accepted",
        timeout: float | None = None,
    ) -> UpdateHandle:
        """Send an update and wait until it is `accepted` or `completed`; None does not wait.

        The same `id` again attaches to the first. Waiting works outside of transactions only: the workflow
        sees the update when the caller's transaction has committed.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
            UpdateRefused: the validator refused it.
            ResultTimeout: it was not accepted in time; it goes on.
        """
        handler = name if callable(name) else None
        name, data = _message("update", name, args, kwargs)
        update_id = id or str(uuid7())
        run_id = send_update(self.workflow_id, self.run_id, name, data, update_id=update_id)
        handle = UpdateHandle(run_id, update_id, handler)
        if wait_for:
            wait_for_update(run_id, update_id, until=wait_for, timeout=timeout)
        return handle

    def execute_update(
        self,
        name: str | Callable[..., Any],
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        id: str = "",
        timeout: float | None = None,
    ) -> Any:
        """Send an update and give its result (see `start_update`).

        Raises:
            UpdateFailed: the handler failed, or the run ended first; the cause says why.
        """
        handle = self.start_update(name, *args, kwargs=kwargs, id=id, wait_for="")
        return handle.result(timeout)

    def cancel(self, reason: str = "") -> None:
        """Ask the run to cancel itself; it may clean up first.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
        """
        _cancel(self.workflow_id, self.run_id, reason=reason)

    def terminate(self, reason: str = "") -> None:
        """End the run at once, without running its code.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
        """
        _terminate(self.workflow_id, self.run_id, reason=reason)

    def pause(self, reason: str = "") -> None:
        """Let the run make no further turn until it is resumed.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
            WrongState: it is paused already.
        """
        _pause(self.workflow_id, self.run_id, reason=reason)

    def resume(self, reason: str = "") -> None:
        """Let the paused run go on with what has waited for it.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
            WrongState: it is not paused.
        """
        _resume(self.workflow_id, self.run_id, reason=reason)

    def reopen(self, reason: str = "") -> None:
        """Let the failed, cancelled, timed out or terminated run go on from before its failure.

        Raises:
            RunNotFound: there is no such run.
            WrongState: it is open, it completed, or its workflow id has another open run.
        """
        _reopen(self.workflow_id, self.run_id, reason=reason)

    def describe(self) -> RunDescription:
        """Describe the run.

        Raises:
            RunNotFound: there is no such run.
        """
        return _describe(self.workflow_id, self.run_id)

    def fetch_history(self, *, from_seq: int = 1, limit: int | None = None) -> list[Recorded]:
        """Read the run's events from a seq on, at most `limit`.

        Raises:
            RunNotFound: there is no such run.
            InvalidArgument: `from_seq` is not an integer from 1, or `limit` not one from 0.
        """
        check_count("from_seq", from_seq, least=1)
        if limit is not None:
            check_count("limit", limit)
        run = _find(self.workflow_id, self.run_id)
        return _histories.load_one(run.id, from_seq=from_seq, limit=limit)

    async def aresult(self, timeout: float | None = None, *, type: Any = None) -> Any:
        """Async twin of `result`; it waits on a thread of its own, not on the one that all share."""
        waiting = sync_to_async(self.result, thread_sensitive=False)
        return await waiting(timeout, type=type)

    async def asignal(self, name: str | Callable[..., Any], *args: Any, **options: Any) -> None:
        """Async twin of `signal`."""
        await _twin(self.signal)(name, *args, **options)

    async def aquery(self, name: str | Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Async twin of `query`."""
        return await _twin(self.query)(name, *args, **options)

    async def astart_update(
        self, name: str | Callable[..., Any], *args: Any, **options: Any
    ) -> UpdateHandle:
        """Async twin of `start_update`."""
        starting = sync_to_async(self.start_update, thread_sensitive=False)
        handle: UpdateHandle = await starting(name, *args, **options)
        return handle

    async def aexecute_update(
        self, name: str | Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """Async twin of `execute_update`."""
        executing = sync_to_async(self.execute_update, thread_sensitive=False)
        return await executing(name, *args, **options)

    async def acancel(self, reason: str = "") -> None:
        """Async twin of `cancel`."""
        await _twin(self.cancel)(reason)

    async def aterminate(self, reason: str = "") -> None:
        """Async twin of `terminate`."""
        await _twin(self.terminate)(reason)

    async def apause(self, reason: str = "") -> None:
        """Async twin of `pause`."""
        await _twin(self.pause)(reason)

    async def aresume(self, reason: str = "") -> None:
        """Async twin of `resume`."""
        await _twin(self.resume)(reason)

    async def areopen(self, reason: str = "") -> None:
        """Async twin of `reopen`."""
        await _twin(self.reopen)(reason)

    async def adescribe(self) -> RunDescription:
        """Async twin of `describe`."""
        description: RunDescription = await _twin(self.describe)()
        return description

    async def afetch_history(
        self, *, from_seq: int = 1, limit: int | None = None
    ) -> list[Recorded]:
        """Async twin of `fetch_history`."""
        history: list[Recorded] = await _twin(self.fetch_history)(from_seq=from_seq, limit=limit)
        return history


def _decode(raw: bytes, hint: Any) -> Any:
    from aion.core.payloads import decode

    return decode(raw, hint, field="the result of the workflow")


def _message(
    what: str,
    name: str | Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None,
) -> tuple[str, bytes]:
    """Give a message's name and encoded arguments; a handler method also checks the arguments."""
    if isinstance(name, str):
        check_text("name", name, most=None)
        return name, encode_arguments(args, kwargs or {}, what=f"{what} {name}")
    marked = getattr(name, f"__aion_{what}__", None)
    if marked is None:
        raise InvalidArgument(f"{name!r} is not decorated with @workflow.{what}", field="name")
    signature = CallSignature.of(name, skip_self=True)
    title = f"{what} {marked}"
    signature.check(args, dict(kwargs or {}), what=title)
    return marked, signature.encode(args, dict(kwargs or {}), what=title)


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
    memo: Mapping[str, Any] | None = None,
    search_attributes: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> WorkflowHandle:
    """Start a workflow, by class, function or type name, and give a handle of its run.

    It starts if and when the caller's transaction commits; the handle's ids are known at once. `id` is the
    business id, unique among open runs, by default the run id. A call repeated with the same `id` and
    `request_id` gives the run of the first. `kwargs` are keyword arguments for the workflow.

    Raises:
        UnknownType: no workflow has this name.
        DefinitionError: the workflow is defined in a way that cannot work.
        TypeError: the arguments do not fit the workflow.
        PayloadError: an argument has no JSON form or is too large.
        WorkflowAlreadyStarted: the id is taken and the policies refuse.
        InvalidArgument: an option cannot be used.
    """
    definition = _definition(workflow)
    what = f"workflow {definition.name}"
    named = dict(kwargs or {})
    definition.signature.check(args, named, what=what)
    started = _start(
        StartRequest(
            workflow_type=definition.name,
            input=definition.signature.encode(args, named, what=what),
            workflow_id=id,
            request_id=request_id,
            task_queue=task_queue,
            definition_hash=definition.definition_hash,
            reuse=_policy(IdReusePolicy, id_reuse_policy, "id_reuse_policy"),
            conflict=_policy(IdConflictPolicy, id_conflict_policy, "id_conflict_policy"),
            start_delay=start_delay,
            run_timeout=run_timeout,
            execution_timeout=execution_timeout,
            memo=check_mapping("memo", memo),
            search_attributes=check_mapping("search_attributes", search_attributes),
            headers=check_mapping("headers", headers),
        )
    )
    return WorkflowHandle(started.workflow_id, started.run_id, started.created, definition.name)


E = TypeVar("E", IdReusePolicy, IdConflictPolicy)


def _policy(kind: type[E], value: E | str, field: str) -> E:
    try:
        return kind(value)
    except ValueError as error:
        known = ", ".join(kind)
        raise InvalidArgument(
            f"{field} must be one of {known}, not {value!r}", field=field
        ) from error


def _definition(workflow: Workflow) -> WorkflowDefinition:
    if isinstance(workflow, str):
        definition = registry.workflow(workflow)
    else:
        found = definition_of(workflow)
        if found is None:
            raise UnknownType(
                f"{workflow!r} is not decorated with @workflow.defn", name=str(workflow)
            )
        definition = found
    if definition.problems:
        reasons = "; ".join(definition.problems)
        raise DefinitionError(f"Workflow {definition.name} cannot be started: it {reasons}")
    return definition


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


complete_activity = _tokens.complete_activity
fail_activity = _tokens.fail_activity
cancel_activity = _tokens.cancel_activity
heartbeat_activity = _tokens.heartbeat_activity


async def astart_workflow(workflow: Workflow, *args: Any, **options: Any) -> WorkflowHandle:
    """Async twin of `start_workflow`."""
    handle: WorkflowHandle = await _twin(start_workflow)(workflow, *args, **options)
    return handle


async def aexecute_workflow(
    workflow: Workflow, *args: Any, result_timeout: float | None = None, **options: Any
) -> Any:
    """Async twin of `execute_workflow`."""
    handle = await astart_workflow(workflow, *args, **options)
    return await handle.aresult(result_timeout)


async def acomplete_activity(token: str, result: object = None) -> None:
    """Async twin of `complete_activity`."""
    await _twin(complete_activity)(token, result)


async def afail_activity(token: str, error: BaseException) -> bool:
    """Async twin of `fail_activity`."""
    return bool(await _twin(fail_activity)(token, error))


async def acancel_activity(token: str, reason: str = "") -> None:
    """Async twin of `cancel_activity`."""
    await _twin(cancel_activity)(token, reason)


async def aheartbeat_activity(token: str, *details: object) -> str | None:
    """Async twin of `heartbeat_activity`."""
    reason: str | None = await _twin(heartbeat_activity)(token, *details)
    return reason
