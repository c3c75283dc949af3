"""Ends attempts whose worker is gone, and gives back all that gone workers held.

What a worker gives back when it stops and what others take from a dead one is the same.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Collection
from typing import Final

import msgspec

from aion.core.errors import StaleAttempt
from aion.core.failures import Failure
from aion.operations import activity_outcome
from aion.store import activities, sweeping, workers
from aion.store.attempts import Attempt
from aion.store.dialects import atomic

log = logging.getLogger("aion.activities")

_MOST: Final = (
    1_000  # attempts at once; what is left has no worker then, and the next look finds it
)


class GivenBack(msgspec.Struct, frozen=True):
    """How much was given back."""

    runs: int = 0
    attempts: int = 0


def give_back(owner_ids: Collection[uuid.UUID], why: str, *, now: dt.datetime) -> GivenBack:
    """Free the runs of some dead workers, give their attempts up, and forget them."""
    runs = len(workers.give_back_runs(owner_ids, now=now))
    held = sweeping.owned_by(owner_ids, limit=_MOST)
    attempts = sum(give_up(attempt, why) for attempt in held)
    workers.forget(owner_ids)
    return GivenBack(runs, attempts)


def hand_over(owner_id: uuid.UUID, *, now: dt.datetime) -> GivenBack:
    """Free the runs of a worker that stops, hand its attempts back uncounted, and forget it."""
    runs = len(workers.give_back_runs([owner_id], now=now))
    held = sweeping.owned_by([owner_id], limit=_MOST)
    attempts = sum(hand_back(attempt, now=now) for attempt in held)
    workers.forget([owner_id])
    return GivenBack(runs, attempts)


def hand_back(attempt: Attempt, *, now: dt.datetime) -> bool:
    """Let another worker run an attempt again; False when it has its outcome."""
    try:
        activities.hand_back(attempt, now=now)
    except StaleAttempt:
        return False
    return True


def give_up_held(owner_id: uuid.UUID, task_id: uuid.UUID, number: int, why: str) -> bool:
    """Give up an attempt that a worker holds by its row, if it still does."""
    attempt = activities.find(task_id)
    if attempt is None or (attempt.owner_id, attempt.attempt) != (owner_id, number):
        return False
    return give_up(attempt, why)


def give_up(attempt: Attempt, why: str) -> bool:
    """End an attempt whose worker is gone, as a failure that the policy may retry."""
    failure = Failure(type="WorkerLost", message=f"The attempt was given up: {why}")
    try:
        with atomic():
            if not sweeping.lock(attempt):
                return False  # its outcome is being written; if that comes to nothing, the next look finds it
            activity_outcome.fail(attempt, failure)
    except StaleAttempt:
        return False
    except Exception:
        log.exception("Activity %s could not be given up", attempt.id)
        return False
    return True
