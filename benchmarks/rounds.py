"""Runs measurements, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.plan import Measurement
from benchmarks.results import Collected, several_of

ROOT = Path(__file__).resolve().parents[1]
# Processes are started all the time: that their modules are compiled is nothing to measure.
_COMPILED = {
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(ROOT / "var" / "benchmarks" / "compiled"),
}
LONGEST = 600  # seconds, for one measurement


class MeasurementFailed(Exception):
    """A process gave no figures; what it said is on standard error."""


def run(*words: str, environment: Mapping[str, str], timeout: float = LONGEST) -> str:
    """Run `python -m benchmarks.one` with these words and give the last line that it prints.

    Raises:
        MeasurementFailed: it failed or took too long.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.one", *words],
        cwd=ROOT,
        env={**os.environ, **environment, **_COMPILED},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that its workers end with it, however it ends
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"{' '.join(words)} took longer than {timeout:g} s") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        raise MeasurementFailed(f"{' '.join(words)} ended with {process.returncode}")
    return output.strip().rpartition("\n")[2]


def take(
    measurements: Iterable[Measurement], *, environment: Mapping[str, str]
) -> tuple[Collected, list[str]]:
    """Take all measurements. A failed one costs its own figures only; gives the failures, too."""
    collected, failures = Collected(), []
    for one in measurements:
        size = "quick" if one.quick else "full"
        begin = time.monotonic()
        try:
            figures = json.loads(run(one.system, one.case.name, size, environment=environment))
            collected.add(one.case, one.system, figures)
        except (MeasurementFailed, ValueError) as error:
            failures.append(str(error))
            print(f"# {error}", file=sys.stderr, flush=True)
            continue
        seconds = time.monotonic() - begin
        print(f"{one.case.name:23} {one.system:15} {seconds:5.1f} s   {_told(figures)}", flush=True)
    return collected, failures


def _told(figures: Figures) -> str:
    """Write figures in a line."""
    several = several_of(figures)
    return ", ".join(
        f"{name} {' '.join(f'{value:,.4g}' for value in values)}".strip()
        for name, values in several.items()
    )
