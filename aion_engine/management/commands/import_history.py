"""Bring archived or exported runs back, closed, to be looked at and replayed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from django.core.management.base import CommandError, CommandParser

from aion.core.archives import lines_of
from aion.core.errors import AionError
from aion.management.run_command import AionCommand, table
from aion_engine.runtime.importing import Imported, import_run

_GZIP: Final = b"\x1f\x8b"


class Command(AionCommand):
    """`manage.py import_history aion-archive/2026/11/27/*.jsonl.gz`."""

    help = (
        "Imports runs from files of prune_workflows or export_history. They are closed, whatever they "
        "were, and nothing of them will run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the files."""
        super().add_arguments(parser)
        parser.add_argument(
            "files", nargs="+", type=Path, metavar="FILE", help="JSON lines, or gzip"
        )
        parser.add_argument("--check", action="store_true", help="only say whether they fit")

    def act(self, **options: Any) -> None:
        """Import each file by itself."""
        done: list[Imported] = []
        refused: list[dict[str, str]] = []
        for file in options["files"]:
            try:
                done.append(import_run(_lines(file), check_only=options["check"]))
            except (AionError, OSError, EOFError, zlib.error) as error:
                code = getattr(error, "code", "unreadable")
                refused.append({"file": str(file), "code": code, "message": str(error)})
        rows = [(one.workflow_id, str(one.run_id), str(one.events), _end(one)) for one in done]
        verb = "fit" if options["check"] else "imported"
        text = f"{len(done)} runs {verb}"
        if rows:
            text += "\n" + table(("WORKFLOW ID", "RUN ID", "EVENTS", "WAS"), rows)
        data = {"runs": [msgspec.structs.asdict(one) for one in done], "refused": refused}
        self.answer(text, data, as_json=options["json"])
        if refused:
            said = "\n".join(
                f"{each['file']}: {each['code']}: {each['message']}" for each in refused
            )
            raise CommandError(f"import_failed: {len(refused)} files were refused\n{said}")


def _end(one: Imported) -> str:
    return "open" if one.was_open else "closed"


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as plain:
        is_gzip = plain.read(2) == _GZIP
    with gzip.open(file) if is_gzip else file.open("rb") as opened:
        yield from lines_of(opened)
