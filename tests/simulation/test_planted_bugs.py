"""The simulator finds bugs: each of these takes away a line that guards a promise, and seeds must fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from aion.store import claims, histories, publishing
from aion_engine.runtime import turns as turn_taking
from aion_engine.runtime.cache import InstanceCache
from tests.simulation.database import Database
from tests.simulation.simulator import play

MOST_SEEDS = 400
"""Within so many worlds, from a seed that showed it once, each of these bugs must show."""


def _stale_instances_are_used(self: Any, run_id: Any, head_seq: int) -> Any:
    entry = self._entries.pop(run_id, None)
    if entry is None:
        return None
    self._bytes -= entry[1]
    return entry[0]


class _WithoutLocks:
    """A dialect whose claims and senders lock nothing."""

    lock = lock_wait = ""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _keep_messages(one: Any, writes: Any) -> None:
    writes.timers_done.extend(timer.id for timer in one.timers)


PLANTED: dict[str, tuple[int, Callable[[], Any]]] = {
    "the head of a live instance is not looked at": (
        15,
        lambda: mock.patch.object(InstanceCache, "take", _stale_instances_are_used),
    ),
    "messages are not deleted when they are folded": (
        2,
        lambda: mock.patch.object(turn_taking, "consume", _keep_messages),
    ),
    "no run is locked": (
        10,
        lambda: mock.patch.object(
            claims, "dialect", lambda real=claims.dialect: _WithoutLocks(real())
        ),
    ),
    "unclaimed activities are not published again": (
        3,
        lambda: mock.patch.object(publishing, "_take", return_value=[]),
    ),
    "a clock that is behind writes into the past": (
        148,
        lambda: mock.patch.object(histories, "time_behind", lambda _, now: now),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, simulation: Database) -> None:
    first, plant = PLANTED[bug]

    def shows(seed: int) -> bool:
        with plant():
            _, problems = play(seed, simulation, most_steps=1_500)
        return bool(problems) and not play(seed, simulation, most_steps=1_500)[1]

    assert any(map(shows, range(first, first + MOST_SEEDS)))
