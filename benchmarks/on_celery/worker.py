"""One Celery worker for the bare tasks, with a queue of its own that is removed afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.celery_worker import COMMAND
from benchmarks.celery_worker import own_queue as _own_queue
from benchmarks.processes import Processes, running


@contextmanager
def own_queue() -> Iterator[None]:
    """Leave nothing of this process's queue in Redis."""
    with _own_queue(os.environ["AION_TEST_REDIS_URL"], os.environ["AION_BENCHMARKS_QUEUE"]):
        yield


@contextmanager
def working() -> Iterator[Processes]:
    """Run a worker meanwhile. It may still be starting when the block begins."""
    with running(COMMAND) as processes:
        yield processes
