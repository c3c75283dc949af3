"""The simulated installation: it needs no database, and the test framework's is not touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.database import Database
from tests.simulation.simulator import simulated


@pytest.fixture
def simulation() -> Iterator[Database]:
    with simulated() as database:
        yield database
