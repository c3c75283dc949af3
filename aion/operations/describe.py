"""Describe a run: what its row says, what it waits for, and why it does not move."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import uuid
from typing import Any, Final

import msgspec

from aion.core.errors import HistoryError, PayloadUnavailable
from aion.core.events import WorkflowStarted
from aion.core.failures import Failure, decode_failure
from aion.core.search_attributes import typed
from aion.core.status import RunStatus
from aion.operations.beginnings import next_time
from aion.operations.clock import clock
from aion.operations.code_versions import is_other_code
from aion.operations.pending_lists import (
    PendingActivity,
    PendingTimer,
    list_workers,
    show,
    show_timer,
)
from aion.operations.target import find
from aion.operations.waiting import Waiting, explain
from aion.store import describing, histories, pending
from aion.store.attribute_registry import registry
from aion.store.describing import Surroundings
from aion.store.dialects import dialect
from aion.store.runs import RunSummary, opened
from aion.store.sealing import plain_problem

SHOWN: Final = 100
"""The most activities, timers, children and updates in a description; the counts are of all."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OpenChild:
    """A child that has not ended."""

    workflow_id: str
    run_id: uuid.UUID
    workflow_type: str
    status: RunStatus
    started_at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PendingUpdate:
    """An update without its answer: `admitted` (not seen by the code yet) or `accepted`."""

    update_id: str
    name: str
    state: str
    created_at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunDescription:
    """A run, and what it waits for. `problem` is why it is held, None when it is not.

    The lists hold the first hundred; the counts are of all. `why` says in words why the run does not move.
    `next_start_at` is when an open run begins that has not begun, or else when the next of its cron chain
    would start if it closed now; None where nothing will start.
    """

    run_id: uuid.UUID
    workflow_id: str
    workflow_type: str
    task_queue: str
    priority: int
    status: RunStatus
    history_length: int
    history_bytes: int
    started_at: dt.datetime
    closed_at: dt.datetime | None
    deadline_at: dt.datetime | None
    definition_hash: str
    memo: dict[str, Any]
    search_attributes: dict[str, Any]
    failure: Failure | None
    unreadable: str | None  # why memo and failure cannot be decoded or fetched
    problem: dict[str, Any] | None
    problem_count: int
    held_until: dt.datetime | None
    on_other_code: bool | None  # whether it was started on other code than this process has
    paused_at: dt.datetime | None
    pause_reason: str
    parent_run_id: uuid.UUID | None
    parent_workflow_id: str | None
    root_run_id: uuid.UUID | None
    continued_from_run_id: uuid.UUID | None
    successor_run_id: uuid.UUID | None
    chain_position: int
    pending_activities: tuple[PendingActivity, ...]
    pending_activity_count: int
    timers: tuple[PendingTimer, ...]
    timer_count: int
    children: tuple[OpenChild, ...]
    child_count: int
    pending_updates: tuple[PendingUpdate, ...]
    pending_update_count: int
    mailbox_count: int
    next_due_at: dt.datetime | None
    why: str
    attempt: int
    cron: str
    time_zone: str
    next_start_at: dt.datetime | None


def _readable(run: RunSummary) -> tuple[RunSummary, str | None]:
    """Bring payloads back. Where that fails the rest is shown: who repairs a run must see what is wrong."""
    try:
        return opened(run), None
    except PayloadUnavailable as error:
        problem = None if run.problem is None else plain_problem(run.problem, run.id)
        bare = msgspec.structs.replace(run, result=None, memo="{}", problem=problem)
        return bare, f"{error.code}: {error}"


