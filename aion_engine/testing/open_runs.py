"""Replays the open runs of a database with the code that is here: may this be deployed?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db.models import QuerySet

from aion.models import Run
from aion.store import histories
from aion.store.dialects import alias
from aion_engine.replay import guards
from aion_engine.testing.replayer import ReplayResult, replay_history

_BATCH: Final = 50


def replay_open_runs(
    workflow_type: str | None = None, *, limit: int | None = None
) -> Iterator[ReplayResult]:
    """Replay the open runs, or those of a type, the newest first; at most `limit`. Nothing is written.

    Gives a result for each, `ok` or not: look at `diff`. Runs change meanwhile; what is replayed is what each
    history was when it was read.
    """
    guards.install()
    runs: QuerySet[Run] = Run.objects.using(alias()).filter(closed_at=None).order_by("-id")
    if workflow_type is not None:
        runs = runs.filter(workflow_type=workflow_type)
    wanted = list(runs.values_list("id", "workflow_id", "workflow_type")[:limit])
    for begin in range(0, len(wanted), _BATCH):
        batch = wanted[begin : begin + _BATCH]
        rows = histories.load_rows(run_id for run_id, _, _ in batch)
        for run_id, workflow_id, kind in batch:
            if run_id not in rows:
                continue  # it was deleted meanwhile
            try:
                history = histories.decode_rows(rows[run_id])
                yield replay_history(history, run_id=str(run_id), check=False)
            except Exception as error:  # noqa: BLE001  # a history that cannot be read is an answer too
                yield ReplayResult(
                    workflow_id=workflow_id,
                    run_id=str(run_id),
                    workflow_type=kind,
                    event_count=len(rows[run_id]),
                    error=error,
                )
