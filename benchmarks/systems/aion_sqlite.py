"""Aion on SQLite, as embedded: a file, no servers, other processes are noticed by polling."""

from __future__ import annotations

import os
from typing import Final

from benchmarks.on_aion import CASES as ALL

__all__ = ["CASES", "NEEDS", "PACKAGES", "QUICK", "begin", "prepare"]

NEEDS: Final[tuple[str, ...]] = ()
PACKAGES: Final[tuple[str, ...]] = ()
# A large installation is not on SQLite, and it has no autovacuum.
CASES: Final = {name: how for name, how in ALL.items() if name not in {"long_load", "list_page"}}
QUICK: Final = ("ten_steps_throughput", "sequential_step", "start_to_result")


def _choose() -> None:
    os.environ["AION_SQLITE_PATH"] = f"{os.environ['AION_BENCHMARKS_DIRECTORY']}/aion.sqlite3"


def prepare() -> None:
    """Make the file with the tables."""
    from benchmarks.on_aion.setup import migrate

    _choose()
    migrate()


def begin() -> None:
    """Set up Django and empty the tables."""
    from benchmarks.on_aion.setup import begin as begin_aion

    _choose()
    begin_aion()
