"""Which frame of a call stack is the user's: neither the standard library's nor Aion's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Final

ENGINE: Final = "aion_engine"

_IN_BETWEEN: Final = {"sentry_sdk"}
"""Libraries that wrap functions of the standard library: a call through one is its caller's."""
_NOT_THE_USERS: Final = sys.stdlib_module_names | _IN_BETWEEN | {"aion", "aion_api", ENGINE}


def package_of(frame: FrameType) -> str:
    """Give the top package of the module whose code the frame runs, "" when it has none."""
    name: str = frame.f_globals.get("__name__") or ""
    return name.partition(".")[0]


def is_users(frame: FrameType) -> bool:
    """Tell whether the frame runs code of the user, or of a library the user has chosen."""
    return package_of(frame) not in _NOT_THE_USERS


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame and its callers."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def place_of(frame: FrameType | None) -> str | None:
    """Give the innermost line of the user's code as `file:line`, None when there is none."""
    for each in outwards(frame):
        if is_users(each):
            return f"{each.f_code.co_filename}:{each.f_lineno}"
    return None
