"""Measure: `python -m benchmarks [--quick] [--case NAME ...] [--system NAME ...] [--runs N]`.

Servers are found or started by tools/services.py; a system whose servers are not there is left out. What
was measured replaces the same rows of benchmarks/results.json. A full run of everything also writes the
table in docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks import machine, report, results, rounds
from benchmarks.cases import CASES, Case, Plan
from benchmarks.systems import SYSTEMS
from tools import services

RESULTS = rounds.ROOT / "benchmarks" / "results.json"
PAGE = rounds.ROOT / "docs" / "explanation" / "performance.md"
PLACE = rounds.ROOT / "var" / "benchmarks"


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Aion.")
    parser.add_argument("--quick", action="store_true", help="less work and fewer runs")
    parser.add_argument("--case", action="append", choices=CASES, help="only this; may be repeated")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="only this; likewise")
    parser.add_argument("--runs", type=int, help="how often, instead of each case's own number")
    return parser.parse_args(words)


def offered(
    cases: list[str] | None, systems: list[str] | None, environment: Mapping[str, str]
) -> dict[str, list[Case]]:
    """Give the cases of each system that has what it needs."""
    wanted: dict[str, list[Case]] = {}
    for name, system in SYSTEMS.items():
        if systems and name not in systems:
            continue
        absent = [variable for variable in system.NEEDS if not environment.get(variable)]
        if absent:
            print(f"# {name} is left out: {', '.join(absent)} is not set", file=sys.stderr)
            continue
        wanted[name] = [CASES[case] for case in system.CASES if not cases or case in cases]
    return wanted


def check_durable(database_url: str) -> None:
    """Refuse a server that does not wait for its disk: its figures would promise too much."""
    shown = machine.show(database_url, *machine.DURABLE)
    careless = [name for name, value in shown.items() if value == "off"]
    if careless:
        raise SystemExit(f"PostgreSQL has {', '.join(careless)} off; figures need a durable server")


def main(words: list[str]) -> int:
    arguments = parse(words)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and stop what runs
    PLACE.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=PLACE) as directory,
        services.running(durable=True) as found,
    ):
        for sentence in found.report:
            print(f"# {sentence}", file=sys.stderr, flush=True)
        return _measure(arguments, {**found.environment, "AION_BENCHMARKS_DIRECTORY": directory})


def _measure(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    database_url = environment.get("AION_TEST_DATABASE_URL")
    if database_url:
        check_durable(database_url)
    facts = machine.facts(
        database_url=database_url,
        redis_url=environment.get("AION_TEST_REDIS_URL"),
        directory=PLACE,
    )
    wanted = offered(arguments.case, arguments.system, environment)
    for system in wanted:
        rounds.run(system, "prepare", environment=environment)
    plan = Plan.interleaved(wanted, quick=arguments.quick, runs=arguments.runs)
    collected, failures = rounds.take(plan.measurements, environment=environment)
    rows = collected.rows(quick=arguments.quick)
    results.write(RESULTS, results.merged(results.read(RESULTS), rows))
    section = report.section(rows, facts, quick=arguments.quick)
    print(f"\n{section}\n")
    for sentence in report.missed(rows, system="aion-postgres"):
        print(f"goal missed: {sentence}")
    complete = not (arguments.case or arguments.system or arguments.quick or failures)
    if complete:
        _write_page(PAGE, section)
    return 1 if failures else 0


def _write_page(path: Path, section: str) -> None:
    path.write_text(report.replaced(path.read_text(), section))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
