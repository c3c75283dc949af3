"""Describe a run: what its row says."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import Any

import msgspec

from aion.core.failures import Failure, decode_failure
from aion.core.search_attributes import typed
from aion.core.status import RunStatus
from aion.operations.target import find
from aion.store.attribute_registry import registry


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunDescription:
    """A run as its row shows it. `problem` is why it is held, None when it is not."""

    run_id: uuid.UUID
    workflow_id: str
    workflow_type: str
    task_queue: str
    status: RunStatus
    history_length: int
    history_bytes: int
    started_at: dt.datetime
    closed_at: dt.datetime | None
    deadline_at: dt.datetime | None
    definition_hash: str
    continued_from_run_id: uuid.UUID | None
    parent_run_id: uuid.UUID | None
    memo: dict[str, Any]
    search_attributes: dict[str, Any]
    failure: Failure | None
    problem: dict[str, Any] | None
    problem_count: int
    held_until: dt.datetime | None


def describe(workflow_id: str | None, run_id: uuid.UUID | str | None = None) -> RunDescription:
    """Describe a run.

    Raises:
        RunNotFound: there is no such run.
    """
    run = find(workflow_id, run_id)
    return RunDescription(
        run_id=run.id,
        workflow_id=run.workflow_id,
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        status=run.status,
        history_length=run.head_seq,
        history_bytes=run.history_bytes,
        started_at=run.started_at,
        closed_at=run.closed_at,
        deadline_at=run.deadline_at,
        definition_hash=run.definition_hash,
        continued_from_run_id=run.continued_from_run_id,
        parent_run_id=run.parent_run_id,
        memo=msgspec.json.decode(run.memo),
        search_attributes=typed(
            run.search_attributes, registry.kinds_for(set(run.search_attributes))
        ),
        failure=None if run.failure is None else decode_failure(run.failure.encode()),
        problem=None if run.problem is None else msgspec.json.decode(run.problem),
        problem_count=run.problem_count,
        held_until=run.held_until,
    )
