"""Activities that do nothing, so that what is measured is the engine."""

from __future__ import annotations

from aion import activity


@activity.defn(name="benchmarks.step", local=True)
def step(number: int) -> int:
    return number


@activity.defn(name="benchmarks.remote_step")
def remote_step(number: int) -> int:
    return number
