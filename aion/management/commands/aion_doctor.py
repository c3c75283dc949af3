"""Say what is wrong with an installation, what it means, and what to do."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import CommandError, CommandParser

from aion.management.run_command import AionCommand
from aion.operations.doctor import Finding, diagnose


class Command(AionCommand):
    """`manage.py aion_doctor --strict`: changes nothing; exit code 1 says that something is wrong."""

    help = "Looks at settings, database, broker, workers and what waits, and says what to do."
    requires_system_checks = ()  # they are among the findings

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--strict`."""
        super().add_arguments(parser)
        parser.add_argument("--strict", action="store_true", help="let warnings fail, too")

    def act(self, **options: Any) -> None:
        """Look, and report."""
        diagnosis = diagnose()
        text = "\n".join(map(_said, diagnosis.findings)) or "All is well"
        self.answer(text, dataclasses.asdict(diagnosis), as_json=options["json"])
        if diagnosis.fails(strict=options["strict"]):
            worst = diagnosis.findings[0]
            raise CommandError(f"unwell: {len(diagnosis.findings)} findings, first {worst.code}")


def _said(finding: Finding) -> str:
    lines = [f"{finding.level.upper()} {finding.code}: {finding.summary}", f"  {finding.meaning}"]
    lines += [f"  - {example}" for example in finding.examples]
    return "\n".join([*lines, f"  What to do: {finding.remedy}"])
