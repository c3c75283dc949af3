"""What every process that works for Aion does when it starts."""

from __future__ import annotations

import logging

from django.db import Error as DatabaseError

from aion.operations.clock import clock
from aion.store import holds, open_runs
from aion.store.workers import WorkerIdentity
from aion_engine.runtime.crash_notes import look_at_predecessors

log = logging.getLogger("aion.worker")


def look_back(worker: WorkerIdentity) -> None:
    """Count what limits count, learn of workers that died before this one, and let held runs try again.

    A worker that begins may bring the code that they wait for.
    """
    try:
        open_runs.include_earlier()
        look_at_predecessors(worker)
        holds.release(now=clock.now(), only_due=False)
    except DatabaseError as error:
        log.warning("Held runs wait for their time, they could not be released: %s", error)
