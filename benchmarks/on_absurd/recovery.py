"""How the tasks of a killed worker go on."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.figures import Figures, Size
from benchmarks.measuring import wait_until
from benchmarks.on_absurd.setup import client, ended, spawn, steps
from benchmarks.on_absurd.worker import starting

_CLAIM = 5  # seconds; what it is does not count, only what happens when it has ended


def recovery(size: Size) -> Figures:
    """The clock runs from the end of the last claim; each step has made its task's claim longer.

    The tasks are there before the worker, which claims no more until all of a batch have ended.
    """
    block = Path(os.environ["AION_BENCHMARKS_DIRECTORY"]) / "block"
    block.touch()
    os.environ["BENCHMARKS_BLOCK"] = str(block)
    count = size["runs"]
    absurd = client()
    for _ in range(count):
        spawn(absurd, "interrupted", {"done": size["done"], "count": size["steps"]})
    with starting(concurrency=count, claim_timeout=_CLAIM) as doomed:
        wait_until(lambda: steps() == count * size["done"], timeout=120, pause=0.05)
        killed = time.time()
        doomed.kill()
    block.unlink()
    with starting():
        wait_until(lambda: ended() == count, timeout=120, pause=0.02)
    return {"": max(time.time() - killed - _CLAIM, 0)}
