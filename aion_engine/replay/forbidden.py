"""What workflow code must not touch, and what it uses instead: the table behind the guards."""

from __future__ import annotations

import dataclasses
import os
import random
import secrets
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from enum import Enum
from types import ModuleType
from typing import Any, Final


class Reach(Enum):
    """To whom something is refused while workflow code runs."""

    USERS = "users"  # to the user's code and its libraries
    ALL = "all"  # to everybody, the standard library included


@dataclasses.dataclass(frozen=True, slots=True)
class Forbidden:
    """One function or method, and what to say when workflow code uses it."""

    owner: Any
    name: str
    reach: Reach
    why: str
    instead: str

    @property
    def module(self) -> str:
        """The module through which everybody knows it."""
        return str(self.owner.__module__ if isinstance(self.owner, type) else self.owner.__name__)

    @property
    def qualname(self) -> str:
        """Its name in that module."""
        is_method = isinstance(self.owner, type)
        return f"{self.owner.__qualname__}.{self.name}" if is_method else self.name

    @property
    def title(self) -> str:
        """Its name for messages."""
        if self.name == "__init__":
            return f"{self.module}.{self.owner.__qualname__}()"
        return f"{self.module}.{self.qualname}()"


_CLOCK: Final = "its answer differs on every replay"
_CHANCE: Final = "its values differ on every replay"
_BLOCKS: Final = "it blocks every run of this worker"
_OUTSIDE: Final = "what it does would happen again on every replay"

_NOW: Final = "workflow.time() or workflow.now()"
_ACTIVITY: Final = "an activity"

_CLOCKS: Final = {
    "time": _NOW,
    "time_ns": _NOW,
    "monotonic": _NOW,
    "monotonic_ns": _NOW,
    "perf_counter": _NOW,
    "perf_counter_ns": _NOW,
}
_IDS: Final = {
    "uuid1": "workflow.uuid7()",
    "uuid4": "workflow.uuid4()",
    "uuid6": "workflow.uuid7()",
    "uuid7": "workflow.uuid7()",
}
_SECRETS: Final = ("choice", "randbelow", "randbits", "token_bytes", "token_hex", "token_urlsafe")
_ON_A_SOCKET: Final = (
    "__init__",
    "connect",
    "connect_ex",
    "send",
    "sendall",
    "sendto",
    "sendmsg",
)


def _entries() -> Iterator[Forbidden]:
    users = Reach.USERS
    for name, instead in _CLOCKS.items():
        yield Forbidden(time, name, users, _CLOCK, instead)
    sleep = "await workflow.sleep() or await asyncio.sleep()"
    yield Forbidden(time, "sleep", users, _BLOCKS, sleep)
    for name in _functions_of(random):
        yield Forbidden(random, name, users, _CHANCE, f"workflow.random().{name}()")
    for name, instead in _IDS.items():
        if hasattr(uuid, name):  # uuid6 and uuid7 are new in Python 3.14
            yield Forbidden(uuid, name, users, _CHANCE, instead)
    yield Forbidden(os, "urandom", users, _CHANCE, "workflow.random().randbytes()")
    hidden = "an activity, or workflow.random() for what is no secret"
    for name in _SECRETS:
        yield Forbidden(secrets, name, users, _CHANCE, hidden)

    everybody = Reach.ALL
    yield Forbidden(
        threading.Thread, "start", everybody, _OUTSIDE, f"{_ACTIVITY} or asyncio.gather"
    )
    for name in _ON_A_SOCKET:
        yield Forbidden(socket.socket, name, everybody, _OUTSIDE, _ACTIVITY)
    yield Forbidden(subprocess.Popen, "__init__", everybody, _OUTSIDE, _ACTIVITY)
    yield Forbidden(os, "system", everybody, _OUTSIDE, _ACTIVITY)


def _functions_of(module: ModuleType) -> list[str]:
    """Name the public functions; those of `random` are methods of a hidden generator."""
    public = ((name, getattr(module, name)) for name in module.__all__)
    return [name for name, value in public if not isinstance(value, type)]


FORBIDDEN: Final = tuple(_entries())
"""Every function that is guarded."""
