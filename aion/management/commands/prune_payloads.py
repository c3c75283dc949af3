"""Delete files of large payloads that no row names."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from aion.core.errors import AionError
from aion.operations.prune_payloads import prune_payloads


class Command(BaseCommand):
    """`manage.py prune_payloads`: safe at any time, beside workers; a second one finds nothing."""

    help = (
        "Deletes files of payloads that no row names and that are older than a day, and lists them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--older-than", type=float, default=24, metavar="HOURS", help="default: 24, the least"
        )
        parser.add_argument("--dry-run", action="store_true", help="list only, and delete nothing")
        parser.add_argument("--json", action="store_true", help="write the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune and report."""
        try:
            found = prune_payloads(
                older_than=dt.timedelta(hours=options["older_than"]), dry_run=options["dry_run"]
            )
        except AionError as error:
            raise CommandError(f"{error.code}: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps({"files": found.files, "orphans": found.orphans}))
            return
        for name in found.orphans:
            self.stdout.write(name)
        verb = "would be deleted" if options["dry_run"] else "deleted"
        self.stdout.write(f"{len(found.orphans)} of {found.files} files {verb}")
