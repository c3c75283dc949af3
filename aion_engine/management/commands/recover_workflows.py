"""Repair what the tables say of runs, from their histories, and set in motion what should move."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from aion_engine.runtime.recovery import Recovery


class Command(BaseCommand):
    """`manage.py recover_workflows`: safe at any time, beside running workers; a second one finds nothing."""

    help = (
        "Gives back the leases of dead workers, repairs projections from history, asks again for what "
        "was lost, fires what is overdue, publishes what waits, and reports it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--dry-run", action="store_true", help="report only, and change nothing"
        )
        parser.add_argument("--json", action="store_true", help="write the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Recover and report."""
        recovery = Recovery(dry_run=options["dry_run"])
        report = recovery.run()
        if options["json"]:
            broken = [str(run_id) for run_id in recovery.broken]
            self.stdout.write(json.dumps({"repaired": report, "broken_histories": broken}))
            return
        width = max(map(len, report))
        for what, count in report.items():
            self.stdout.write(f"{what:<{width}}  {count:>8}")
        for run_id in recovery.broken:
            self.stderr.write(f"The history of run {run_id} has a gap; nothing can repair that")
