"""The simulator finds bugs: each of these takes away a line that guards a promise, and seeds must fail."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from typing import Any
from unittest import mock

import pytest

from aion.operations import reset
from aion.store import (
    activity_limits,
    attempts,
    claims,
    dialects,
    finishing,
    histories,
    outgoing,
    publishing,
    schedules,
    sweeping,
    updates,
)
from aion_engine.runtime import turns as turn_taking
from aion_engine.runtime.cache import InstanceCache
from tests.simulation.database import Database
from tests.simulation.simulator import play

MOST_SEEDS = 60
"""Within so many worlds, from a seed that showed it once, each of these bugs must show."""

MOST_STEPS = 700
"""Small worlds are enough, and those that come to no rest are soon given up."""


def _stale_instances_are_used(self: Any, run_id: Any, head_seq: int) -> Any:
    entry = self._entries.pop(run_id, None)
    if entry is None:
        return None
    self._bytes -= entry[1]
    return entry[0]


class _WithoutLocks:
    """A dialect that does not know some of the words for locks."""

    def __init__(self, real: Any, locks: Collection[str]) -> None:
        self._real = real
        self._locks = locks

    def __getattr__(self, name: str) -> Any:
        return "" if name in self._locks else getattr(self._real, name)


def _keep_messages(one: Any, writes: Any) -> None:
    writes.timers_done.extend(timer.id for timer in one.timers)


def _without(module: Any, *locks: str) -> Any:
    """Let a module's statements lock nothing, or none of the kinds named."""
    return mock.patch.object(
        module, "dialect", lambda real=module.dialect: _WithoutLocks(real(), locks)
    )


def _no_fence(attempt: Any) -> tuple[str, list[Any]]:
    return "id = %s", [dialects.dialect().uuid(attempt.id)]


def _delete_unseen(attempt: Any) -> None:
    fence, parameters = attempts.fence_of(attempt)
    with dialects.connection().cursor() as cursor:
        cursor.execute(f"DELETE FROM aion_activitytask WHERE {fence}", parameters)


def _put_off_for_good(
    one: Any, until: dt.datetime, *, real: Any = activity_limits._put_off, **_: Any
) -> None:
    real(one, until + dt.timedelta(days=1))


def _nothing(*_: Any, **__: Any) -> None:
    pass


PLANTED: dict[str, tuple[int, Callable[[], Any]]] = {
    "the head of a live instance is not looked at": (
        1,
        lambda: mock.patch.object(InstanceCache, "take", _stale_instances_are_used),
    ),
    "messages are not deleted when they are folded": (
        1,
        lambda: mock.patch.object(turn_taking, "consume", _keep_messages),
    ),
    "no run is locked": (4, lambda: _without(claims, "lock", "lock_wait")),
    "unclaimed activities are not published again": (
        1,
        lambda: mock.patch.object(publishing, "_take", return_value=[]),
    ),
    "the fence is left out of an outcome": (
        4,
        lambda: mock.patch.object(finishing, "fence_of", _no_fence),
    ),
    "an outcome is posted although its row is gone": (
        4,
        lambda: mock.patch.multiple(finishing, _delete=_delete_unseen, dialect=dialects.dialect),
    ),
    "silence is not noticed": (26, lambda: mock.patch.object(sweeping, "overdue", return_value=[])),
    "a limit is counted without its lock": (790, lambda: _without(activity_limits, "lock_rows")),
    "who found no place is not let in": (
        47,
        lambda: mock.patch.multiple(activity_limits, left=_nothing, _put_off=_put_off_for_good),
    ),
    "nobody notices that a schedule's run has ended": (
        1,
        lambda: mock.patch.object(schedules, "with_ended_runs", return_value=[]),
    ),
    "what an operation writes lies before the last event": (
        134,
        lambda: mock.patch.object(histories, "time_behind", lambda run_id, now: now),
    ),
    "children hear nothing of their parent's close": (
        12,
        lambda: mock.patch.object(outgoing, "close_children", _nothing),
    ),
    "updates that a close leaves are not answered": (
        4,
        lambda: mock.patch.object(updates, "abandon", _nothing),
    ),
    "a reset loses what the old run was sent": (
        98,
        lambda: mock.patch.object(reset, "_send_again", _nothing),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, simulation: Database) -> None:
    first, plant = PLANTED[bug]

    def shows(seed: int) -> bool:
        with plant():
            _, problems = play(seed, simulation, most_steps=MOST_STEPS)
        return bool(problems) and not play(seed, simulation, most_steps=MOST_STEPS)[1]

    assert any(map(shows, range(first, first + MOST_SEEDS)))
