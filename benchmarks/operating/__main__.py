"""`python -m benchmarks.operating recovery --runs 100000`, `... tables --seconds 90`; needs PostgreSQL."""

from __future__ import annotations

import argparse

from benchmarks.systems import aion_postgres


def main() -> None:
    """Measure one thing on an empty database and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operating", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    recovery = kinds.add_parser("recovery", help="recover_workflows over many open runs")
    recovery.add_argument("--runs", type=int, default=100_000)
    tables = kinds.add_parser("tables", help="dead rows and sizes while runs come, end and go")
    tables.add_argument("--seconds", type=float, default=90)
    options = parser.parse_args()
    aion_postgres.prepare()
    aion_postgres.begin()
    if options.kind == "recovery":
        from benchmarks.operating.recovery import measure

        measure(options.runs)
    else:
        from benchmarks.operating.tables import watch

        watch(options.seconds)


if __name__ == "__main__":
    main()
