"""Rows of results: from the figures of single runs to the file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Literal, TypedDict

from benchmarks.cases import CASES
from benchmarks.figures import Better, Case, Figures


class Row(TypedDict):
    """One figure of one system: `value` is the median of `runs`."""

    case: str
    system: str
    value: float
    unit: str
    better: Better
    runs: list[float]
    size: Literal["full", "quick"]


class Collected:
    """The figures of single runs, in the order in which they came."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], list[float]] = {}

    def add(self, case: Case, system: str, figures: Figures) -> None:
        """Keep what one run measured.

        Raises:
            ValueError: the figures are not those of the case.
        """
        several = several_of(figures)
        if not figures or not set(figures) <= set(case.figures) or not all(several.values()):
            known = ", ".join(case.row_name(name) for name in case.figures)
            raise ValueError(f"{system} gave {figures} for {known}")
        for name, values in several.items():
            self._values.setdefault((case.name, name, system), []).extend(values)

    def rows(self, *, quick: bool) -> list[Row]:
        """Give a row for each figure and system, in the order of the cases."""
        return [
            _row(case, name, system, values, quick=quick)
            for case in CASES.values()
            for name in case.figures
            for (case_name, figure, system), values in self._values.items()
            if (case_name, figure) == (case.name, name)
        ]


def several_of(figures: Figures) -> dict[str, list[float]]:
    """Give the values of each figure, also where there is one."""
    return {
        name: [value] if isinstance(value, (int, float)) else list(value)
        for name, value in figures.items()
    }


def _row(case: Case, name: str, system: str, values: list[float], *, quick: bool) -> Row:
    figure = case.figures[name]
    return Row(
        case=case.row_name(name),
        system=system,
        value=_rounded(median(values)),
        unit=figure.unit,
        better=figure.better,
        runs=[_rounded(value) for value in values],
        size="quick" if quick else "full",
    )


def _rounded(value: float) -> float:
    """Keep four significant digits: the rest is noise, in the figures and in the diffs."""
    return float(f"{value:.4g}")


def merged(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Replace the rows that were measured again; the others stay as they were."""
    rows = {(row["case"], row["system"]): row for row in old}
    rows.update({(row["case"], row["system"]): row for row in new})
    order = {case.row_name(name): None for case in CASES.values() for name in case.figures}
    places = {name: place for place, name in enumerate(order)}
    return sorted(
        (row for row in rows.values() if row["case"] in places), key=lambda r: places[r["case"]]
    )


def read(path: Path) -> list[Row]:
    """Read the rows of a file; none when it is not there."""
    if not path.exists():
        return []
    rows: list[Row] = json.loads(path.read_text())
    return rows


def write(path: Path, rows: list[Row]) -> None:
    """Write the rows, one on each line."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    path.write_text(f"[\n{lines}\n]\n")
