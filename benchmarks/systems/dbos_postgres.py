"""DBOS Transact on PostgreSQL, in a schema of its own."""

from __future__ import annotations

import os
from typing import Final

from benchmarks.on_dbos import CASES

__all__ = ["CASES", "NEEDS", "PACKAGES", "QUICK", "begin", "prepare"]

NEEDS: Final = ("AION_TEST_DATABASE_URL",)
PACKAGES: Final = ("dbos",)
QUICK: Final = ("starts", "trivial_workflows", "ten_steps_throughput", "sequential_step")


def _choose() -> None:
    os.environ["BENCHMARKS_DBOS_URL"] = os.environ["AION_TEST_DATABASE_URL"]


def prepare() -> None:
    """Make the tables."""
    from benchmarks.on_dbos.setup import migrate

    _choose()
    migrate()


def begin() -> None:
    """Empty the tables."""
    from benchmarks.on_dbos.setup import empty

    _choose()
    empty()
