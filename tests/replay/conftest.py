"""What every test of the replay core shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aion.authoring.registry import registry
from aion_engine.replay import guards
from tests.support.driver import Driver

guards.install()


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests define workflows inside of functions, under names that others use as well."""
    monkeypatch.setattr(registry, "workflows", dict(registry.workflows))
    monkeypatch.setattr(registry, "activities", dict(registry.activities))
    monkeypatch.setattr(registry, "clashes", [])


@pytest.fixture
def play() -> Iterator[Callable[..., Driver]]:
    """Start a run in memory. At the end its whole history is replayed, whatever the test is about."""
    drivers: list[Driver] = []

    def start(workflow: Any, *args: Any, **kwargs: Any) -> Driver:
        driver = Driver(workflow, *args, **kwargs)
        drivers.append(driver)
        return driver.start()

    yield start
    for driver in drivers:
        driver.instance.close()
        if not driver.held:
            driver.replay().close()
