"""Where a workflow's code stands: the answer to the built-in query `__stack_trace`."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

from aion_engine.replay.activities import Activities
from aion_engine.replay.children import Children
from aion_engine.replay.externals import Externals
from aion_engine.replay.loop import WorkflowLoop
from aion_engine.replay.plain_code import PlainRun
from aion_engine.replay.timers import Timers

_ENGINE = ("aion.", "aion_engine.")
_NOT_THE_USERS = (*_ENGINE, "asyncio")


class Stack:
    """Describes the tasks of a loop: where each stands, and what it waits for. Costs nothing until asked."""

    def __init__(
        self,
        loop: WorkflowLoop,
        timers: Timers,
        activities: Activities,
        children: Children,
        externals: Externals,
    ) -> None:
        self._loop = loop
        self._timers = timers
        self._activities = activities
        self._children = children
        self._externals = externals

    def trace(self, errors: list[str]) -> str:
        """Describe each task that waits, from the outside in, and the errors that nobody awaited."""
        parts = [self._described(task) for task in self._loop.tasks if not task.done()]
        parts = parts or ["Nothing waits: the code has ended or has not begun."]
        if errors:
            parts.append(
                "\n".join(["Errors that nobody has awaited:", *(f"  {e}" for e in errors)])
            )
        return "\n\n".join(parts)

    def _described(self, task: Any) -> str:
        frames = list(_frames(task.get_coro()))
        users = [frame for frame in frames if not _is_of(frame, _NOT_THE_USERS)]
        return "\n".join(
            [
                f"{task.get_name()}:",
                *(f"  {f.f_code.co_filename}:{f.f_lineno} in {_name(f)}" for f in users),
                f"  waits for {self._awaited(task, frames)}",
            ]
        )

    def _awaited(self, task: Any, frames: list[FrameType]) -> str:
        for frame in frames:  # the outermost word of the engine's or asyncio's says it best
            named = _by_function(frame)
            if named is not None:
                return named
        future = task._fut_waiter
        return self._named(future) or _of_asyncio(frames) or _grouped(future)

    def _named(self, future: Any) -> str | None:
        """Name what a future stands for; None when it is nobody's."""
        for activity in self._activities.pending.values():
            if activity.future is future:
                return f"activity {activity.call.activity_type} (id {activity.activity_id})"
        for child in self._children.pending.values():
            if child.future is future:
                return f"child workflow {child.call.workflow_type} (id {child.workflow_id})"
        if self._externals.awaits(future):
            return "the answer of another workflow"
        return self._timers.named(future)


def _by_function(frame: FrameType) -> str | None:
    """Say what a function of the engine waits for, where it knows better than the future."""
    if not _is_of(frame, _ENGINE):
        return None
    match frame.f_code.co_qualname:
        case "InstanceContext.receive":
            return f"signal {frame.f_locals.get('name')}"
        case "InstanceContext.wait_condition":
            return "a condition"
        case _:
            return None


def _of_asyncio(frames: list[FrameType]) -> str | None:
    """Name the outermost function of asyncio, such as `Queue.get`."""
    found = [_name(f) for f in frames if _is_of(f, ("asyncio",))]
    return f"asyncio's {found[0]}" if found else None


_MOST_NAMED: Final = 10


def _grouped(future: Any) -> str:
    """Name the tasks behind a future: itself, or those that it gathers."""
    if future is None:
        return "its turn"
    tasks = [future] if hasattr(future, "get_name") else getattr(future, "_children", [])
    names = [each.get_name() for each in tasks if hasattr(each, "get_name") and not each.done()]
    if not names:
        return "a future"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"task{'s' if len(names) > 1 else ''} {', '.join(names[:_MOST_NAMED])}{more}"


def _frames(coroutine: Any) -> Iterator[FrameType]:
    """Follow what each coroutine awaits, from the outside in."""
    while coroutine is not None:
        if isinstance(coroutine, PlainRun):
            yield from coroutine.frames()
            coroutine = coroutine.awaiting
            continue
        frame: FrameType | None = getattr(coroutine, "cr_frame", None) or getattr(
            coroutine, "gi_frame", None
        )
        if frame is not None:
            yield frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def _name(frame: FrameType) -> str:
    return frame.f_code.co_qualname


def _is_of(frame: FrameType, modules: tuple[str, ...]) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(modules)
