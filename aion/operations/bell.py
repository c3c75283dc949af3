"""Rings after the commit, so that nobody looks before there is something to see."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Callable

from django.db import transaction

from aion.conf import settings
from aion.core.ports import Bell, Waiter
from aion.store.dialects import alias

log = logging.getLogger("aion.bell")


def the_bell() -> Bell:
    """Give the bell of the settings."""
    bell: Bell = settings.port("BELL")
    return bell


def wait(waiter: Waiter, pause: float, left: float | None) -> None:
    """Wait for a ring while there is time left, at most for a pause where others bring the run on."""
    if the_bell().drives:
        waiter.wait(math.inf if left is None else left)
    else:
        waiter.wait(pause if left is None else min(pause, left))


def after_commit(action: Callable[[], None]) -> None:
    """Do something when the transaction has committed, now if there is none. Errors are logged only."""
    transaction.on_commit(action, using=alias(), robust=True)


def ring_loops_after_commit() -> None:
    """Wake the turn loops once the caller's transaction is visible to them."""
    after_commit(lambda: the_bell().ring_loops())


def ring_closed_after_commit(run_id: uuid.UUID) -> None:
    """Wake those who wait for a run's result."""
    after_commit(lambda: the_bell().ring_closed([run_id]))