def describe(workflow_id: str | None, run_id: uuid.UUID | str | None = None) -> RunDescription:
    """Describe a run: two statements if it is closed, else up to eight.

    They see what others commit meanwhile, so that parts may be a moment apart.

    Raises:
        RunNotFound: there is no such run.
    """
    run, unreadable = _readable(find(workflow_id, run_id))
    around = describing.surroundings(run.id) or _NOTHING
    now = clock.now()
    waiting = _waiting(run, around, now) if run.closed_at is None else Waiting()
    started = _started(run)
    return RunDescription(
        run_id=run.id,
        workflow_id=run.workflow_id,
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        priority=run.priority,
        status=run.status,
        history_length=run.head_seq - run.first_seq + 1,
        history_bytes=run.history_bytes,
        started_at=run.started_at,
        closed_at=run.closed_at,
        deadline_at=run.deadline_at,
        definition_hash=run.definition_hash,
        memo=msgspec.json.decode(run.memo),
        search_attributes=typed(
            run.search_attributes, registry.kinds_for(set(run.search_attributes))
        ),
        failure=None if run.failure is None else decode_failure(run.failure.encode()),
        unreadable=unreadable,
        problem=None if run.problem is None else msgspec.json.decode(run.problem),
        problem_count=run.problem_count,
        held_until=run.held_until,
        on_other_code=is_other_code(run.workflow_type, run.definition_hash),
        paused_at=around.paused_at,
        pause_reason=around.pause.reason if around.pause is not None else "",
        parent_run_id=run.parent_run_id,
        parent_workflow_id=around.parent_workflow_id,
        root_run_id=around.root_run_id,
        continued_from_run_id=run.continued_from_run_id,
        successor_run_id=around.successor_run_id,
        chain_position=around.chain_position,
        pending_activities=waiting.activities,
        pending_activity_count=around.activities,
        timers=waiting.timers,
        timer_count=around.timers,
        children=_children(run.id) if around.children else (),
        child_count=around.children,
        pending_updates=_updates(run.id) if around.updates else (),
        pending_update_count=around.updates,
        mailbox_count=around.messages,
        next_due_at=_next_due(run, waiting),
        attempt=started.attempt,
        cron=started.cron,
        time_zone=started.time_zone or ("UTC" if started.cron else ""),
        next_start_at=_next_start(run, started, waiting, now),
        why=explain(run, around, waiting, now),
    )


_NOTHING: Final = Surroundings(0, 0, 0, 0, 0, None, None, 0, None, None, None)


def _waiting(run: RunSummary, around: Surroundings, now: dt.datetime) -> Waiting:
    return Waiting(
        activities=_activities(run.id, now) if around.activities else (),
        timers=_timers(run.id) if around.timers else (),
        workers=tuple(list_workers()),
    )


def _activities(run_id: uuid.UUID, now: dt.datetime) -> tuple[PendingActivity, ...]:
    rows = pending.select(
        "a.run_id = %s", [dialect().uuid(run_id)], end=f"ORDER BY a.id LIMIT {SHOWN}"
    )
    return tuple(show(row, now) for row in rows)


def _timers(run_id: uuid.UUID) -> tuple[PendingTimer, ...]:
    rows = describing.timers("t.run_id = %s", [dialect().uuid(run_id)], limit=SHOWN)
    ids = {row.timer_id for row in rows if not row.timer_id.startswith("$")}
    said = describing.timer_summaries(run_id, ids) if ids else {}
    return tuple(show_timer(row, said.get(row.timer_id, "")) for row in rows)


def _children(run_id: uuid.UUID) -> tuple[OpenChild, ...]:
    return tuple(
        OpenChild(**{**msgspec.structs.asdict(row), "status": RunStatus(row.status)})
        for row in describing.open_children(run_id, limit=SHOWN)
    )


def _updates(run_id: uuid.UUID) -> tuple[PendingUpdate, ...]:
    rows = describing.open_updates(run_id, limit=SHOWN)
    return tuple(PendingUpdate(**msgspec.structs.asdict(row)) for row in rows)


def _next_due(run: RunSummary, waiting: Waiting) -> dt.datetime | None:
    """Say when something happens by itself: a timer, an attempt, a deadline, the next try of a held run."""
    moments = [timer.fire_at for timer in waiting.timers if not timer.parked]
    for one in waiting.activities:
        due = one.next_attempt_at if one.state != "paused" else None
        moments.extend(at for at in (due, one.deadline_at) if at is not None)
    if run.held_until is not None:
        moments.append(run.held_until)
    return min(moments, default=None)


def _started(run: RunSummary) -> WorkflowStarted:
    """Read how the run began; a broken history must not keep anybody from looking at its run."""
    with contextlib.suppress(HistoryError):
        found = histories.first_event(run.id)
        if found is not None:
            return found
    return WorkflowStarted(workflow_id=run.workflow_id, workflow_type=run.workflow_type)


def _next_start(
    run: RunSummary, started: WorkflowStarted, waiting: Waiting, now: dt.datetime
) -> dt.datetime | None:
    if not run.status.is_open:
        return None
    for timer in waiting.timers:
        if timer.kind == "start":
            return timer.fire_at
    return next_time(started, now) if started.cron else None
