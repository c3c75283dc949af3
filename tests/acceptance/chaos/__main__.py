"""Run chaos for some seconds, wait until all has ended, check everything, and say what was found.

    python -m tests.acceptance.chaos [--seconds 60] [--seed TEXT] [--workers 2] [--keep] [--report FILE]

The exit status is 1 if anything was lost. `--keep` leaves the logs, the ledger and the list of faults behind,
which a run that fails does anyway.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
import time
from pathlib import Path

from tests.acceptance.chaos.play import Outcome


def main() -> int:
    """Read the command line, run, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long faults are dealt")
    parser.add_argument("--seed", default="", help="what stories and faults follow from")
    parser.add_argument("--workers", type=int, default=2, help="Celery workers")
    parser.add_argument(
        "--pause", type=float, default=0.5, help="seconds between faults, on average"
    )
    parser.add_argument(
        "--least", type=int, default=1, help="kinds of faults that are dealt, however long it takes"
    )
    parser.add_argument("--settle", type=float, default=90, help="the most time to come to an end")
    parser.add_argument(
        "--keep", action="store_true", help="keep the logs of a run without findings"
    )
    parser.add_argument("--report", type=Path, help="write the outcome to this file, as JSON")
    arguments = parser.parse_args()
    seed = arguments.seed or secrets.token_hex(3)
    directory = Path("var/chaos").absolute() / f"{time.strftime('%H%M%S')}-{seed}"
    directory.mkdir(parents=True)
    print(f"chaos for {arguments.seconds:g} s, SEED={seed}, logs in {directory}", flush=True)

    outcome = _play(directory, seed, arguments)

    print(outcome.text())
    if arguments.report:
        arguments.report.write_text(json.dumps(outcome.as_dict()))
    if outcome.violations:
        print(
            f"The logs are in {directory}. Again: make chaos SECONDS={arguments.seconds:g} SEED={seed}"
        )
        return 1
    if not arguments.keep:
        shutil.rmtree(directory)
    return 0


def _play(directory: Path, seed: str, arguments: argparse.Namespace) -> Outcome:
    from tests.acceptance.chaos import play

    return play.play(
        directory,
        seed,
        seconds=arguments.seconds,
        least=arguments.least,
        workers=arguments.workers,
        pause=(0.0, 2 * arguments.pause),
        settle=arguments.settle,
    )


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.chaos.settings"
    sys.exit(main())
