"""What is measured: the cases, their sizes, their figures and what each figure should reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Better = Literal["higher", "lower"]
Size = Mapping[str, int]
"""How much work a case does, by the words that its function knows."""
Figures = Mapping[str, float]
"""What a case's function returns: values by the names in `Case.figures`; "" is the case's own."""


@dataclass(frozen=True)
class Figure:
    """One number of a case. `goal` is what Aion on PostgreSQL should reach on a small idle machine."""

    title: str
    unit: str
    better: Better
    goal: float | None = None
    digits: int = 0


@dataclass(frozen=True)
class Case:
    """One thing to measure, in two sizes; `runs` is how often, in the full and in the quick size."""

    name: str
    figures: Mapping[str, Figure]
    full: Size
    quick: Size
    runs: tuple[int, int] = (4, 3)

    def size(self, *, quick: bool) -> Size:
        return self.quick if quick else self.full

    def row_name(self, figure: str) -> str:
        return f"{self.name}.{figure}" if figure else self.name


def _one(*args: object, **options: object) -> Mapping[str, Figure]:
    return {"": Figure(*args, **options)}  # type: ignore[arg-type]


CASES: Final = {
    case.name: case
    for case in (
        Case(
            "starts",
            _one("Starts, a transaction each, one process", "starts/s", "higher"),
            full={"starts": 2000},
            quick={"starts": 500},
        ),
        Case(
            "trivial_workflows",
            _one("Waiting runs without a step completed by one worker", "runs/s", "higher"),
            full={"runs": 5000},
            quick={"runs": 1000},
            runs=(4, 2),
        ),
        Case(
            "ten_steps_throughput",
            _one("Steps of many ten-step runs in one worker", "steps/s", "higher"),
            full={"runs": 1000, "steps": 10},
            quick={"runs": 200, "steps": 10},
            runs=(4, 2),
        ),
        Case(
            "sequential_step",
            _one("A step of one run of many steps", "ms/step", "lower", goal=1.3, digits=2),
            full={"steps": 1000},
            quick={"steps": 300},
            runs=(4, 2),
        ),
        Case(
            "start_to_result",
            {
                "p50": Figure("From start to result, median", "ms", "lower", goal=5.0, digits=1),
                "p99": Figure("From start to result, 99 of 100", "ms", "lower", digits=1),
            },
            full={"calls": 500, "seconds": 8},
            quick={"calls": 100, "seconds": 3},
            runs=(3, 2),
        ),
        Case(
            "statements_per_turn",
            {
                "history_10": Figure("SQL of a turn, 10 events", "statements", "lower", goal=12),
                "history_1000": Figure(
                    "SQL of a turn, 1,000 events", "statements", "lower", goal=12
                ),
                "batch_1": Figure("SQL of a batch of 1 run", "statements", "lower", goal=12),
                "batch_100": Figure("SQL of a batch of 100 runs", "statements", "lower", goal=12),
                "whole_runs": Figure(
                    "SQL of a batch in which 100 runs begin and end", "statements", "lower", goal=12
                ),
            },
            full={"history": 1000, "batch": 100},
            quick={"history": 1000, "batch": 100},
            runs=(1, 1),
        ),
        Case(
            "replay",
            {
                "pure": Figure("Replay from JSON in memory", "events/s", "higher", goal=100_000),
                "database": Figure("Replay from the database", "events/s", "higher", goal=50_000),
            },
            full={"events": 10_000, "repeats": 7},
            quick={"events": 10_000, "repeats": 3},
        ),
        Case(
            "linear_cost",
            _one("Step of a long run over step of a short one", "ratio", "lower", 1.2, 2),
            full={"steps": 10_000, "part": 1_000, "parts": 4},
            quick={"steps": 2_000, "part": 200, "parts": 4},
            runs=(2, 1),
        ),
    )
}


@dataclass(frozen=True)
class Measurement:
    """One process to run: a case, on a system, in a size."""

    case: Case
    system: str
    quick: bool


@dataclass
class Plan:
    """What to run, in this order."""

    measurements: list[Measurement] = field(default_factory=list)

    @classmethod
    def interleaved(
        cls, wanted: Mapping[str, list[Case]], *, quick: bool, runs: int | None = None
    ) -> Plan:
        """Go through the cases, each in rounds over the systems that offer it.

        `wanted` maps systems to their cases; `runs` replaces each case's own number.
        """
        plan = cls()
        for case in CASES.values():
            systems = [system for system, cases in wanted.items() if case in cases]
            rounds = case.runs[quick] if runs is None else runs
            plan.measurements += [
                Measurement(case, s, quick) for _ in range(rounds) for s in systems
            ]
        return plan
