"""Start a workflow: one run row, its first event and the message that makes its first turn."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import uuid
from typing import Any

import msgspec

from aion.conf import settings
from aion.core.errors import RunClosed, WorkflowAlreadyStarted
from aion.core.events import BEHAVIOUR_VERSION, WorkflowStarted
from aion.core.events.base import UNSET, OptionalPayload
from aion.core.failures import Failure
from aion.core.ids import uuid7
from aion.core.payloads import encode
from aion.core.priority import DEFAULT, check_priority
from aion.core.retry import RetryPolicy
from aion.core.status import RunStatus
from aion.operations import bell, terminate
from aion.operations.beginnings import check_cron, cron_beginning, lengths
from aion.operations.checking import (
    check_duration,
    check_headers,
    check_retry,
    check_text,
)
from aion.operations.clock import clock
from aion.operations.policies import IdConflictPolicy, IdReusePolicy
from aion.operations.search_attributes import kept_attributes
from aion.store import new_runs, open_runs, runs
from aion.store.dialects import atomic, in_transaction


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A start, as a caller asks for it. `input` is encoded arguments; durations are timedeltas.

    With `cron` the runs of a chain start one after another, at times in `time_zone` (UTC when empty).
    """

    workflow_type: str
    input: bytes
    workflow_id: str = ""
    request_id: str = ""
    task_queue: str = ""
    definition_hash: str = ""
    reuse: IdReusePolicy = IdReusePolicy.ALLOW
    conflict: IdConflictPolicy = IdConflictPolicy.FAIL
    start_delay: dt.timedelta | None = None
    run_timeout: dt.timedelta | None = None
    execution_timeout: dt.timedelta | None = None
    retry: RetryPolicy | None = None
    cron: str = ""
    time_zone: str = ""
    memo: dict[str, Any] = dataclasses.field(default_factory=dict)
    search_attributes: dict[str, Any] = dataclasses.field(default_factory=dict)
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    priority: int = DEFAULT
    last_result: OptionalPayload = UNSET  # of the run before, where a schedule starts this one
    last_failure: Failure | None = None

    def __post_init__(self) -> None:
        for name in ("workflow_id", "request_id", "task_queue"):
            check_text(name.removeprefix("workflow_"), getattr(self, name))
        for name in ("start_delay", "run_timeout", "execution_timeout"):
            check_duration(name, getattr(self, name))
        check_headers(self.headers)
        check_retry(self.retry)
        check_priority(self.priority)
        check_cron(self.cron, self.time_zone, self.start_delay)


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """The run that a start led to; `created` is False when it was there before."""

    workflow_id: str
    run_id: uuid.UUID
    created: bool


class _Repeated(Exception):
    """Rolls a start back because the same request has led to a run before."""

    def __init__(self, earlier: Started) -> None:
        self.earlier = earlier


def start(request: StartRequest) -> Started:
    """Start a workflow in the caller's transaction; it begins when that commits.

    Raises:
        WorkflowAlreadyStarted: the workflow id is taken and the policies refuse; `run_id` is whose.
        OpenRunLimitReached: the type has as many open runs as the settings allow.
        InvalidArgument: an argument cannot be used. Nothing is written in any case.
    """
    started = _start_at_once(request)
    if started is not None:
        return started
    try:
        with atomic():
            return _start(request)
    except _Repeated as repeated:
        return repeated.earlier


def _start_at_once(request: StartRequest) -> Started | None:
    """Start by the one statement that it is where nothing stands around it; None where it takes more."""
    if not is_plain(request) or in_transaction() or open_runs.apply_to(request.workflow_type):
        return None
    new = new_run(request)
    if not new_runs.is_one_statement(new) or not new_runs.try_insert(new):
        return None
    bell.ring_loops_after_commit()
    return Started(new.started.workflow_id, new.id, created=True)


def is_plain(request: StartRequest) -> bool:
    """Whether a start need not look for earlier runs: a free workflow id is all that it asks for."""
    return not request.request_id and request.reuse is IdReusePolicy.ALLOW


