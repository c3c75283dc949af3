"""Signals and queries: from a name in a message to the handler in the code."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from aion.authoring.workflow_definition import Handler
from aion.core.errors import PayloadError, QueryError, ReadOnlyContext, UnknownQuery
from aion.core.events import SignalReceived
from aion_engine.replay.command_log import CommandLog

if TYPE_CHECKING:
    from aion_engine.replay.instance import Instance

log = logging.getLogger("aion.workflow")


class Messages:
    """Delivers signals in their order, keeps those without a handler, answers queries."""

    def __init__(self, instance: Instance, command_log: CommandLog) -> None:
        self._instance = instance
        self._log = command_log
        self.unhandled: list[SignalReceived] = []

    def deliver(self, signal: SignalReceived) -> None:
        """Run the signal's handler; without one the signal is kept.

        Arguments that cannot be decoded are logged and dropped: a bad sender must not harm the run.
        """
        handler = self._instance.definition.signals.get(signal.name)
        if handler is None:
            self.unhandled.append(signal)
            return
        try:
            args, kwargs = handler.signature.decode(signal.input, what=f"signal {signal.name}")
        except PayloadError as error:
            if not self._instance.context.replaying:
                log.error("Run %s drops a signal: %s", self._instance.run_id, error)  # noqa: TRY400
            return
        try:
            outcome = handler.function(self._instance.target, *args, **kwargs)
        except BaseException as error:
            self._instance.fail(error)
            return
        if handler.is_async:
            task = self._instance.spawn(outcome, f"signal-{signal.name}")
            task.add_done_callback(self._handler_ended)

    def _handler_ended(self, task: Any) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._instance.fail(task.exception())

    def answer(self, name: str, data: bytes) -> bytes:
        """Run a query's handler and give its encoded result."""
        handler = self._instance.definition.queries.get(name)
        if handler is None:
            raise self._unknown(name)
        what = f"query {name}"
        try:
            args, kwargs = handler.signature.decode(msgspec.Raw(data), what=what)
            result = self._call(handler, args, kwargs)
            return handler.signature.encode_result(result, what=what)
        except ReadOnlyContext as error:
            raise QueryError(
                f"Query {name!r} tried to change the run: {error}", query=name
            ) from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise QueryError(f"Query {name!r} failed: {reason}", query=name) from error

    def _call(self, handler: Handler, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._instance.target is None:
            raise RuntimeError("the workflow has not started yet, or its __init__ failed")
        return handler.function(self._instance.target, *args, **kwargs)

    def _unknown(self, name: str) -> UnknownQuery:
        known = ", ".join(sorted(self._instance.definition.queries)) or "none"
        workflow = self._instance.definition.name
        return UnknownQuery(
            f"Workflow {workflow} has no query {name!r}. It has: {known}", query=name
        )
