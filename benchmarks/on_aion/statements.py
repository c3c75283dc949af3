"""How many statements a turn sends. All are counted, BEGIN and COMMIT too."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext, override_settings

from aion import client
from aion.client import WorkflowHandle
from aion.store import sessions
from aion_engine.replay import guards
from aion_engine.runtime.turns import Turns
from benchmarks.app.workflows import Answering, trivial
from benchmarks.counted import counted_pipelines
from benchmarks.figures import Figures, Size

_TOGETHER = 100  # signals in a turn that makes a long history


def statements_per_turn(size: Size) -> Figures:
    """Count for a turn that does a bit of all.

    It folds a signal, schedules an activity, cancels a timer and starts another. Those of a short and of a
    long history have their instance in memory; `batch_...` has to load and replay.
    """
    guards.install()
    sessions.tune(connection)
    with override_settings(AION={**settings.AION, "BATCH_TIME": 60.0}):
        return {
            **_by_history(size["history"]),
            **_by_batch(size["batch"]),
            "whole_runs": float(_of_whole_runs(size["batch"])),
        }


def _by_history(most: int) -> dict[str, float]:
    turns = Turns(uuid.uuid4())
    handle = client.start_workflow(Answering)
    turns.take({})
    counts = {}
    for name, events in (("", 10), ("history_10000", most)):
        while (missing := events - handle.describe().history_length) > 0:
            with transaction.atomic():
                for _ in range(min(missing // 5 + 1, _TOGETHER)):
                    handle.signal(Answering.ask, 1)
            turns.take({})
        counts[name] = float(_count(turns, [handle]))
    turns.cache.clear()
    return counts


def _by_batch(most: int) -> dict[str, float]:
    counts = {}
    for runs in (1, most):
        with transaction.atomic():
            handles = [client.start_workflow(Answering) for _ in range(runs)]
        Turns(uuid.uuid4()).take({})
        counts[f"batch_{runs}"] = float(_count(Turns(uuid.uuid4()), handles))
    return counts


def _count(turns: Turns, handles: list[WorkflowHandle]) -> int:
    with transaction.atomic():
        for handle in handles:
            handle.signal(Answering.ask, 1)
    return _take(turns, len(handles))


def _of_whole_runs(count: int) -> int:
    """Count for runs that begin and end in this one batch."""
    with transaction.atomic():
        for number in range(count):
            client.start_workflow(trivial, number)
    return _take(Turns(uuid.uuid4()), count)


def _take(turns: Turns, runs: int) -> int:
    with CaptureQueriesContext(connection) as captured, counted_pipelines() as piped:
        batch = turns.take({})
    assert (batch.turns, batch.left) == (runs, 0), batch
    # Django notes its own BEGIN and COMMIT although the pipeline has sent them.
    return len(captured) if not piped else len(captured) - 2 + len(piped)
