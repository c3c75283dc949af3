"""Delete old closed runs."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
from typing import Any

from django.core.management.base import CommandParser

from aion.management.run_command import AionCommand, moment
from aion.operations.prune import PruneReport, prune
from aion.visibility.literals import BadLiteral, duration


class Command(AionCommand):
    """`manage.py prune_workflows --older-than 90d`."""

    help = "Deletes runs that closed long ago, with all that belongs to them, in small batches."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what is old, and how it goes."""
        super().add_arguments(parser)
        parser.add_argument(
            "--older-than", type=_age, required=True, metavar="AGE", help="such as 90d or 12h"
        )
        parser.add_argument("--type", default=None, metavar="TYPE", help="of this workflow type")
        parser.add_argument(
            "--status", action="append", default=[], metavar="STATUS", help="may be repeated"
        )
        parser.add_argument(
            "--batch", type=int, default=200, metavar="N", help="runs in a transaction (200)"
        )
        parser.add_argument("--dry-run", action="store_true", help="count and delete nothing")

    def act(self, **options: Any) -> None:
        """Delete them."""
        report = prune(
            options["older_than"],
            workflow_type=options["type"],
            status=options["status"],
            batch=options["batch"],
            dry_run=options["dry_run"],
            progress=self._show,
        )
        self.answer(_said(report), dataclasses.asdict(report), as_json=options["json"])

    def _show(self, report: PruneReport) -> None:
        self.progress(_said(report))


def _said(report: PruneReport) -> str:
    done = "would be deleted" if report.dry_run else "deleted"
    kept = f"; {report.kept} are still needed" if report.kept else ""
    return (
        f"{report.runs} runs closed before {moment(report.closed_before)} "
        f"with {report.events} events {done}{kept}"
    )


def _age(text: str) -> dt.timedelta:
    try:
        return duration(text)
    except BadLiteral as error:
        raise argparse.ArgumentTypeError(f"must be {error}, not {text!r}") from error
