"""Aion on SQLite, as embedded: a file, no servers, other processes are noticed by polling."""

from __future__ import annotations

import os
from typing import Final

from benchmarks.on_aion import CASES

__all__ = ["CASES", "NEEDS", "begin", "prepare"]

NEEDS: Final[tuple[str, ...]] = ()


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
