"""What many sleeping workflows take, and how those of a killed process go on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

import psutil
import sqlalchemy
from dbos import DBOS

from benchmarks.figures import Figures, Size
from benchmarks.measuring import stopwatch, wait_until
from benchmarks.on_dbos import workflows
from benchmarks.on_dbos.setup import launched, table, url
from benchmarks.processes import MIB, running

_COMMAND: Final = (sys.executable, "-m", "benchmarks.on_dbos.masses")
_STEPS: Final = "SELECT count(*) FROM {}"
_ENDED: Final = "SELECT count(*) FROM {} WHERE status = 'SUCCESS'"


def sleeping_runs(size: Size) -> Figures:
    """They sleep in this process, a thread each; fewer than Aion's, so only the memory of each compares."""
    count = size["peers_runs"]
    with launched():
        workflows.trivial(1)
        before = _memory()
        for _ in range(count):
            DBOS.start_workflow(workflows.sleeper)
        time.sleep(size["seconds"])
        after = _memory()
    return {"each": (after - before) * 1024 / count}


def _memory() -> float:
    return float(psutil.Process().memory_info().rss) / MIB


def recovery(size: Size) -> Figures:
    """Kill a process; when DBOS is launched again, it goes on with what that has left."""
    block = Path(os.environ["AION_BENCHMARKS_DIRECTORY"]) / "block"
    block.touch()
    words = (*_COMMAND, *(str(size[name]) for name in ("runs", "done", "steps")))
    with running(words, environment={"BENCHMARKS_BLOCK": str(block)}) as doomed:
        wanted = size["runs"] * size["done"]
        wait_until(
            lambda: _count(_STEPS.format(table("operation_outputs"))) == wanted,
            timeout=200,
            pause=0.1,
        )
        doomed.kill()
    block.unlink()
    with stopwatch() as watch, launched():
        wait_until(
            lambda: _count(_ENDED.format(table("workflow_status"))) == size["runs"],
            timeout=200,
            pause=0.05,
        )
    return {"": watch.seconds}


def _count(sql: str) -> int:
    engine = sqlalchemy.create_engine(url(), poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        return int(connection.execute(sqlalchemy.text(sql)).scalar_one())


if __name__ == "__main__":
    runs, done, steps = map(int, sys.argv[1:])
    with launched():
        for _ in range(runs):
            DBOS.start_workflow(workflows.interrupted, done, steps)
        time.sleep(3600)
