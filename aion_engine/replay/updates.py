"""Updates: messages that are validated, recorded and answered.

A refused update leaves no trace in history. An accepted one is an arrival like a signal; its handler's result
or error is a command event, and the run goes on whatever it is.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aion.authoring.context import UpdateInfo
from aion.authoring.handler_definition import DYNAMIC, Handler
from aion.authoring.interceptor_inputs import HandleUpdateInput
from aion.core.errors import ApplicationError, WorkflowCodeError
from aion.core.events import UpdateAccepted, UpdateCompleted
from aion.core.failures import Failure, failure_from
from aion.core.requests import UpdateRequest
from aion_engine.replay.command_log import CommandLog
from aion_engine.replay.inbound import around_update, validate_update
from aion_engine.replay.messages import Host, Messages, is_cancel

current_update: contextvars.ContextVar[UpdateInfo | None] = contextvars.ContextVar(
    "aion_update", default=None
)


class Updates:
    """Validates updates and runs their handlers."""

    def __init__(self, host: Host, messages: Messages, log: CommandLog) -> None:
        self._host = host
        self._messages = messages
        self._log = log
        self.handlers = dict(host.definition.updates)
        self.open: dict[str, str] = {}  # accepted and not completed: id to name

    def refuse(self, request: UpdateRequest) -> Failure | None:
        """Validate an update; give why it is refused, None when it is accepted.

        Raises:
            WorkflowCodeError: the validator acted instead of reading.
        """
        handler = self.handlers.get(request.name) or self.handlers.get(DYNAMIC)
        if handler is None:
            known = ", ".join(sorted(self.handlers)) or "none"
            workflow = self._host.definition.name
            text = f"Workflow {workflow} has no update {request.name!r}. It has: {known}"
            return failure_from(ApplicationError(text, type="UnknownUpdate", non_retryable=True))
        try:
            args, kwargs = handler.read(request.name, request.input, what=f"update {request.name}")
            chain = self._host.chains.validate_update
            if chain is not None or handler.validator is not None:
                with self._log.read_only():
                    validate_update(
                        chain,
                        lambda args, kwargs: self._validate(handler, args, kwargs),
                        HandleUpdateInput(
                            id=request.update_id,
                            name=request.name,
                            args=args,
                            kwargs=kwargs,
                            headers=request.headers,
                        ),
                    )
        except WorkflowCodeError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever the validator raises refuses the update
            return failure_from(error)
        return None

    def _validate(self, handler: Handler, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if handler.validator is None:
            return
        if handler.bound:
            handler.validator(*args, **kwargs)
        else:
            handler.validator(self._host.target, *args, **kwargs)

    def deliver(self, event: UpdateAccepted) -> None:
        """Run the handler of an accepted update. It gets arguments decoded afresh."""
        current_update.set(UpdateInfo(event.update_id, event.name))
        self.open[event.update_id] = event.name
        handler = self.handlers.get(event.name) or self.handlers.get(DYNAMIC)
        done = self._completion(event.update_id, handler)
        what = f"update {event.name}"
        if handler is None:
            done(None, ApplicationError(f"The code has no {what} any more", type="UnknownUpdate"))
            return
        try:
            args, kwargs = handler.read(event.name, event.input, what=what)
        except Exception as error:  # noqa: BLE001  # it was accepted: the answer is the error
            done(None, error)
            return
        around = around_update(self._host.chains.handle_update, event, (args, kwargs))
        self._messages.run(
            handler,
            args,
            kwargs,
            what=what,
            update_id=event.update_id,
            done=done,
            around=around,
        )

    def _completion(
        self, update_id: str, handler: Handler | None
    ) -> Callable[[Any, BaseException | None], None]:
        def done(result: Any, error: BaseException | None) -> None:
            if error is not None and not isinstance(error, Exception) and not is_cancel(error):
                self._host.fail(error)
                return
            if isinstance(error, WorkflowCodeError):
                self._host.fail(error)
                return
            self.open.pop(update_id, None)
            self._log.issue(self._completed(update_id, handler, result, error))

        return done

    def _completed(
        self, update_id: str, handler: Handler | None, result: Any, error: BaseException | None
    ) -> UpdateCompleted:
        if error is None and handler is not None:
            try:
                data = handler.signature.encode_result(result, what=f"update {handler.name}")
                return UpdateCompleted(update_id=update_id, result=msgspec.Raw(data))
            except Exception as unstorable:  # noqa: BLE001  # the answer is that there is none
                error = unstorable
        failure = failure_from(error or RuntimeError("no handler"))
        return UpdateCompleted(update_id=update_id, failure=failure)
