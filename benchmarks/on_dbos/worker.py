"""A process that works for the queue: `python -m benchmarks.on_dbos.worker`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.on_dbos.setup import launched
from benchmarks.processes import Processes, running

_COMMAND: Final = (sys.executable, "-m", "benchmarks.on_dbos.worker")


@contextmanager
def working(count: int = 1) -> Iterator[Processes]:
    """Run so many of them meanwhile. They may still be starting when the block begins."""
    with running(*[_COMMAND] * count) as processes:
        yield processes


if __name__ == "__main__":
    with launched(queue=True):
        threading.Event().wait()
