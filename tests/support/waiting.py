"""Waiting for what another thread or process brings about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_LOOK = 0.002
_LAST_LOOK = 0.05


def eventually(condition: Callable[[], T], *, timeout: float = 30.0, what: str = "") -> T:
    """Give the first true value of `condition()`; fail the test when there is none in time."""
    until = time.monotonic() + timeout
    pause = _FIRST_LOOK
    while not (value := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"Not within {timeout} s: {what or condition}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LAST_LOOK)
    return value
