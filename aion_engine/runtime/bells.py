"""Bells: how loops and waiters hear that there is work. Losing a ring costs latency, never work.

* `PollingBell` rings within the process only; others notice at their next poll.
* `SQLiteBell` looks every few milliseconds whether the database file has changed.
* `RedisBell` publishes; every listening process has one connection and one thread.
* `PostgresBell` notifies; every listening process has one connection and one thread.

A ring is never worth an error: publishing failures are logged, at most once a minute, and the poll finds
the work. A bell's module, and the driver it needs, is imported only where the settings name it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "PollingBell": "polling_bell",
    "SQLiteBell": "sqlite_bell",
    "RedisBell": "redis_bell",
    "PostgresBell": "postgres_bell",
}


def __getattr__(name: str) -> Any:
    """Give a bell by its name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"aion_engine.runtime.{_MODULES[name]}"), name)
