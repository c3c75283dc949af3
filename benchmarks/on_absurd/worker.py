"""A worker: `python -m benchmarks.on_absurd.worker [CONCURRENCY [CLAIM_TIMEOUT]]`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.measuring import wait_until
from benchmarks.on_absurd.setup import async_client, client, ended, spawn
from benchmarks.on_absurd.tasks import register
from benchmarks.processes import Processes, running

CONCURRENCY: Final = 10
CLAIM_TIMEOUT: Final = 120  # seconds, the default
_POLL: Final = 0.02  # seconds, in place of 0.25


@contextmanager
def starting(
    count: int = 1, *, concurrency: int = CONCURRENCY, claim_timeout: int = CLAIM_TIMEOUT
) -> Iterator[Processes]:
    """Run so many workers meanwhile. They may still be starting when the block begins."""
    words = (str(concurrency), str(claim_timeout))
    command = (sys.executable, "-m", "benchmarks.on_absurd.worker", *words)
    with running(*[command] * count) as processes:
        yield processes


@contextmanager
def working(count: int = 1) -> Iterator[Processes]:
    """Run so many workers meanwhile; they have done tasks when the block begins."""
    with starting(count) as processes:
        absurd = client()
        before = ended()
        for _ in range(20 * count):
            spawn(absurd, "trivial", {})
        wait_until(lambda: ended() >= before + 20 * count, timeout=120)
        absurd.close()
        yield processes


async def _work(concurrency: int, claim_timeout: int) -> None:
    absurd = async_client()
    register(absurd)
    await absurd.start_worker(
        concurrency=concurrency, claim_timeout=claim_timeout, poll_interval=_POLL
    )


if __name__ == "__main__":
    asyncio.run(_work(*(int(word) for word in sys.argv[1:])))
