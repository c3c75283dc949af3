"""Runs a workflow written as a plain function, on the loop of its coroutines and with their history.

Theory of operation
-------------------
The function runs on a greenlet: a stack of its own in the same thread. To the loop it is a coroutine like
any other, whose innermost awaitable is `PlainRun`. Where the function waits, it drives the coroutine it
waits for itself, so that the lines of its own code stay below on the stack, up to the future that this
yields; then it switches to the loop's stack with the future, `PlainRun` yields it to the task, and the task
sleeps. What the task gets for it, a value or a cancel, is switched back. So the order of things is that of
`await`, and a history does not tell how its code was written.

Only the loop's thread may switch to a greenlet, as only it runs an instance. An instance that ends on the
way is closed like coroutines are: by an exception at the place where it waits.
"""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from types import FrameType, TracebackType
from typing import Any, TypeVar

from aion.authoring.handler_definition import Handler
from aion.authoring.plain import current_plain_code
from aion.authoring.workflow_definition import WorkflowDefinition

T = TypeVar("T")


def begin(
    definition: WorkflowDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Coroutine[Any, Any, Any]:
    """Give the coroutine of a workflow, however it is written."""
    if definition.is_plain:
        return run_plainly(definition.run, *args, **kwargs)
    coroutine: Coroutine[Any, Any, Any] = definition.run(*args, **kwargs)
    return coroutine


def handle(
    definition: WorkflowDefinition,
    handler: Handler,
    target: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call a handler of a message; a plain one of a plain workflow gives a coroutine, so that it may wait."""
    if definition.is_plain and not handler.is_async:
        return run_plainly(handler.call, target, args, kwargs)
    return handler.call(target, args, kwargs)


async def run_plainly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a plain function as a coroutine; a function that gives an awaitable is awaited as well."""
    result = await PlainRun(function, args, kwargs)
    return await result if inspect.isawaitable(result) else result


class PlainRun(Generator[Any, Any, Any]):
    """One run of a plain function: what the task awaits, and what the function waits with."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        from greenlet import getcurrent, greenlet

        self._call = (function, args, kwargs)
        self._back = getcurrent()  # the stack of whoever drives this: the loop's, as a rule
        self._greenlet = greenlet(self._run, self._back)
        self._greenlet.gr_context = contextvars.copy_context()
        self.awaiting: Coroutine[Any, Any, Any] | None = None  # what the function waits for

    # --- on the loop's stack: an iterator, as `await` drives it ---

    def __await__(self) -> PlainRun:
        return self

    def __next__(self) -> Any:  # the base class's would stand in tracebacks as code of the user
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on where the function waits, with what the task got for the future; first, begin."""
        return self._switched(self._greenlet.switch(value))

    def throw(self, error: Any, value: Any = None, traceback: TracebackType | None = None) -> Any:
        """Raise an exception where the function waits."""
        return self._switched(self._greenlet.throw(error, value, traceback))

    def _switched(self, given: Any) -> Any:
        if self._greenlet.dead:
            raise StopIteration(given)
        return given  # a future: the task shall sleep until it is done

    # --- on the function's stack ---

    def _run(self, _: None) -> Any:
        current_plain_code.set(self)
        function, args, kwargs = self._call
        try:
            return function(*args, **kwargs)
        except StopIteration as error:  # to the task it would mean that the function returned
            raise RuntimeError("The workflow raised StopIteration") from error

    def is_running(self) -> bool:
        """Tell whether the caller is the function, and not a coroutine that it waits for."""
        from greenlet import getcurrent

        return getcurrent() is self._greenlet and self.awaiting is None

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Stop the function until the outcome is there, and give or raise it."""
        self.awaiting = coroutine = _outcome(awaitable)
        resume: Callable[[], Any] = lambda: coroutine.send(None)  # replaced below
        try:
            while True:
                future = resume()
                resume = self._sleep(coroutine, future)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            self.awaiting = None

    def _sleep(self, coroutine: Coroutine[Any, Any, Any], future: Any) -> Callable[[], Any]:
        """Sleep until the future is done, and say how the coroutine goes on."""
        try:
            value = self._back.switch(future)
        except BaseException as error:  # noqa: BLE001  # whatever it is, the coroutine is told
            told = error
            return lambda: coroutine.throw(told)
        return lambda: coroutine.send(value)

    def beside(
        self, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, Any]:
        """Give a coroutine that runs another plain function in the same way."""
        return run_plainly(function, *args, **kwargs)

    # --- for the stack trace ---

    def frames(self) -> Iterator[FrameType]:
        """Give the frames of the waiting function, from the outside in."""
        frame: FrameType | None = self._greenlet.gr_frame
        found: list[FrameType] = []
        while frame is not None:
            found.append(frame)
            frame = frame.f_back
        return reversed(found)


async def _outcome(awaitable: Awaitable[T]) -> T:
    return await awaitable
