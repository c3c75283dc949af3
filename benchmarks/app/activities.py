"""Activities that do nothing, so that what is measured is the engine."""

from __future__ import annotations

import os
import time
from pathlib import Path

from aion import activity


@activity.defn(name="benchmarks.step", local=True)
def step(number: int) -> int:
    return number


@activity.defn(name="benchmarks.remote_step")
def remote_step(number: int) -> int:
    return number


@activity.defn(name="benchmarks.tell_time", local=True)
def tell_time() -> float:
    """Give the seconds since the epoch."""
    return time.time()


@activity.defn(name="benchmarks.tell_time_remotely")
def tell_time_remotely() -> float:
    return time.time()


@activity.defn(name="benchmarks.blocked_step", local=True)
def blocked_step(number: int) -> int:
    """Do not end as long as the file AION_BENCHMARKS_BLOCK is there."""
    path = os.environ.get("AION_BENCHMARKS_BLOCK")
    while path and Path(path).exists():
        time.sleep(0.01)
    return number
