"""Whether what was measured is what was wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.cases import CASES
from benchmarks.figures import Figure, Goal
from benchmarks.results import Row

OURS = "aion-postgres"


@dataclass(frozen=True)
class Verdict:
    """What became of one goal. `wanted` and `reached` are None where the other system was not measured."""

    row_name: str
    figure: Figure
    goal: Goal
    value: float
    wanted: float | None

    @property
    def reached(self) -> bool | None:
        if self.wanted is None:
            return None
        more = self.value > self.wanted
        return self.value == self.wanted or more == (self.figure.better == "higher")


def judge(rows: Iterable[Row], *, system: str = OURS) -> list[Verdict]:
    """Hold the figures of a system against its goals, in the order of the cases."""
    values = {(row["case"], row["system"]): row["value"] for row in rows}
    return [
        Verdict(name, figure, goal, values[name, system], _wanted(goal, name, values))
        for name, figure in figures()
        if (name, system) in values
        for goal in figure.goals
    ]


def figures() -> Iterator[tuple[str, Figure]]:
    """Give all figures by the names of their rows."""
    for case in CASES.values():
        for name, figure in case.figures.items():
            yield case.row_name(name), figure


def _wanted(goal: Goal, name: str, values: dict[tuple[str, str], float]) -> float | None:
    if not goal.of:
        return goal.value
    other = values.get((name, goal.of))
    return None if other is None else goal.value * other


def number(value: float, figure: Figure) -> str:
    """Write a value with the figure's digits."""
    return f"{value:,.{figure.digits}f}"


def said(goal: Goal, figure: Figure) -> str:
    """Write a goal."""
    sign = "≥" if figure.better == "higher" else "≤"
    return (
        f"{sign} {goal.value:g} x {goal.of}" if goal.of else f"{sign} {number(goal.value, figure)}"
    )


def missed(rows: Iterable[Row], *, system: str = OURS) -> list[str]:
    """Say which goals a system missed."""
    return [
        f"{each.row_name}: {number(each.value, each.figure)} {each.figure.unit}, "
        f"goal {said(each.goal, each.figure)}{_in_figures(each)}"
        for each in judge(rows, system=system)
        if each.reached is False
    ]


def _in_figures(verdict: Verdict) -> str:
    if not verdict.goal.of or verdict.wanted is None:
        return ""
    return f" = {number(verdict.wanted, verdict.figure)}"
