"""Rings after the commit, so that nobody looks before there is something to see."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from django.db import transaction

from aion.conf import settings
from aion.core.ports import Bell, Waiter
from aion.operations.clock import clock
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


class SeldomRinging:
    """Rings the loops for one who has many outcomes to tell them.

    It rings at once, then once for all that follows in a moment. Whoever makes one sees to it that somebody
    catches up.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._rung_at = -math.inf
        self._owed = False

    def ring(self) -> None:
        """Ring, or owe it."""
        self._owed = True
        self.ring_if_due()

    def ring_if_due(self) -> None:
        """Ring if that is owed and the pause is over. Safe from any thread."""
        if clock.monotonic() - self._rung_at >= self._pause:
            self.catch_up()

    def catch_up(self) -> None:
        """Ring if that is owed. Safe from any thread."""
        if self._owed:
            self._owed = False
            self._rung_at = clock.monotonic()
            the_bell().ring_loops(urgent=False)


_seldom: ContextVar[SeldomRinging | None] = ContextVar("aion_seldom_ringing", default=None)


@contextmanager
def seldom(ringing: SeldomRinging) -> Iterator[None]:
    """Let rings for loops in this context go through `ringing`; it catches up at the end."""
    token = _seldom.set(ringing)
    try:
        yield
    finally:
        _seldom.reset(token)
        ringing.catch_up()


def ring_loops_after_commit(*, urgent: bool = True) -> None:
    """Wake the turn loops once the caller's transaction is visible to them."""
    ringing = _seldom.get()
    after_commit(partial(the_bell().ring_loops, urgent=urgent) if ringing is None else ringing.ring)


def ring_for_activities_after_commit() -> None:
    """Wake all who bring on attempts that wait: loops hand them over, pools begin them."""
    ring_loops_after_commit()
    after_commit(the_bell().ring_activities)


def ring_closed_after_commit(run_id: uuid.UUID) -> None:
    """Wake those who wait for a run's result."""
    after_commit(lambda: the_bell().ring_closed([run_id]))
