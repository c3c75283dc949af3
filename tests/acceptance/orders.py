"""Many orders while workers are killed: what the tests of that share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from django.db.models import Count

from aion import client
from aion.models import Run
from tests.acceptance import invariants
from tests.acceptance.processes import Process
from tests.sample.models import Effect
from tests.sample.workflows import Order
from tests.support.waiting import eventually


def start_orders(count: int) -> list[str]:
    keys = [f"{number:04}" for number in range(count)]
    for key in keys:
        client.start_workflow(Order, key, id=f"order-{key}")
    return keys


def approve(keys: list[str]) -> None:
    for key in keys:
        client.get_workflow_handle(f"order-{key}").signal(Order.approve, "bob")


def open_count() -> int:
    return Run.objects.filter(closed_at=None).count()


def kill_at_random(
    processes: list[Process],
    restart: Callable[[Process], Process],
    *,
    kills: int,
    chance: random.Random,
    pause: tuple[float, float],
    between: Callable[[int], None],
) -> None:
    """Kill one of the processes, start it again, and do so `kills` times."""
    for number in range(kills):
        time.sleep(chance.uniform(*pause))
        place = chance.randrange(len(processes))
        processes[place].kill()
        processes[place] = restart(processes[place])
        between(number)


def assert_all_went_well(keys: list[str], *, timeout: float) -> None:
    eventually(lambda: open_count() == 0, timeout=timeout, what=f"{open_count()} runs are open")
    statuses = dict(Run.objects.values_list("status").annotate(Count("id")))
    assert statuses == {"completed": len(keys)}
    eventually(lambda: not invariants.problems(), what="\n".join(invariants.problems()))
    times = dict(Effect.objects.values_list("key").annotate(Count("id")))
    for kind in ("once", "local-once"):
        assert {times.get(f"{kind}:{key}", 0) for key in keys} == {1}, f"{kind}: exactly once"
    for kind in ("plain", "local"):
        assert all(times.get(f"{kind}:{key}", 0) >= 1 for key in keys), f"{kind}: at least once"


def repeated() -> int:
    """How often an effect that may happen twice did."""
    again = Effect.objects.values("key").annotate(times=Count("id")).filter(times__gt=1)
    return sum(row["times"] - 1 for row in again)
