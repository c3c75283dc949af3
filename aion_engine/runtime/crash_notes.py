"""How long a crash is remembered, and the look of a new worker at those that died before it."""

from __future__ import annotations

import datetime as dt
import logging
import os
from typing import Final

from aion.conf import settings
from aion.operations.clock import clock
from aion.store import crashes
from aion.store.workers import WorkerIdentity
from aion_engine.runtime.processes import is_alive

log = logging.getLogger("aion.worker")

_LEASES: Final = 4


def how_long() -> dt.timedelta:
    """Give for how long after a crash turns are taken with care, and suspicions count."""
    return dt.timedelta(seconds=settings.LEASE * _LEASES)


def look_at_predecessors(worker: WorkerIdentity) -> None:
    """Record the crashes of workers of this host whose process is gone, without waiting for their leases.

    A wrong guess (another container with the same host name) costs some care and nothing else.
    """
    gone = [
        worker_id
        for worker_id, pid in crashes.on_host(worker.host)
        if worker_id != worker.id and (pid == os.getpid() or not is_alive(pid))
    ]
    if gone:
        now = clock.now()
        crashes.record(gone, now=now, forgotten=now - how_long(), owned=False)
        log.warning("A worker of this host has died; turns are taken with care")
