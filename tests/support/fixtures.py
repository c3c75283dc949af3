"""Fixtures that the floors with a database import into their conftest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aion.operations.clock import clock as system_clock
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine


@pytest.fixture
def clock() -> Iterator[StandingClock]:
    """The time of operations and engine, standing still."""
    standing = StandingClock()
    system_clock.read = standing.read
    yield standing
    system_clock.reset()


@pytest.fixture
def engine(db: None, clock: StandingClock) -> Iterator[Engine]:
    """A worker driven by hand."""
    made = Engine()
    yield made
    made.close()


@pytest.fixture
def script() -> Iterator[Callable[[Any], Any]]:
    """Register a coroutine function as what `kit.Scripted` runs under its name."""
    yield _registering(kit.SCRIPTS)
    kit.SCRIPTS.clear()


@pytest.fixture
def acting() -> Iterator[Callable[[Any], Any]]:
    """Register a function as what the activities of the kit run under its name."""
    yield _registering(kit.ACTS)
    kit.ACTS.clear()


def _registering(table: dict[str, Any]) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        table[function.__name__] = function
        return function

    return register
