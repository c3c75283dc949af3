"""Who is measured. Importing a system is cheap: what it needs is imported when it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from benchmarks.systems import aion_postgres, aion_sqlite, celery_redis


class System(Protocol):
    """What a system's module holds."""

    @property
    def NEEDS(self) -> tuple[str, ...]:  # noqa: N802  # the modules hold constants
        """The environment variables of tools/services.py without which it is left out."""

    @property
    def CASES(self) -> Mapping[str, str]:  # noqa: N802
        """The cases it offers: names, and `module:function`, which takes a `Size` and gives `Figures`."""

    def prepare(self) -> None:
        """Make what the cases need, once, in a process of its own."""

    def begin(self) -> None:
        """Get ready for one case, in the process that measures it."""


SYSTEMS: Final[Mapping[str, System]] = {
    "aion-postgres": aion_postgres,
    "aion-sqlite": aion_sqlite,
    "celery-redis": celery_redis,
}
