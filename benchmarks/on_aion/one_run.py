"""One run alone: how long its steps take."""

from __future__ import annotations

import datetime as dt
from statistics import median

from django.db.models import Max, Min

from aion import client
from aion.models import Event
from benchmarks.app.workflows import sequential_steps
from benchmarks.figures import Figures, Size
from benchmarks.on_aion.worker import working

_WARM_UP = 20


def sequential_step(size: Size) -> Figures:
    with working() as workers:
        _step_seconds(_WARM_UP)
        worked = workers.cpu_milliseconds()
        seconds = _step_seconds(size["steps"])
        worked = workers.cpu_milliseconds() - worked
    return {"": seconds * 1000, "cpu": worked / size["steps"]}


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
