"""One Celery worker with one child, and its queue removed afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_queue() -> Iterator[None]:
    """Leave nothing of this process's queue in Redis."""
    import redis

    try:
        yield
    finally:
        queue = os.environ["AION_BENCHMARKS_QUEUE"]
        with redis.Redis.from_url(os.environ["AION_TEST_REDIS_URL"]) as client:
            client.delete(queue, f"_kombu.binding.{queue}")


@contextmanager
def working() -> Iterator[None]:
    """Run a worker meanwhile. It may still be starting when the block begins."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-W", "ignore", "-m", "celery", "-A", "config", "--quiet", "worker"),
            *("--concurrency", "1", "--loglevel", "ERROR", "--without-gossip", "--without-mingle"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )
    try:
        yield
    finally:
        process.kill()  # its child ends with the process group of this measurement
        process.wait()
