"""What the commands share whose verb is done to one run, or by `--query` to all that a list would show."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import CommandError, CommandParser

from aion.client import BulkResult
from aion.management.run_command import RunCommand, usage


class ManyRunsCommand(RunCommand):
    """A command about one run, or about many."""

    _WALKS = ("dry_run", "limit", "cursor")

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the run, which may be left out, and the query."""
        super().add_arguments(parser)
        parser.add_argument("--query", default=None, help="all the runs of this query instead")
        parser.add_argument("--dry-run", action="store_true", help="count them and do nothing")
        parser.add_argument("--limit", type=int, default=None, metavar="N", help="at most so many")
        parser.add_argument("--cursor", default="", help="go on where an earlier call stopped")

    def add_workflow_id(self, parser: CommandParser) -> None:
        """Add the workflow id, which may be left out."""
        parser.add_argument("workflow_id", nargs="?", default=None, help="the workflow id")

    def act(self, **options: Any) -> None:
        """Do it to the one, or to the many."""
        query = options["query"]
        if (query is None) is (options["workflow_id"] is None):
            raise usage("give either a workflow id or --query QUERY")
        if query is None:
            given = [name for name in self._WALKS if options[name] not in (None, False, "")]
            if given:
                raise usage(f"--{given[0].replace('_', '-')} goes with --query only")
            super().act(**options)
            return
        if options["run_id"] is not None:
            raise usage("--run-id names one run and does not go with --query")
        walk = {name: options[name] for name in self._WALKS}
        self._report(self.act_on_many(query, options, {**walk, "progress": self._show}), options)

    def act_on_many(self, query: str, options: dict[str, Any], walk: dict[str, Any]) -> BulkResult:
        """Do it to all runs of a query."""
        raise NotImplementedError

    def _show(self, result: BulkResult) -> None:
        self.progress(_counts(self.done, result))

    def _report(self, result: BulkResult, options: dict[str, Any]) -> None:
        lines = [_counts(self.done, result)]
        lines += [f"{code}: {count} times" for code, count in sorted(result.errors.items())]
        lines += [f"  {one.workflow_id} ({one.run_id}): {one.message}" for one in result.examples]
        if result.cursor is not None:
            lines.append(f"There may be more: go on with --cursor {result.cursor}")
        self.answer("\n".join(lines), dataclasses.asdict(result), as_json=options["json"])
        if result.failed:
            raise CommandError(f"bulk_failed: {result.failed} of {result.matched} runs failed")


def _counts(done: str, result: BulkResult) -> str:
    if result.dry_run:
        return f"{result.matched} runs would be {done}"
    rest = [(result.skipped, "skipped"), (result.failed, "failed")]
    said = "".join(f", {count} {word}" for count, word in rest if count)
    return f"{result.done} of {result.matched} runs {done}{said}"
