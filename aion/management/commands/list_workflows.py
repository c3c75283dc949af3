"""List runs."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from django.core.management.base import CommandParser

from aion import client
from aion.client import WorkflowSummary
from aion.management.run_command import AionCommand, moment, table, usage

_LARGEST_PAGE: Final = 1_000
_COLUMNS: Final = ("WORKFLOW ID", "TYPE", "STATUS", "STARTED", "DURATION")


class Command(AionCommand):
    """`manage.py list_workflows 'ExecutionStatus = "failed" AND StartTime > "-1d"'`."""

    help = "Lists runs, the newest first unless the query says otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the query, filters and the page."""
        super().add_arguments(parser)
        add_filters(parser)
        parser.add_argument("--limit", type=int, default=50, metavar="N", help="default: 50")
        parser.add_argument("--cursor", default="", help="go on behind an earlier list")

    def act(self, **options: Any) -> None:
        """List them."""
        limit = options["limit"]
        if limit < 1:
            raise usage(f"--limit must be at least 1, not {limit}")
        listed = client.list_workflows(
            options["query"],
            **filters_of(options),
            page_size=min(limit, _LARGEST_PAGE),
            cursor=options["cursor"],
        )
        runs: list[WorkflowSummary] = []
        cursor: str | None = options["cursor"]
        while cursor is not None and len(runs) < limit:
            size = min(limit - len(runs), _LARGEST_PAGE)
            page = dataclasses.replace(listed, page_size=size).page(cursor)
            runs += page.runs
            cursor = page.next_cursor
        text = table(_COLUMNS, [_row(run) for run in runs]) if runs else "No runs"
        if cursor is not None:
            text += f"\nThere are more: go on with --cursor {cursor}"
        data = {"runs": [dataclasses.asdict(run) for run in runs], "next_cursor": cursor}
        self.answer(text, data, as_json=options["json"])


def add_filters(parser: CommandParser) -> None:
    """Add a query, and the filters that most need."""
    parser.add_argument("query", nargs="?", default="", metavar="QUERY", help="a list query")
    parser.add_argument("--search", default="", help="the short form: type:Checkout status:failed")
    parser.add_argument("--type", default=None, metavar="TYPE", help="the workflow type")
    parser.add_argument(
        "--status", action="append", default=None, metavar="STATUS", help="may be repeated"
    )


def filters_of(options: dict[str, Any]) -> dict[str, Any]:
    """Give the filters as the client takes them."""
    return {
        "search": options["search"],
        "workflow_type": options["type"],
        "status": options["status"],
    }


def _row(run: WorkflowSummary) -> tuple[str, ...]:
    status = f"{run.status} (held)" if run.is_held else str(run.status)
    duration = "-" if run.duration is None else _length(run.duration.total_seconds())
    return run.workflow_id, run.workflow_type, status, moment(run.started_at), duration


def _length(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004  # a minute
        return f"{seconds:.3g}s" if seconds < 10 else f"{seconds:.0f}s"  # noqa: PLR2004
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    return " ".join([f"{number}{unit}" for number, unit in parts if number][:2])
