"""Repair what the tables say of runs, from their histories, and set in motion what should move."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from aion.conf import settings
from aion.management.run_command import AionCommand, table
from aion.operations.clock import clock
from aion.operations.filters import RunFilter, choose
from aion_engine.runtime.recovery import Recovery

_MOST_NAMED: Final = 20
_SENDING: Final = 30.0  # seconds that the broker is given to take what is published
_BAR: Final = 30


class Command(AionCommand):
    """`manage.py recover_workflows`: safe at any time, beside running workers; a second one finds nothing."""

    help = (
        "Gives back the leases of dead workers, repairs projections from history, asks again for what "
        "was lost, fires what is overdue, publishes what waits, and reports it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="report only, and change nothing"
        )
        parser.add_argument("--query", default="", help="only the runs of this list query")
        parser.add_argument(
            "--type", default=None, metavar="TYPE", help="only runs of this workflow type"
        )
        parser.add_argument(
            "--workflow-id", default=None, metavar="ID", help="only runs of this workflow id"
        )

    def act(self, **options: Any) -> None:
        """Recover and report."""
        wanted = RunFilter(
            query=options["query"],
            workflow_type=options["type"],
            workflow_id=options["workflow_id"],
        )
        recovery = Recovery(
            dry_run=options["dry_run"],
            only=choose(wanted, now=clock.now()).selection,
            progress=self._show,
        )
        report = recovery.run()
        if report.get("activities published") and not options["dry_run"]:
            settings.port("DISPATCHER").flush(_SENDING)
        broken = [str(run_id) for run_id in recovery.broken]
        rows = [(what, f"{count:>8}") for what, count in report.items()]
        heading = "WOULD BE REPAIRED" if options["dry_run"] else "REPAIRED"
        torn = [str(run_id) for run_id in recovery.torn]
        data = {
            "dry_run": options["dry_run"],
            "repaired": report,
            "broken_histories": broken,
            "torn_chains": torn,
        }
        self.answer(table((heading, "   COUNT"), rows), data, as_json=options["json"])
        _refuse("broken_histories", broken, "histories have gaps")
        _refuse("torn_chains", torn, "runs do not go on where the run ends that they continue")

    def _show(self, what: str, done: int, total: int) -> None:
        filled = "#" * (_BAR * done // total)
        self.progress(f"[{filled:<{_BAR}}] {done:,} of {total:,} runs, {what}      ")


def _refuse(code: str, run_ids: list[str], what: str) -> None:
    if run_ids:
        named = "\n  ".join(run_ids[:_MOST_NAMED])
        raise CommandError(
            f"{code}: {len(run_ids)} {what}, which nothing can repair but a backup:\n  {named}"
        )
