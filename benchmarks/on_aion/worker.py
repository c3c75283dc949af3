"""One worker in a process of its own, as users run it."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from aion.models import Run, Worker
from benchmarks.measuring import wait_until


@contextmanager
def working() -> Iterator[float]:
    """Run `manage.py aion_worker` meanwhile; gives the `perf_counter` of the moment it was ready."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "aion_worker", "--verbosity", "0", "--skip-checks"],
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _is_ready(process), timeout=30, pause=0.005)
        yield time.perf_counter()
    finally:
        process.kill()  # all is measured; the tables are emptied before the next case
        process.wait()


def _is_ready(process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"The worker ended with {process.returncode}")
    return Worker.objects.filter(pid=process.pid).exists()


def seconds_until_closed(last: uuid.UUID, *, since: float, timeout: float = 300) -> float:
    """Wait until all runs are closed. `last` began last, so until it closes nobody looks at the others."""
    closed = Run.objects.filter(pk=last, closed_at__isnull=False)
    wait_until(closed.exists, timeout=timeout, pause=0.005)
    others = Run.objects.filter(closed_at__isnull=True)
    wait_until(lambda: not others.exists(), timeout=timeout, pause=0.005)
    return time.perf_counter() - since
