"""Who is measured. Importing a system is cheap: what it needs is imported when it begins."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from benchmarks.systems import (
    absurd_postgres,
    aion_postgres,
    aion_sqlite,
    celery_redis,
    dbos_postgres,
    dbos_sqlite,
    restate,
)


class System(Protocol):
    """What a system's module holds."""

    @property
    def NEEDS(self) -> tuple[str, ...]:  # noqa: N802  # the modules hold constants
        """The environment variables of tools/services.py without which it is left out."""

    @property
    def PACKAGES(self) -> tuple[str, ...]:  # noqa: N802
        """The modules and programs without which it is left out."""

    @property
    def CASES(self) -> Mapping[str, str]:  # noqa: N802
        """The cases it offers: names, and `module:function`, which takes a `Size` and gives `Figures`."""

    @property
    def QUICK(self) -> Sequence[str]:  # noqa: N802
        """Those of them that it does in the quick size."""

    def prepare(self) -> None:
        """Make what the cases need, once, in a process of its own."""

    def begin(self) -> None:
        """Get ready for one case, in the process that measures it."""


SYSTEMS: Final[Mapping[str, System]] = {
    "aion-postgres": aion_postgres,
    "aion-sqlite": aion_sqlite,
    "dbos-postgres": dbos_postgres,
    "dbos-sqlite": dbos_sqlite,
    "absurd-postgres": absurd_postgres,
    "restate": restate,
    "celery-redis": celery_redis,
}


def missing(system: System, environment: Mapping[str, str]) -> list[str]:
    """Say what a system lacks here, in words that follow its name."""
    variables = [f"{name} is not set" for name in system.NEEDS if not environment.get(name)]
    packages = [f"{name} is not installed" for name in system.PACKAGES if not _is_there(name)]
    return variables + packages


def _is_there(package: str) -> bool:
    """Find a module by its name, or a program by its path."""
    if "/" in package:
        return Path(package).exists() or shutil.which(package) is not None
    return find_spec(package) is not None
