"""Ends attempts whose worker is gone."""

from __future__ import annotations

from aion.core.errors import StaleAttempt
from aion.core.failures import Failure
from aion.operations import activity_outcome
from aion.store import activities
from aion.store.dialects import atomic


def give_up(attempt: activities.Attempt, why: str) -> bool:
    """End an attempt whose worker is gone, as a failure that the policy may retry."""
    failure = Failure(type="WorkerLost", message=f"The attempt was given up: {why}")
    try:
        with atomic():
            activity_outcome.fail(attempt, failure)
    except StaleAttempt:
        return False
    return True
