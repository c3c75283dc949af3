"""Delete old closed runs."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
from typing import Any

from django.core.management.base import CommandParser

from aion.management.run_command import AionCommand, moment, usage
from aion.operations.prune import HowToPrune, PruneReport, prune, prune_by_rules
from aion.visibility.literals import BadLiteral, duration


class Command(AionCommand):
    """`manage.py prune_workflows`, by the rules of the settings, or `... --older-than 90d`."""

    help = (
        "Deletes runs that closed long ago, with all that belongs to them, in small batches: those that "
        "AION['RETENTION'] does not keep, or those of --older-than."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what is old, and how it goes."""
        super().add_arguments(parser)
        parser.add_argument(
            "--older-than", type=_age, default=None, metavar="AGE", help="such as 90d or 12h"
        )
        parser.add_argument("--type", default=None, metavar="TYPE", help="of this workflow type")
        parser.add_argument(
            "--status", action="append", default=[], metavar="STATUS", help="may be repeated"
        )
        parser.add_argument(
            "--batch", type=int, default=200, metavar="N", help="runs in a transaction (200)"
        )
        parser.add_argument(
            "--archive", default=None, metavar="ALIAS", help="the storage to write runs to first"
        )
        parser.add_argument(
            "--no-archive",
            action="store_const",
            const="",
            dest="archive",
            help="write them nowhere",
        )
        parser.add_argument("--dry-run", action="store_true", help="count and delete nothing")

    def act(self, **options: Any) -> None:
        """Delete them."""
        how = {name: options[name] for name in ("batch", "dry_run", "archive")}
        if options["older_than"] is None:
            if options["type"] or options["status"]:
                raise usage(
                    "--type and --status go with --older-than; else the settings have the rules"
                )
            reports = prune_by_rules(HowToPrune(**how, progress=self._show))
            text = "\n".join(map(_said, reports)) or "AION['RETENTION'] keeps every run for ever"
            data: dict[str, Any] = {"rules": [dataclasses.asdict(each) for each in reports]}
            self.answer(text, data, as_json=options["json"])
            return
        report = prune(
            options["older_than"],
            workflow_type=options["type"],
            status=options["status"],
            progress=self._show,
            **how,
        )
        self.answer(_said(report), dataclasses.asdict(report), as_json=options["json"])

    def _show(self, report: PruneReport) -> None:
        self.progress(_said(report))


def _said(report: PruneReport) -> str:
    done = "would be deleted" if report.dry_run else "deleted"
    kept = f"; {report.kept} are still needed" if report.kept else ""
    archived = f", {report.archived} archived" if report.archived else ""
    rule = f"{report.rule}: " if report.rule else ""
    return (
        f"{rule}{report.runs} runs closed before {moment(report.closed_before)} "
        f"with {report.events} events {done}{archived}{kept}"
    )


def _age(text: str) -> dt.timedelta:
    try:
        return duration(text)
    except BadLiteral as error:
        raise argparse.ArgumentTypeError(f"must be {error}, not {text!r}") from error
