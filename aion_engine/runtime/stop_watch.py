"""Tells the attempts of a forked pool process to stop: one thread, one query for all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from django.db import Error as DatabaseError
from django.db import connections

from aion.conf import settings
from aion.store import activities
from aion.store.workers import WorkerIdentity
from aion_engine.runtime.execution import Running

log = logging.getLogger("aion.activities")

_LOOK = 0.5


def start(worker: WorkerIdentity, running: Callable[[], Iterable[Running]]) -> None:
    """Begin to watch in a daemon thread."""
    thread = threading.Thread(
        target=_watch, args=(worker, running), name="aion-child-watch", daemon=True
    )
    thread.start()


def _watch(worker: WorkerIdentity, running: Callable[[], Iterable[Running]]) -> None:
    while True:
        time.sleep(_LOOK)
        try:
            tell(worker, running())
        except DatabaseError as error:
            log.warning("Attempts cannot be watched: %s", error)
            connections[settings.DATABASE].close()
        except Exception:
            log.exception("Attempts cannot be watched")


def tell(worker: WorkerIdentity, running: Iterable[Running]) -> None:
    """Tell those attempts to stop that were cancelled, paused or taken away."""
    by_id = {item.attempt.id: item for item in running}
    if not by_id:
        return
    asked = [(task_id, item.attempt.attempt) for task_id, item in by_id.items()]
    for task_id, reason in activities.stop_reasons(worker.id, asked).items():
        by_id[task_id].context.stop(reason)
