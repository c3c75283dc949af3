"""Write a history as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from aion import client
from aion.client import WorkflowHandle
from aion.core.history import Recorded, to_lines
from aion.management.run_command import RunCommand


class Command(RunCommand):
    """`manage.py export_history order-42 --output order-42.jsonl`."""

    help = "Writes a run's history as JSON lines, for replay_workflows and for people."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file."""
        super().add_arguments(parser)
        parser.add_argument(
            "--output", default="-", metavar="FILE", help="default: standard output"
        )

    def act(self, **options: Any) -> None:
        """Export it."""
        handle = client.get_workflow_handle(options["workflow_id"], options["run_id"])
        run = handle.describe()
        history = WorkflowHandle(run.workflow_id, run.run_id).fetch_history()
        target = options["output"]
        if target == "-":
            self._write(history, self.stdout)
            return
        try:
            with Path(target).open("w", encoding="utf-8") as file:
                self._write(history, file)
        except OSError as error:
            raise CommandError(f"{target} cannot be written: {error}") from error
        data = {"run_id": run.run_id, "events": len(history), "output": target}
        self.answer(
            f"{len(history)} events of run {run.run_id} written to {target}",
            data,
            as_json=options["json"],
        )

    def _write(self, history: list[Recorded], file: Any) -> None:
        for line in to_lines(history):
            file.write(line.decode() + ("" if file is self.stdout else "\n"))
