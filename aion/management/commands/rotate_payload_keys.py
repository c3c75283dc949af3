"""Encode stored payloads again with the current codecs and keys."""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from aion.core.errors import AionError
from aion.operations.rotate_payloads import Rotation, rotate_payloads

_EVERY: Final = 10_000  # runs between two lines of progress


class Command(BaseCommand):
    """`manage.py rotate_payload_keys --from-key 2025`: beside workers, and again if it was stopped."""

    help = (
        "Encodes every stored payload again that the current PAYLOAD_CODECS would write otherwise. "
        "Deploy the new settings first; remove the old key when a second rotation finds nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--from-key", metavar="ID", help="only what this key has encrypted")
        parser.add_argument(
            "--after", metavar="RUN_ID", type=uuid.UUID, help="go on behind this run"
        )
        parser.add_argument(
            "--batch", type=int, default=500, metavar="N", help="events in one transaction"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="report only, and change nothing"
        )
        parser.add_argument("--json", action="store_true", help="write the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate and report."""
        try:
            report = rotate_payloads(
                from_key=options["from_key"],
                after=options["after"],
                batch=options["batch"],
                dry_run=options["dry_run"],
                progress=self._progress,
            )
        except AionError as error:
            raise CommandError(f"{error.code}: {error}") from error
        self._report(report, as_json=options["json"])
        if report.failed:
            raise CommandError(f"{len(report.failed)} runs could not be encoded again")

    def _progress(self, report: Rotation) -> None:
        if report.runs % _EVERY == 0:
            self.stderr.write(f"{report.runs} runs; --after {report.last_run_id} goes on from here")

    def _report(self, report: Rotation, *, as_json: bool) -> None:
        failed = {str(run_id): why for run_id, why in report.failed.items()}
        if as_json:
            data = {
                "runs": report.runs,
                "rows_seen": report.seen,
                "rows_written": report.written,
                "failed": failed,
                "last_run_id": report.last_run_id and str(report.last_run_id),
            }
            self.stdout.write(json.dumps(data))
            return
        written = sum(report.written.values())
        self.stdout.write(f"{written} of {report.seen} rows of {report.runs} runs encoded again")
        for table, count in report.written.items():
            self.stdout.write(f"  {table:<18} {count:>10}")
        for run_id, why in failed.items():
            self.stderr.write(f"Run {run_id}: {why}")
