"""Rows of results to test with."""

from __future__ import annotations

from benchmarks.cases import CASES
from benchmarks.figures import Figures
from benchmarks.results import Collected, Row


def collect(*runs: tuple[str, str, Figures], quick: bool = False) -> list[Row]:
    collected = Collected()
    for case, system, figures in runs:
        collected.add(CASES[case], system, figures)
    return collected.rows(quick=quick)
