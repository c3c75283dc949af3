"""One measurement in this process: `python -m benchmarks.one SYSTEM CASE full|quick`, or `SYSTEM prepare`.

The figures are the last line of standard output, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module

from benchmarks.cases import CASES
from benchmarks.figures import Figures, Size
from benchmarks.systems import SYSTEMS


def measure(system_name: str, case_name: str, *, quick: bool) -> Figures:
    """Do a case on a system, here and now."""
    system = SYSTEMS[system_name]
    system.begin()
    module, _, name = system.CASES[case_name].partition(":")
    function: Callable[[Size], Figures] = getattr(import_module(module), name)
    return function(CASES[case_name].size(quick=quick))


def main(words: list[str]) -> None:
    match words:
        case [system, "prepare"]:
            SYSTEMS[system].prepare()
        case [system, case, ("full" | "quick") as size]:
            print(json.dumps(measure(system, case, quick=size == "quick")), flush=True)
            os._exit(0)  # without waiting for threads in which a peer's workflows sleep
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
