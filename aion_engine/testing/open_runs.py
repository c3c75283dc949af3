"""Replays the runs of a database with the code that is here: may this be deployed?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from aion import client
from aion.client import WorkflowSummary
from aion.core.status import OPEN
from aion.store import histories
from aion.store.histories import EventRow
from aion_engine.replay import guards
from aion_engine.testing.replayer import ReplayResult, replay_history

_MOST_RUNS: Final = 50
_MOST_EVENTS: Final = 10_000
"""So many are read by one statement, and are in memory at once; a longer history is alone."""


def replay_open_runs(
    workflow_type: str | None = None, *, limit: int | None = None
) -> Iterator[ReplayResult]:
    """Replay the open runs, or those of a type, the newest first; at most `limit`. Nothing is written.

    Gives a result for each, `ok` or not: look at `diff`. Runs change meanwhile; what is replayed is what each
    history was when it was read.
    """
    listed = client.list_workflows(workflow_type=workflow_type, status=OPEN, limit=limit)
    yield from replay_runs(listed)


def replay_runs(runs: Iterable[WorkflowSummary]) -> Iterator[ReplayResult]:
    """Replay the runs of a list, open or closed, as `replay_open_runs` does."""
    guards.install()
    for batch in _batches(runs):
        rows = histories.load_rows(run.run_id for run in batch)
        for run in batch:
            if run.run_id in rows:  # or it was deleted meanwhile
                yield _replayed(run, rows.pop(run.run_id))


def _batches(runs: Iterable[WorkflowSummary]) -> Iterator[list[WorkflowSummary]]:
    batch: list[WorkflowSummary] = []
    events = 0
    for run in runs:
        if batch and (len(batch) == _MOST_RUNS or events + run.history_length > _MOST_EVENTS):
            yield batch
            batch, events = [], 0
        batch.append(run)
        events += run.history_length
    if batch:
        yield batch


def _replayed(run: WorkflowSummary, rows: list[EventRow]) -> ReplayResult:
    try:
        history = histories.decode_rows(rows, run.run_id)
        return replay_history(history, run_id=str(run.run_id), check=False)
    except Exception as error:  # noqa: BLE001  # a history that cannot be read is an answer too
        return ReplayResult(
            workflow_id=run.workflow_id,
            run_id=str(run.run_id),
            workflow_type=run.workflow_type,
            event_count=len(rows),
            error=error,
        )
