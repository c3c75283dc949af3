"""What a worker does to Python's garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from aion_engine.runtime import garbage


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    gc.unfreeze()  # workers of other tests have frozen what they found
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_loaded_is_looked_at_no_more_and_the_rest_seldom() -> None:
    gc.set_threshold(700, 10, 10)

    garbage.settle()

    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold() == (20_000, 4, 1)


def test_thresholds_of_the_project_stay() -> None:
    gc.set_threshold(5_000, 5, 5)

    garbage.settle()

    assert gc.get_threshold() == (5_000, 5, 5)


def test_it_can_be_left_alone(settings: Any) -> None:
    settings.AION = {**settings.AION, "TUNE_GC": False}
    gc.set_threshold(700, 10, 10)

    garbage.settle()

    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, (700, 10, 10))
