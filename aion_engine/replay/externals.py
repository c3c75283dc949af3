"""Messages of a workflow to other workflows: signals and cancel requests, each delivered exactly once.

The command event records that the message was sent; the receiver's turn answers in the commit that takes the
message (or, when there is no open receiver, refuses it). The code waits for that answer.
"""

from __future__ import annotations

import asyncio

import msgspec

from aion.authoring.context import SignalCall
from aion.core.commands import Command, Site
from aion.core.events import (
    ExternalCancelRequested,
    ExternalRequestDelivered,
    ExternalRequestFailed,
    SignalSent,
)
from aion.core.failures import exception_from
from aion_engine.replay.command_log import CommandLog, Mode
from aion_engine.replay.futures import PendingResult
from aion_engine.replay.loop import WorkflowLoop


class Externals:
    """Sends messages, and settles their futures when answers are folded."""

    def __init__(self, loop: WorkflowLoop, log: CommandLog) -> None:
        self._loop = loop
        self._log = log
        self._count = 0
        self._lineage = ""
        self._pending: dict[str, PendingResult] = {}

    def signal(self, call: SignalCall, site: Site | None) -> asyncio.Future[None]:
        """Send a signal."""
        self._log.check(call.name)
        return self._send(
            SignalSent(
                workflow_id=call.workflow_id,
                run_id=call.run_id,
                name=call.name,
                input=msgspec.Raw(call.input),
                request_id=self._next_id(),
                receiver_request_id=call.request_id,
                headers=dict(call.headers),
            ),
            site,
        )

    def cancel(
        self, workflow_id: str, run_id: str, reason: str, site: Site | None
    ) -> asyncio.Future[None]:
        """Ask another run to cancel itself."""
        self._log.check(reason)
        return self._send(
            ExternalCancelRequested(
                workflow_id=workflow_id,
                run_id=run_id,
                reason=reason,
                request_id=self._next_id(),
            ),
            site,
        )

    def _next_id(self) -> str:
        self._count += 1
        return f"{self._lineage}{self._count}"

    def reopened(self, seed: str) -> None:
        """Use other request ids from now on: those of what was undone may still be answered."""
        self._lineage = f"{seed}."

    def _send(
        self, event: SignalSent | ExternalCancelRequested, site: Site | None
    ) -> asyncio.Future[None]:
        command = self._log.issue(event, site)
        epoch = self._log.epoch
        future = PendingResult(
            loop=self._loop,
            ordinal=self._loop.next_ordinal(),
            on_cancel=lambda: self._give_up(event.request_id, command, epoch),
        )
        self._pending[event.request_id] = future
        return future

    def _give_up(self, request_id: str, command: Command, epoch: int) -> bool:
        """A message not written yet is taken back; a sent one is only no longer waited for."""
        self._pending.pop(request_id, None)
        if self._log.mode is not Mode.CLOSING and epoch == self._log.epoch:
            command.dropped = True
        return True

    def expects(self, request_id: str) -> bool:
        """Tell whether the answer is still wanted."""
        return request_id in self._pending

    def awaits(self, future: object) -> bool:
        """Tell whether a future is that of an answer."""
        return any(each is future for each in self._pending.values())

    def settle(self, event: ExternalRequestDelivered | ExternalRequestFailed) -> None:
        """Give the answer to the code that waits."""
        future = self._pending.pop(event.request_id)
        match event:
            case ExternalRequestDelivered():
                future.set_result(None)
            case ExternalRequestFailed():
                future.set_exception(exception_from(event.failure))
