"""Collect, examine, and say what was found, also where the database is away."""

from __future__ import annotations

import dataclasses
import datetime as dt

from django.db import DatabaseError, connections

from aion.operations.clock import clock
from aion.operations.doctor import facts
from aion.operations.doctor.findings import Finding, Level, found
from aion.operations.doctor.rules import examine
from aion.store.dialects import alias


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found, the worst first. `ok`: nothing is an error."""

    ok: bool
    at: dt.datetime
    findings: tuple[Finding, ...]

    def fails(self, *, strict: bool) -> bool:
        """Tell whether a check should fail: for errors, strictly for warnings too."""
        bad = (Level.ERROR, Level.WARNING) if strict else (Level.ERROR,)
        return any(finding.level in bad for finding in self.findings)


def diagnose() -> Diagnosis:
    """Look at everything that can be looked at; a database that is away is a finding. Changes nothing."""
    findings = _findings()
    ok = not any(finding.level is Level.ERROR for finding in findings)
    return Diagnosis(ok=ok, at=clock.now(), findings=tuple(findings))


def _findings() -> list[Finding]:
    try:
        connections[alias()].ensure_connection()
        missing = facts.missing_migrations()
        if missing:  # without the tables nothing else can be asked
            summary = f"{len(missing)} migrations are missing"
            return [found("migrations", summary, examples=missing[:5])]
        return examine(facts.collect())
    except DatabaseError as error:
        return [found("database_away", f"{type(error).__name__}: {error}".strip())]
