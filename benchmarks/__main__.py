"""Measure: `python -m benchmarks [--quick] [--case NAME ...] [--system NAME ...] [--runs N] [--page]`.

Servers are found or started by tools/services.py; a system that lacks something is left out. A run of
everything writes benchmarks/results.json and the tables and pictures of docs/explanation/performance.md. A
run of some cases or systems replaces their rows only; `--page` then writes the page again.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Mapping

from benchmarks import goals, machine, plots, report, results, rounds
from benchmarks.cases import CASES
from benchmarks.figures import Case
from benchmarks.plan import Plan
from benchmarks.systems import SYSTEMS, missing
from tools import services

RESULTS = rounds.ROOT / "benchmarks" / "results.json"
MACHINE = rounds.ROOT / "benchmarks" / "machine.json"
PAGE = rounds.ROOT / "docs" / "explanation" / "performance.md"
IMAGES = PAGE.parent / "images"
PLACE = rounds.ROOT / "var" / "benchmarks"


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Aion.")
    parser.add_argument("--quick", action="store_true", help="less work and fewer runs")
    parser.add_argument("--case", action="append", choices=CASES, help="only this; may be repeated")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="only this; likewise")
    parser.add_argument("--runs", type=int, help="how often, instead of each case's own number")
    parser.add_argument(
        "--page", action="store_true", help="measure nothing, write the page from what is kept"
    )
    return parser.parse_args(words)


def offered(
    cases: list[str] | None,
    systems: list[str] | None,
    environment: Mapping[str, str],
    *,
    quick: bool,
) -> dict[str, list[Case]]:
    """Give the cases of each system that has what it needs. What is asked for by name is quick enough."""
    wanted: dict[str, list[Case]] = {}
    for name, system in SYSTEMS.items():
        if systems and name not in systems:
            continue
        if absent := missing(system, environment):
            print(f"# {name} is left out: {', '.join(absent)}", file=sys.stderr)
            continue
        chosen = cases or (system.QUICK if quick else system.CASES)
        wanted[name] = [CASES[case] for case in system.CASES if case in chosen]
    return {name: chosen for name, chosen in wanted.items() if chosen}


def check_durable(database_url: str) -> None:
    """Refuse a server that does not wait for its disk: its figures would promise too much."""
    shown = machine.show(database_url, *machine.DURABLE)
    careless = [name for name, value in shown.items() if value == "off"]
    if careless:
        raise SystemExit(f"PostgreSQL has {', '.join(careless)} off; figures need a durable server")


def main(words: list[str]) -> int:
    arguments = parse(words)
    if arguments.page:
        write_page()
        return 0
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
    begin = time.monotonic()
    database_url = environment.get("AION_TEST_DATABASE_URL")
    if database_url:
        check_durable(database_url)
    facts = machine.facts(
        database_url=database_url,
        redis_url=environment.get("AION_TEST_REDIS_URL"),
        directory=PLACE,
    )
    wanted = offered(arguments.case, arguments.system, environment, quick=arguments.quick)
    for system in wanted:
        rounds.run(system, "prepare", environment=environment)
    plan = Plan.interleaved(wanted, quick=arguments.quick, runs=arguments.runs)
    collected, failures = rounds.take(plan.measurements, environment=environment)
    facts["all of it took"] = f"{(time.monotonic() - begin) / 60:.1f} minutes"
    rows = collected.rows(quick=arguments.quick)
    if arguments.case or arguments.system:
        results.write(RESULTS, results.merged(results.read(RESULTS), rows))
        print(f"\n{report.table(rows)}\n\n{report.machine(facts)}\n")
    else:
        results.write(RESULTS, rows)
        machine.write(MACHINE, facts, failures)
        write_page()
    for sentence in goals.missed(rows):
        print(f"goal missed: {sentence}")
    return 1 if failures else 0


def write_page() -> None:
    """Write tables and pictures of the page from the rows and facts that are kept."""
    rows = results.read(RESULTS)
    facts, failures = machine.read(MACHINE)
    images = plots.draw(rows, IMAGES)
    written = report.parts(rows, facts, images=images, failures=failures)
    PAGE.write_text(report.replaced(PAGE.read_text(), written))
    print(f"Written: {RESULTS}, {PAGE}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
