"""Run the test suite on SQLite and again on PostgreSQL, and print one table.

    python tools/test.py [--backend sqlite|postgres|all] [--workers N] [pytest arguments]

Services are found or started by `services.py`. Without PostgreSQL its pass is left out, and tests
that need Redis skip; with AION_REQUIRE_SERVICES=1 both are failures.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parent
DATABASE_VARIABLE = "AION_TEST_DATABASE_URL"
# Floors that have no database: a second pass would learn nothing, not even that they can be collected.
WITHOUT_DATABASE = (
    "architecture",
    "authoring",
    "benchmarks",
    "codecs",
    "core",
    "docs",
    "replay",
    "schedules",
    "simulation",
    "visibility",
)


@dataclass(frozen=True)
class Outcome:
    """One row of the table; `verdict` is "ok" or why the pass counts as failed or left out."""

    name: str
    verdict: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0


def run_pass(backend: str, workers: int, arguments: list[str]) -> Outcome:
    """Run pytest once, on one database."""
    environment = dict(os.environ)
    # Tests start a hundred processes. Each would compile all that it imports, two seconds, where nothing may
    # be written behind it.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "pytest", "-n", str(workers), *arguments]
    if backend == "sqlite":
        environment.pop(DATABASE_VARIABLE, None)
    else:
        command += [f"--ignore=tests/{name}" for name in WITHOUT_DATABASE]
        command += ["--with-database"]  # the same for single tests of the other floors
    with tempfile.TemporaryDirectory(prefix="aion-report-") as directory:
        report = Path(directory) / "report.xml"
        status = subprocess.run(
            [*command, f"--junitxml={report}"], cwd=ROOT, env=environment, check=False
        ).returncode
        return read_report(backend, report, status)


def read_report(backend: str, report: Path, status: int) -> Outcome:
    """Turn pytest's report and exit status into a row."""
    verdict = {0: "ok", 1: "FAILED", 2: "interrupted", 5: "no tests"}.get(status, "ERROR")
    if not report.exists():
        return Outcome(backend, verdict)
    suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 (written by pytest)

    def total(attribute: str) -> int:
        return sum(int(suite.get(attribute, 0)) for suite in suites)

    failed, skipped = total("failures") + total("errors"), total("skipped")
    return Outcome(
        backend,
        verdict,
        passed=total("tests") - failed - skipped,
        failed=failed,
        skipped=skipped,
        seconds=sum(float(suite.get("time", 0)) for suite in suites),
    )


def print_table(outcomes: list[Outcome]) -> None:
    """Print one line per pass."""
    print(f"\n{'database':<12}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}  verdict")
    for row in outcomes:
        counts = f"{row.passed:>8}{row.failed:>8}{row.skipped:>9}{row.seconds:>9.1f}"
        print(f"{row.name:<12}{counts}  {row.verdict}")


def main() -> int:
    """Run the passes asked for; zero if every one of them is fine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backend", choices=["sqlite", "postgres", "all"], default="all")
    parser.add_argument("--workers", type=int, default=2, help="parallel processes of a pass")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments, rest = parser.parse_known_args()
    if not arguments.inside:
        again = [sys.executable, str(TOOLS / "test.py"), "--inside", *sys.argv[1:]]
        return subprocess.run(
            [sys.executable, TOOLS / "services.py", "run", "--", *again], check=False
        ).returncode
    backends = ["sqlite", "postgres"] if arguments.backend == "all" else [arguments.backend]
    required = os.environ.get("AION_REQUIRE_SERVICES") == "1" or arguments.backend == "postgres"
    outcomes = []
    for backend in backends:
        if backend == "postgres" and DATABASE_VARIABLE not in os.environ:
            outcomes.append(Outcome(backend, "MISSING" if required else "left out: no PostgreSQL"))
            continue
        print(f"\n=== The suite on {backend} ===", flush=True)
        # On PostgreSQL many tests wait for processes that they have started.
        more = 1 if backend == "postgres" and arguments.workers else 0
        outcome = run_pass(backend, arguments.workers + more, rest)
        if outcome.verdict == "no tests" and any(row.passed for row in outcomes):
            outcome = replace(outcome, verdict="left out: none has a database")
        outcomes.append(outcome)
    print_table(outcomes)
    return int(any(row.verdict != "ok" and not row.verdict.startswith("left") for row in outcomes))


if __name__ == "__main__":
    sys.exit(main())
