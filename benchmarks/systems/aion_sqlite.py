"""Aion on SQLite, as embedded: a file, no servers, other processes are noticed by polling."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from benchmarks.on_aion import CASES as CASES

NEEDS: Final[tuple[str, ...]] = ()
FILE: Final = Path(__file__).resolve().parents[2] / "var" / "benchmarks" / "aion.sqlite3"


def prepare() -> None:
    """Make a new file with the tables."""
    from benchmarks.on_aion.setup import migrate

    for suffix in ("", "-wal", "-shm"):
        FILE.with_name(FILE.name + suffix).unlink(missing_ok=True)
    os.environ["AION_SQLITE_PATH"] = str(FILE)
    migrate()


def begin() -> None:
    """Set up Django and empty the tables."""
    from benchmarks.on_aion.setup import begin as begin_aion

    os.environ["AION_SQLITE_PATH"] = str(FILE)
    begin_aion()
