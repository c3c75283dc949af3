"""One run with a thousand things beneath it."""

from __future__ import annotations

import uuid

from aion import client
from aion.models import Event
from benchmarks.app.workflows import children, parallel_remote_steps, remote_steps
from benchmarks.figures import Figures, Size
from benchmarks.measuring import stopwatch
from benchmarks.on_aion.worker import working, working_remotely


def fan_out(size: Size) -> Figures:
    with working():
        client.execute_workflow(children, 1, result_timeout=30)
        with stopwatch() as begotten:
            parent = client.start_workflow(children, size["children"])
            parent.result(120)
    with working_remotely():
        client.execute_workflow(remote_steps, 1, result_timeout=60)
        with stopwatch() as done:
            wide = client.start_workflow(parallel_remote_steps, size["activities"])
            wide.result(120)
    assert parent.run_id is not None
    assert wide.run_id is not None
    return {
        "": size["children"] / begotten.seconds,
        "turns": _turns(parent.run_id),
        "activities": size["activities"] / done.seconds,
        "activity_turns": _turns(wide.run_id),
    }


def _turns(run_id: uuid.UUID) -> int:
    """Count the turns that wrote events of a run: those of one turn have one time."""
    return Event.objects.filter(run_id=run_id).values("recorded_at").distinct().count()
