"""DBOS Transact on SQLite."""

from __future__ import annotations

import os
from typing import Final

from benchmarks.on_dbos import CASES

__all__ = ["CASES", "NEEDS", "PACKAGES", "QUICK", "begin", "prepare"]

NEEDS: Final[tuple[str, ...]] = ()
PACKAGES: Final = ("dbos",)
QUICK: Final[tuple[str, ...]] = ()


def _choose() -> None:
    path = f"{os.environ['AION_BENCHMARKS_DIRECTORY']}/dbos.sqlite3"
    os.environ["BENCHMARKS_DBOS_URL"] = f"sqlite:///{path}"


def prepare() -> None:
    """Make the file with the tables."""
    from benchmarks.on_dbos.setup import migrate

    _choose()
    migrate()


def begin() -> None:
    """Empty the tables."""
    from benchmarks.on_dbos.setup import empty

    _choose()
    empty()
