"""Row locks held by another connection."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aion.models import ActivityTask
from aion.store import claims
from aion.store.dialects import atomic
from tests.support.engine import in_thread


@contextmanager
def locked(*run_ids: uuid.UUID) -> Iterator[None]:
    """Hold the locks of runs in another connection while the block runs (PostgreSQL)."""

    def lock() -> None:
        for run_id in run_ids:
            assert claims.lock_run(run_id) is not None

    with _held_elsewhere(lock):
        yield


@contextmanager
def locked_activity(task_id: uuid.UUID) -> Iterator[None]:
    """Hold the lock of an activity's row in another connection while the block runs (PostgreSQL)."""
    with _held_elsewhere(lambda: ActivityTask.objects.select_for_update().get(id=task_id)):
        yield


@contextmanager
def _held_elsewhere(lock: Callable[[], object]) -> Iterator[None]:
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with atomic():
            lock()
            held.set()
            let_go.wait(20)

    thread = in_thread(hold)
    assert held.wait(10)
    try:
        yield
    finally:
        let_go.set()
        thread.done()
