"""Errors of tasks that nobody awaits: they end no run, so somebody has to be told.

A task that fails is let go of at the end of the drain. If the code does not hold it either, nobody can ask
for its error any more: it is noted then, and logged unless the code runs over recorded events. If the code
holds it, it may still be awaited: it is noted when the code lets go of it, or when the run closes.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Protocol

from aion_engine.replay.futures import WorkflowTask
from aion_engine.replay.user_code import is_users

log = logging.getLogger("aion.workflow")

_MOST_NOTED: Final = 50


class Host(Protocol):
    """What is needed of the instance whose tasks these are."""

    run_id: str

    @property
    def replaying(self) -> bool:
        """Whether the code runs over recorded events."""

    @property
    def closing(self) -> bool:
        """Whether the instance is thrown away: what fails then means nothing."""


class TaskErrors:
    """Watches the tasks of a loop; `noted` are the errors that nobody has asked for, in words."""

    def __init__(self, host: Host, on_mistake: Callable[[BaseException], None]) -> None:
        self._host = host
        self._on_mistake = on_mistake
        self._failed: list[Any] = []  # in this drain
        self._held: list[weakref.ref[Any]] = []  # failed and not awaited, but the code has them
        self.noted: list[str] = []

    def ended(self, task: Any) -> None:
        """Look at a task that is done. Those who await it wake after this."""
        if not task.cancelled() and task._log_traceback:
            self._failed.append(task)

    def let_go(self, tasks: list[Any]) -> None:
        """Drop the tasks that failed in this drain; what the code does not hold ends here."""
        while self._failed:
            task = self._failed.pop(0)
            if task._log_traceback:
                self._held.append(weakref.ref(task))
                tasks.remove(task)
        task = None
        self._held = [each for each in self._held if each() is not None]

    def unawaited(self, context: dict[str, Any]) -> None:
        """Take the error of a task or future that has gone without being asked."""
        error = context.get("exception")
        if error is None or self._host.closing:
            return
        self._on_mistake(error)
        task = context.get("future")
        if isinstance(task, WorkflowTask):
            self._note(task, error)

    def note_held(self) -> None:
        """Note what the code holds and has not awaited: the run closes."""
        for task in filter(None, [each() for each in self._held]):
            if task._log_traceback:
                error = task.exception()  # it is asked for now, and not noted again
                self._note(task, error)

    def _note(self, task: Any, error: BaseException) -> None:
        name = f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', 'a coroutine')})"
        what = f"{name} failed: {type(error).__name__}: {error}{_place(error.__traceback__)}"
        if len(self.noted) < _MOST_NOTED:
            self.noted.append(what)
        if not self._host.replaying:
            log.warning(
                "Run %s: task %s. Nobody awaited it, so the run goes on; await the task, or handle "
                "the error inside it",
                self._host.run_id,
                what,
                extra={"run_id": self._host.run_id},
            )


def _place(traceback: TracebackType | None) -> str:
    """Name the innermost line of the user's code."""
    place = ""
    while traceback is not None:
        if is_users(traceback.tb_frame):
            place = f" at {traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
