"""Many runs at once."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction

from aion import client
from benchmarks.app.workflows import sequential_steps, trivial
from benchmarks.cases import Figures, Size
from benchmarks.measuring import stopwatch
from benchmarks.on_aion.worker import seconds_until_closed, working


def starts(size: Size) -> Figures:
    client.start_workflow(trivial, 0)
    with stopwatch() as watch:
        for number in range(size["starts"]):
            client.start_workflow(trivial, number)
    return {"": size["starts"] / watch.seconds}


def trivial_workflows(size: Size) -> Figures:
    return {"": _runs_per_second(trivial, size["runs"], 1)}


def ten_steps(size: Size) -> Figures:
    return {"": _runs_per_second(sequential_steps, size["runs"], size["steps"]) * size["steps"]}


def _runs_per_second(workflow: Any, count: int, argument: int) -> float:
    last = _start_many(workflow, count, argument)
    with working() as ready:
        return count / seconds_until_closed(last, since=ready)


def _start_many(workflow: Any, count: int, argument: int) -> uuid.UUID:
    with transaction.atomic():
        handles = [client.start_workflow(workflow, argument) for _ in range(count)]
    run_id = handles[-1].run_id
    assert run_id is not None
    return run_id
