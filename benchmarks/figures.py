"""What a measurement gives, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]
Size = Mapping[str, int]
"""How much work a case does, by the words that its function knows."""
Figures = Mapping[str, float | Sequence[float]]
"""What a case's function returns: values by the names in `Case.figures`; "" is the case's own.

A function that measures a thing more than once gives all its values."""


@dataclass(frozen=True)
class Goal:
    """What Aion on PostgreSQL should reach on a small idle machine.

    `value` is in the figure's unit; with `of` it is how many times what that system did in the same run.
    """

    value: float
    of: str = ""


@dataclass(frozen=True)
class Figure:
    """One number of a case."""

    title: str
    unit: str
    better: Better
    goals: tuple[Goal, ...] = ()
    digits: int = 0


@dataclass(frozen=True)
class Case:
    """One thing to measure, in two sizes; `runs` is how often, in the full and in the quick size.

    `peers_...` in a size is how much of it the peers do: a rate does not depend on it, the hours do.
    """

    name: str
    figures: Mapping[str, Figure]
    full: Size
    quick: Size
    runs: tuple[int, int] = (3, 1)

    def size(self, *, quick: bool) -> Size:
        return self.quick if quick else self.full

    def row_name(self, figure: str) -> str:
        return f"{self.name}.{figure}" if figure else self.name
