"""The text of an exception, for storing: bounded, valid Unicode, without Aion's own frames."""

from __future__ import annotations

import traceback

_OWN_PACKAGES = frozenset({"aion", "aion_engine", "aion_api"})
_LONGEST_TRACEBACK = 20 * 1024
# The innermost frames of a deep recursion; the text of more would be cut away again.
_MOST_FRAMES = 100
# Of a text that is cut, this share of what is kept comes from its beginning.
_HEAD_SHARE = 0.25


def bounded(text: str, limit: int, *, head_share: float = 1.0) -> str:
    """Give a text that can be stored as UTF-8 and is not much longer than a limit.

    Lone surrogates become their escapes. What is left out is counted in its place.

    Units: limit: bytes.
    """
    head_limit = int(limit * head_share)
    # No character takes less than a byte, so that these slices lose nothing that would be kept.
    if len(text) <= limit:
        raw = text.encode("utf-8", "backslashreplace")
        if len(raw) <= limit:
            return raw.decode()
    head = _clipped(text[:head_limit].encode("utf-8", "backslashreplace")[:head_limit])
    tail_limit = limit - head_limit
    tail = ""
    if tail_limit:
        tail = _clipped(text[-tail_limit:].encode("utf-8", "backslashreplace")[-tail_limit:])
    left_out = len(text) - len(head) - len(tail)
    return f"{head}\n[... {left_out:,} characters left out ...]\n{tail}".rstrip("\n")


def _clipped(raw: bytes) -> str:
    # A cut through a character leaves a part of it at the edge.
    return raw.decode("utf-8", "ignore")


def message_of(exc: BaseException) -> str:
    """Give the message of an exception, whatever its `__str__` does."""
    try:
        return str(exc)
    except Exception as error:  # noqa: BLE001 (user code, and the first error is the one to tell)
        return f"<message unavailable: __str__ raised {type(error).__name__}>"


def repr_of(value: object) -> str:
    """Give the repr of a value, whatever its `__repr__` does."""
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 (as above)
        return f"<{type(value).__name__} whose __repr__ raised {type(error).__name__}>"


def formatted_traceback(exc: BaseException, *, name: str, message: str) -> str:
    """Give the traceback of one exception as Python prints it, without those of its causes.

    Aion's frames at the top, which called the user's code, are left out; an error that has no
    other frames keeps them. Empty for an exception that was never raised.
    """
    start = outermost = exc.__traceback__
    if outermost is None:
        return ""
    while start is not None and _is_own(start.tb_frame.f_globals.get("__name__")):
        start = start.tb_next
    # A negative limit keeps the innermost frames.
    frames = traceback.extract_tb(start or outermost, limit=-_MOST_FRAMES)
    lines = ["Traceback (most recent call last):\n", *frames.format()]
    lines.append(f"{name}: {message}" if message else name)
    return bounded("".join(lines), _LONGEST_TRACEBACK, head_share=_HEAD_SHARE)


def _is_own(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _OWN_PACKAGES
