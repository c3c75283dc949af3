"""What every process that works for Aion does when it starts."""

from __future__ import annotations

import logging

from django.db import Error as DatabaseError

from aion.operations.clock import clock
from aion.store import holds

log = logging.getLogger("aion.worker")


def release_held_runs() -> None:
    """Let held runs try again: a worker that begins may bring the code that they wait for."""
    try:
        holds.release(now=clock.now(), only_due=False)
    except DatabaseError as error:
        log.warning("Held runs wait for their time, they could not be released: %s", error)
