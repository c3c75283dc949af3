"""Signals and queries: from a name in a message to the handler in the code.

Signals without a handler are kept in the order of their arrival, over all names. They go to a handler that is
registered later, or to `workflow.receive`, or to the successor of the run.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec

from aion.authoring.handler_definition import DYNAMIC, Handler, HandlerUnfinishedPolicy
from aion.authoring.interception import Chains
from aion.authoring.workflow_definition import WorkflowDefinition
from aion.core.errors import (
    PayloadError,
    QueryError,
    ReadOnlyContext,
    UnknownQuery,
    WorkflowCodeError,
)
from aion.core.events import SignalReceived
from aion.core.headers import Headers
from aion.core.payloads import decode
from aion.core.signatures import decode_arguments
from aion_engine.replay.inbound import Around, answer_query, around_signal
from aion_engine.replay.plain_code import handle

log = logging.getLogger("aion.workflow")


class Host(Protocol):
    """What messages need of the instance that they are for."""

    definition: WorkflowDefinition
    run_id: str
    target: Any
    chains: Chains

    @property
    def replaying(self) -> bool:
        """Whether the code runs over recorded events."""

    def fail(self, error: BaseException) -> None:
        """End or hold the run because of an error."""

    def spawn(self, coroutine: Any, name: str, context: contextvars.Context | None = None) -> Any:
        """Run a coroutine as a task of the workflow."""

    def step(self, task: Any) -> None:
        """Run the first step of the task that was spawned last, now and not in its turn."""

    def built_in_query(self, name: str) -> str | None:
        """Answer `__stack_trace` and `__current_details`; None for every other name."""


class RunningHandler(NamedTuple):
    """An async handler that has not finished; `what` is its kind and name."""

    what: str
    update_id: str
    policy: HandlerUnfinishedPolicy

    def __str__(self) -> str:
        return f"{self.what} (id {self.update_id})" if self.update_id else self.what


class Messages:
    """Delivers signals in their order, keeps those without a handler, answers queries."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.unhandled: list[SignalReceived] = []
        self._readers: dict[str, list[object]] = {}  # by name, those who wait to take a signal
        self.running: dict[Any, RunningHandler] = {}  # by their tasks, in the order of their start
        self.signals = dict(host.definition.signals)
        self.queries = dict(host.definition.queries)

    # --- signals ---

    def deliver(self, signal: SignalReceived) -> None:
        """Run the signal's handler; without one the signal is kept.

        Arguments that cannot be decoded are logged and dropped: a bad sender must not harm the run.
        """
        handler = self.signals.get(signal.name) or self.signals.get(DYNAMIC)
        if handler is None:
            self.unhandled.append(signal)
            return
        what = f"signal {signal.name}"
        try:
            args, kwargs = handler.read(signal.name, signal.input, what=what)
        except PayloadError as error:
            self.log_dropped(error)
            return
        around = around_signal(self._host.chains.handle_signal, signal, (args, kwargs))
        self.run(handler, args, kwargs, what=what, around=around)

    def log_dropped(self, error: PayloadError) -> None:
        """Log that a signal does not fit: once, and not again on replay."""
        if not self._host.replaying:
            log.error("Run %s drops a signal: %s", self._host.run_id, error)

    def run(
        self,
        handler: Handler,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        what: str,
        update_id: str = "",
        done: Callable[[Any, BaseException | None], None] | None = None,
        around: Around | None = None,
    ) -> None:
        """Run a handler, plain or async; `done` gets its result or error, which otherwise ends the run.

        With interceptors `around` it, or in a plain workflow, where it may wait, a plain handler is a task,
        too. It takes its first step at once, so that it is done at the same point as without them, unless
        something waits.
        """
        finish = done or self._signal_done
        waits = handler.is_async or self._host.definition.is_plain
        call = partial(handle, self._host.definition, handler, self._host.target)
        try:
            outcome = call(args, kwargs) if around is None else around(call, waits)
        except BaseException as error:  # noqa: BLE001  # `finish` sorts out what it means
            finish(None, error)
            return
        if around is None and not waits:
            finish(outcome, None)
            return
        # An update's handler keeps the context in which it is current; a signal's has none of its own.
        context = contextvars.copy_context() if done is not None else None
        task = self._host.spawn(outcome, what.replace(" ", "-"), context)
        if not handler.is_async:
            self._host.step(task)
            if task.done():
                self._settle(task, finish)
                return
        self.running[task] = RunningHandler(what, update_id, handler.options.unfinished_policy)
        task.add_done_callback(lambda task: self._ended(task, finish))

    def _ended(self, task: Any, finish: Callable[[Any, BaseException | None], None]) -> None:
        del self.running[task]
        self._settle(task, finish)

    def _settle(self, task: Any, finish: Callable[[Any, BaseException | None], None]) -> None:
        if task.cancelled():
            finish(None, task._make_cancelled_error())
            return
        error = task.exception()
        finish(None if error else task.result(), error)

    def _signal_done(self, result: Any, error: BaseException | None) -> None:
        if result is not None and inspect.iscoroutine(result):
            result.close()
            error = WorkflowCodeError(
                f"A signal handler gave the coroutine {result.__qualname__}, which nobody awaits: "
                "write the handler as `async def`, and await it there"
            )
        if error is not None and not is_cancel(error):
            self._host.fail(error)

    def set_handler(self, what: str, key: str, handler: Handler | None) -> None:
        """Register or remove a handler while the code runs; kept signals go to it at once, in order."""
        table = self.queries if what == "query" else self.signals
        if handler is None:
            table.pop(key, None)
            return
        table[key] = handler
        if what != "signal":
            return
        waiting, self.unhandled = self.unhandled, []
        for signal in waiting:
            self.deliver(signal)

    def queue_up(self, name: str) -> object:
        """Join those who wait for a signal of a name; gives the place in their queue."""
        place = object()
        self._readers.setdefault(name, []).append(place)
        return place

    def leave(self, name: str, place: object) -> None:
        """Leave the queue: with a signal, or without because time is up."""
        readers = self._readers[name]
        readers.remove(place)
        if not readers:
            del self._readers[name]

    def is_there(self, name: str, place: object) -> bool:
        """Tell whether enough signals of this name are kept for everybody up to this place."""
        kept = sum(signal.name == name for signal in self.unhandled)
        return kept > 0 and self._readers[name].index(place) < kept

    def take(self, name: str, hint: Any) -> Any:
        """Take the oldest kept signal of a name: its argument, decoded.

        Raises:
            PayloadError: it does not fit; it is taken nevertheless.
        """
        index = next(i for i, signal in enumerate(self.unhandled) if signal.name == name)
        signal = self.unhandled.pop(index)
        what = f"signal {name}"
        args, _ = decode_arguments(signal.input, what=what)
        value = args[0] if len(args) == 1 else (list(args) or None)
        if hint is Any:
            return value
        return decode(msgspec.json.encode(value), hint, field=f"the argument of {what}")

    # --- queries ---

    def answer(self, name: str, data: bytes, headers: Headers) -> bytes:
        """Run a query's handler, or a built-in query, and give its encoded result."""
        built_in = self._host.built_in_query(name)
        if built_in is not None:
            return msgspec.json.encode(built_in)
        handler = self.queries.get(name) or self.queries.get(DYNAMIC)
        if handler is None:
            raise self._unknown(name)
        what = f"query {name}"
        try:
            arguments = handler.read(name, msgspec.Raw(data), what=what)
            if self._host.target is None and not handler.bound:
                raise RuntimeError("the workflow has not started yet, or its __init__ failed")
            chain = self._host.chains.handle_query
            result = answer_query(chain, handler, self._host.target, name, arguments, headers)
            return handler.signature.encode_result(result, what=what)
        except ReadOnlyContext as error:
            text = f"Query {name!r} tried to change the run: {error}"
            raise QueryError(text, query=name) from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise QueryError(f"Query {name!r} failed: {reason}", query=name) from error

    def _unknown(self, name: str) -> UnknownQuery:
        known = ", ".join(sorted(self.queries)) or "none"
        workflow = self._host.definition.name
        return UnknownQuery(
            f"Workflow {workflow} has no query {name!r}. It has: {known}", query=name
        )


def is_cancel(error: BaseException) -> bool:
    """Tell whether an error is asyncio's cancellation."""
    return isinstance(error, asyncio.CancelledError)
