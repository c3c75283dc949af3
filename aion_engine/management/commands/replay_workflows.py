"""Replay histories with the code that is here, and say which do not fit."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from aion import client
from aion.client import WorkflowSummary
from aion.core.errors import NonDeterminismError
from aion.core.status import OPEN
from aion.management.run_command import AionCommand, usage
from aion_engine.replay import guards
from aion_engine.testing.open_runs import replay_runs
from aion_engine.testing.replayer import ReplayResult, replay_history

_OFTEN: Final = 20  # histories between two looks at the progress


@dataclasses.dataclass(slots=True)
class _Counts:
    ok: int = 0
    changed: int = 0
    failed: int = 0
    events: int = 0

    @property
    def total(self) -> int:
        return self.ok + self.changed + self.failed

    def add(self, result: ReplayResult) -> None:
        """Count one."""
        self.events += result.event_count
        if result.ok:
            self.ok += 1
        elif isinstance(result.error, NonDeterminismError):
            self.changed += 1
        else:
            self.failed += 1

    def __str__(self) -> str:
        return f"{self.total} histories: {self.ok} ok, {self.changed} changed, {self.failed} failed"


class Command(AionCommand):
    """`manage.py replay_workflows`, or `manage.py replay_workflows tests/histories/*.jsonl`."""

    help = (
        "Replays open runs, and files that export_history wrote, with the code that is here. "
        "Changes nothing; exit code 1 says that some do not fit."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the files, and which runs."""
        super().add_arguments(parser)
        parser.add_argument(
            "files", nargs="*", type=Path, metavar="FILE", help="exported histories"
        )
        parser.add_argument("--query", default=None, help="open runs of this query")
        parser.add_argument("--type", default=None, metavar="TYPE", help="open runs of this type")
        parser.add_argument(
            "--workflow-id", default=None, metavar="ID", help="this run, open or else the newest"
        )
        parser.add_argument("--closed", action="store_true", help="closed runs, too")
        parser.add_argument("--limit", type=int, default=None, metavar="N", help="so many runs")

    def act(self, **options: Any) -> None:
        """Replay, report each that does not fit, and count."""
        counts = _Counts()
        misfits: list[dict[str, Any]] = []
        for file, result in _results(options):
            counts.add(result)
            if not result.ok:
                misfits += self._report(file, result, as_json=options["json"])
            if counts.total % _OFTEN == 0:
                self.progress(str(counts))
        data = {**dataclasses.asdict(counts), "misfits": misfits}
        self.answer(str(counts), data, as_json=options["json"])
        if counts.ok != counts.total:
            raise CommandError(f"replay_failed: {counts.total - counts.ok} do not fit the code")

    def _report(self, file: str, result: ReplayResult, *, as_json: bool) -> list[dict[str, Any]]:
        """Write a misfit at once, or give it for the answer."""
        if as_json:
            return [_misfit(file, result)]
        self.end_progress()
        self.stdout.write(f"{file}: {result.diff}" if file else result.diff)
        return []


def _results(options: dict[str, Any]) -> Iterator[tuple[str, ReplayResult]]:
    names_runs = any(options[name] is not None for name in ("query", "type", "workflow_id"))
    runs: Iterable[WorkflowSummary] = ()
    if names_runs or not options["files"]:
        runs = _runs(options)
    elif options["closed"] or options["limit"] is not None:
        raise usage("--closed and --limit are about runs; with files, say which runs besides")
    guards.install()
    for file in options["files"]:
        yield str(file), _from_file(file)
    yield from (("", result) for result in replay_runs(runs))


def _runs(options: dict[str, Any]) -> Iterable[WorkflowSummary]:
    if options["workflow_id"] is None:
        return client.list_workflows(
            options["query"] or "",
            workflow_type=options["type"],
            status=None if options["closed"] else OPEN,
            limit=options["limit"],
        )
    others = [name for name in ("query", "type", "limit") if options[name] is not None]
    if others or options["closed"]:
        raise usage("--workflow-id names one run and goes with no other choice of runs")
    run = client.get_workflow_handle(options["workflow_id"]).describe()
    listed = client.list_workflows(workflow_id=run.workflow_id)
    return itertools.islice((one for one in listed if one.run_id == run.run_id), 1)


def _from_file(file: Path) -> ReplayResult:
    try:
        return replay_history(file, check=False)
    except Exception as error:  # noqa: BLE001  # a file that cannot be read is an answer too
        return ReplayResult(workflow_id="", run_id="", workflow_type="", event_count=0, error=error)


def _misfit(file: str, result: ReplayResult) -> dict[str, Any]:
    error = result.error
    parts = ("seq", "expected", "found", "where")
    return {
        "file": file or None,
        "workflow_id": result.workflow_id,
        "run_id": result.run_id or None,
        "workflow_type": result.workflow_type,
        "code": getattr(error, "code", type(error).__name__),
        "message": str(error),
        **{name: getattr(error, name, None) for name in parts},
    }