def _start(request: StartRequest) -> Started:
    open_runs.lock([request.workflow_type])
    _check_repeat(request)
    new = new_run(request)
    if not new_runs.try_insert(new):
        existing = _conflict(request, new.started.workflow_id)
        if existing is not None:
            return existing
        if not new_runs.try_insert(new):
            raise _taken(new.started.workflow_id, None, "was started again meanwhile")
    # After the insert, so that no other start slips by: from now on the workflow id is ours.
    _check_repeat(request, besides=new.id)
    _check_reuse(request, new)
    open_runs.check([request.workflow_type])
    bell.ring_loops_after_commit()
    return Started(new.started.workflow_id, new.id, created=True)


def _check_repeat(request: StartRequest, besides: uuid.UUID | None = None) -> None:
    """Leave when this very request has led to a run before, open or closed: a caller tries again."""
    if not request.request_id or not request.workflow_id:
        return
    found = runs.requested(request.workflow_id, request.request_id, besides=besides)
    if found is not None:
        raise _Repeated(Started(found.workflow_id, found.id, created=False))


def new_run(request: StartRequest) -> new_runs.NewRun:
    """Give the run that a start asks for, with its first event."""
    now = clock.now()
    run_id = uuid7()
    beginning: dict[str, Any] = {"start_delay": request.start_delay}
    if request.cron:
        beginning = cron_beginning(request.cron, request.time_zone, now)
    deadline = None
    if request.execution_timeout is not None:
        deadline = now + (beginning["start_delay"] or dt.timedelta(0)) + request.execution_timeout
    attributes = kept_attributes(request.search_attributes)
    started = WorkflowStarted(
        workflow_id=request.workflow_id or str(run_id),
        workflow_type=request.workflow_type,
        task_queue=request.task_queue or settings.TASK_QUEUE,
        input=msgspec.Raw(request.input),
        definition_hash=request.definition_hash,
        behaviour_version=BEHAVIOUR_VERSION,
        seed=run_id.hex,
        root_run_id=str(run_id),
        run_timeout=request.run_timeout,
        execution_timeout=request.execution_timeout,
        execution_deadline_at=deadline,
        retry=request.retry,
        memo=msgspec.Raw(encode(request.memo, field="memo")),
        search_attributes=attributes.raw,
        search_attribute_kinds=attributes.kinds,
        headers=request.headers,
        last_result=request.last_result,
        last_failure=request.last_failure,
        request_id=request.request_id,
        priority=request.priority,
        **beginning,
        **lengths(),
    )
    return new_runs.NewRun(run_id, started, now)


def _conflict(request: StartRequest, workflow_id: str) -> Started | None:
    """Apply the conflict policy to the open run; None when the way is free now."""
    existing = runs.latest(workflow_id)
    if existing is None or not existing.status.is_open:
        return None
    if request.request_id and existing.request_id == request.request_id:
        return Started(workflow_id, existing.id, created=False)
    match request.conflict:
        case IdConflictPolicy.USE_EXISTING:
            return Started(workflow_id, existing.id, created=False)
        case IdConflictPolicy.TERMINATE_EXISTING:
            with contextlib.suppress(RunClosed):  # it closed by itself meanwhile
                terminate.terminate(workflow_id, existing.id, reason="replaced by a new start")
            return None
        case _:
            raise _taken(workflow_id, existing.id, "has an open run")


def _check_reuse(request: StartRequest, new: new_runs.NewRun) -> None:
    """Refuse when an earlier run stands in the way."""
    if request.reuse is IdReusePolicy.ALLOW or not request.workflow_id:
        return
    if request.conflict is IdConflictPolicy.TERMINATE_EXISTING:
        return
    earlier = runs.newest_other(request.workflow_id, new.id)
    if earlier is None:
        return
    if request.reuse is IdReusePolicy.REJECT or earlier.status is RunStatus.COMPLETED:
        raise _taken(request.workflow_id, earlier.id, f"was used by a run that is {earlier.status}")


def _taken(workflow_id: str, run_id: uuid.UUID | None, why: str) -> WorkflowAlreadyStarted:
    of = f": run {run_id}" if run_id else ""
    return WorkflowAlreadyStarted(
        f"Workflow id {workflow_id!r} {why}{of}", workflow_id=workflow_id, run_id=run_id
    )
