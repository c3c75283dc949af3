"""One run at a time: how long a step takes, and how long a caller waits."""

from __future__ import annotations

import datetime as dt
from statistics import median

from django.db.models import Max, Min

from aion import client
from aion.models import Event
from benchmarks.app.workflows import sequential_steps, trivial
from benchmarks.cases import Figures, Size
from benchmarks.measuring import call_durations, milliseconds
from benchmarks.on_aion.worker import working

_WARM_UP = 20


def sequential_step(size: Size) -> Figures:
    with working():
        _step_seconds(_WARM_UP)
        return {"": _step_seconds(size["steps"]) * 1000}


def linear_cost(size: Size) -> Figures:
    """Short runs before and after the long one, so that a slow minute hits both."""
    half = size["parts"] // 2
    with working():
        _step_seconds(_WARM_UP)
        short = [_step_seconds(size["part"]) for _ in range(half)]
        long = _step_seconds(size["steps"])
        short += [_step_seconds(size["part"]) for _ in range(half)]
    return {"": long / median(short)}


def _step_seconds(count: int) -> float:
    """Run so many steps in a row and give the time of one, from first to last as history tells it."""
    handle = client.start_workflow(sequential_steps, count)
    assert handle.run_id is not None
    handle.result(300)
    steps = Event.objects.filter(run_id=handle.run_id, kind="ActivityCompleted")
    times = steps.aggregate(first=Min("recorded_at"), last=Max("recorded_at"))
    taken: dt.timedelta = times["last"] - times["first"]
    return taken.total_seconds() / (count - 1)


def start_to_result(size: Size) -> Figures:
    def call() -> None:
        client.execute_workflow(trivial, 1, result_timeout=30)

    with working():
        call_durations(call, calls=_WARM_UP, seconds=2)
        return milliseconds(call_durations(call, calls=size["calls"], seconds=size["seconds"]))
