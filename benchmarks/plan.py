"""In what order the measurements are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.cases import CASES
from benchmarks.figures import Case


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
        cls, wanted: Mapping[str, Sequence[Case]], *, quick: bool, runs: int | None = None
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
