"""Where a workflow's code stands: the answer to the built-in query `__stack_trace`."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from aion_engine.replay.plain_code import PlainRun

_ENGINE = ("aion.", "aion_engine.", "asyncio")


def stack_trace(tasks: list[Any]) -> str:
    """Describe each task that waits: its name, and the lines of user code from the outside in."""
    parts = []
    for task in tasks:
        if task.done():
            continue
        lines = [f"{task.get_name()}:"]
        lines.extend(f"  {file}:{line} in {name}" for file, line, name in _lines(task.get_coro()))
        parts.append("\n".join(lines))
    return "\n\n".join(parts) or "Nothing waits: the code has ended or has not begun."


def _lines(coroutine: Any) -> Iterator[tuple[str, int, str]]:
    """Follow what each coroutine awaits; frames of the engine and of asyncio are left out."""
    while coroutine is not None:
        if isinstance(coroutine, PlainRun):
            yield from map(_line, (f for f in coroutine.frames() if not _is_engine(f)))
            coroutine = coroutine.awaiting
            continue
        frame: FrameType | None = getattr(coroutine, "cr_frame", None) or getattr(
            coroutine, "gi_frame", None
        )
        if frame is not None and not _is_engine(frame):
            yield _line(frame)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def _line(frame: FrameType) -> tuple[str, int, str]:
    code: CodeType = frame.f_code
    return code.co_filename, frame.f_lineno, code.co_qualname


def _is_engine(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(_ENGINE)
