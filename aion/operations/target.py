"""Finds and locks the run that an operation is meant for."""

from __future__ import annotations

import uuid
from typing import TypeGuard

from aion.core.errors import InvalidArgument, RunClosed, RunNotFound
from aion.operations.checking import check_text
from aion.store import claims, runs
from aion.store.rows import RunRow


def parse_run_id(run_id: uuid.UUID | str) -> uuid.UUID:
    """Read a run id.

    Raises:
        InvalidArgument: it is not a UUID.
    """
    if isinstance(run_id, uuid.UUID):
        return run_id
    try:
        return uuid.UUID(run_id)
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidArgument(f"run_id {run_id!r} is not a UUID", field="run_id") from error


def find(workflow_id: str | None, run_id: uuid.UUID | str | None) -> runs.RunSummary:
    """Read the run of a run id, else the open or newest one of a workflow id.

    Raises:
        RunNotFound: there is none.
    """
    if run_id is not None:
        found = runs.get(parse_run_id(run_id))
        what = f"run id {run_id}"
    else:
        found = runs.latest(workflow_id) if _is_storable(workflow_id) else None
        what = f"workflow id {workflow_id!r}"
    if found is None or (workflow_id and found.workflow_id != workflow_id):
        raise RunNotFound(f"No run has {what}", workflow_id=workflow_id, run_id=run_id)
    return found


def can_be_found(workflow_id: str | None, run_id: uuid.UUID | str | None) -> bool:
    """Tell whether ids may be asked for: there is one, and the workflow id is a text like any other."""
    if not workflow_id:
        return run_id is not None
    return _is_storable(workflow_id)


def _is_storable(workflow_id: str | None) -> TypeGuard[str]:
    """Tell whether there can be a run of this workflow id: PostgreSQL refuses even to look for others."""
    try:
        check_text("workflow_id", workflow_id)
    except InvalidArgument:
        return False
    return True


def lock_open(workflow_id: str | None, run_id: uuid.UUID | str | None) -> RunRow:
    """Lock the run that a message is for. Must run inside a transaction.

    Without a run id, a run that closes meanwhile is followed to the one that took its place.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended, and takes no more messages.
    """
    seen: set[uuid.UUID] = set()
    while True:
        found = find(workflow_id, run_id)
        locked = claims.lock_run(found.id)
        if locked is None:
            raise RunNotFound(f"Run {found.id} was deleted", workflow_id=workflow_id, run_id=run_id)
        if not locked.closed:
            return locked
        if run_id is not None or found.id in seen:
            raise RunClosed(
                f"Run {locked.id} of workflow id {locked.workflow_id!r} has ended: {locked.status}",
                workflow_id=locked.workflow_id,
                run_id=locked.id,
                status=locked.status,
            )
        seen.add(found.id)
