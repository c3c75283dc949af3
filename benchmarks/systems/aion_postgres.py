"""Aion on PostgreSQL; loops and waiters are rung through Redis, where one answers."""

from __future__ import annotations

import os
from typing import Final

from benchmarks.on_aion import CASES

__all__ = ["CASES", "NEEDS", "PACKAGES", "QUICK", "begin", "prepare"]

NEEDS: Final = ("AION_TEST_DATABASE_URL",)
PACKAGES: Final[tuple[str, ...]] = ()
# In a small size the others say nothing.
QUICK: Final = tuple(
    name for name in CASES if name not in {"workers_scaling", "long_load", "list_page"}
)


def _choose() -> None:
    os.environ["AION_BENCHMARKS_DATABASE_URL"] = os.environ["AION_TEST_DATABASE_URL"]
    os.environ["AION_BENCHMARKS_REDIS_URL"] = os.environ.get("AION_TEST_REDIS_URL", "")


def prepare() -> None:
    """Make the tables."""
    from benchmarks.on_aion.setup import migrate

    _choose()
    migrate()


def begin() -> None:
    """Set up Django and empty the tables."""
    from benchmarks.on_aion.setup import begin as begin_aion

    _choose()
    begin_aion()
