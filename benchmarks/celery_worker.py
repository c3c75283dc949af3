"""One Celery worker, the same for bare tasks and for Aion's activities."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Prefork with a child for each processor, as by default. What the workers of one queue tell each other is
# left out, because the other workers at this Redis are somebody else's.
COMMAND: Final = (
    *(sys.executable, "-W", "ignore", "-m", "celery", "-A", "config", "--quiet", "worker"),
    *("--loglevel", "ERROR", "--without-gossip", "--without-mingle"),
)


@contextmanager
def own_queue(url: str, queue: str) -> Iterator[None]:
    """Leave nothing of a queue in Redis."""
    import redis

    try:
        yield
    finally:
        with redis.Redis.from_url(url) as client:
            client.delete(queue, f"_kombu.binding.{queue}")
