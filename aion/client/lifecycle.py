"""What ends, halts or repeats a run: the part of a handle that operators use."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Self

from aion.authoring.interception import chains
from aion.authoring.interceptor_inputs import CancelInput, TerminateInput
from aion.client.calls import through, twin
from aion.operations.cancel import cancel as _cancel
from aion.operations.pause import pause as _pause
from aion.operations.pause import resume as _resume
from aion.operations.release import release as _release
from aion.operations.reopen import reopen as _reopen
from aion.operations.reset import reset as _reset
from aion.operations.terminate import terminate as _terminate


@dataclasses.dataclass(frozen=True, slots=True)
class RunLifecycle:
    """A run by its ids, with the verbs that change its course."""

    workflow_id: str
    run_id: uuid.UUID | None = None
    created: bool = False
    workflow_type: str = ""

    @property
    def _named(self) -> str | None:
        """The run id as interceptors see it."""
        return str(self.run_id) if self.run_id else None

    def cancel(self, reason: str = "") -> None:
        """Ask the run to cancel itself; it may clean up first.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
        """
        asked = CancelInput(workflow_id=self.workflow_id, run_id=self._named, reason=reason)
        through(
            chains().cancel,
            asked,
            lambda input: _cancel(input.workflow_id, input.run_id, reason=input.reason),
        )

    def terminate(self, reason: str = "") -> None:
        """End the run at once, without running its code.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
        """
        asked = TerminateInput(workflow_id=self.workflow_id, run_id=self._named, reason=reason)
        through(
            chains().terminate,
            asked,
            lambda input: _terminate(input.workflow_id, input.run_id, reason=input.reason),
        )

    def pause(self, reason: str = "") -> None:
        """Let the run make no further turn until it is resumed.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
            WrongState: it is paused already.
        """
        _pause(self.workflow_id, self.run_id, reason=reason)

    def resume(self, reason: str = "") -> None:
        """Let the paused run go on with what has waited for it.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
            WrongState: it is not paused.
        """
        _resume(self.workflow_id, self.run_id, reason=reason)

    def release(self) -> None:
        """Let the held run try again now, with the code that the workers have.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
            WrongState: it is not held.
        """
        _release(self.workflow_id, self.run_id)

    async def arelease(self) -> None:
        """Async twin of `release`."""
        await twin(self.release)()

    def reopen(self, reason: str = "") -> None:
        """Let the failed, cancelled, timed out or terminated run go on from before its failure.

        Raises:
            RunNotFound: there is no such run.
            WrongState: it is open, it completed, or its workflow id has another open run.
        """
        _reopen(self.workflow_id, self.run_id, reason=reason)

    def reset(self, to_seq: int, reason: str = "", *, reapply_signals: bool = True) -> Self:
        """Go on from an event of the run's history as a new run; gives its handle.

        Raises:
            RunNotFound: there is no such run.
            InvalidArgument: the history cannot be cut behind `to_seq`; the message says where it can.
            WrongState: the workflow id has another open run.
        """
        run_id = _reset(
            self.workflow_id,
            self.run_id,
            to_seq=to_seq,
            reason=reason,
            reapply_signals=reapply_signals,
        )
        return dataclasses.replace(self, run_id=run_id, created=True)

    async def acancel(self, reason: str = "") -> None:
        """Async twin of `cancel`."""
        await twin(self.cancel)(reason)

    async def aterminate(self, reason: str = "") -> None:
        """Async twin of `terminate`."""
        await twin(self.terminate)(reason)

    async def apause(self, reason: str = "") -> None:
        """Async twin of `pause`."""
        await twin(self.pause)(reason)

    async def aresume(self, reason: str = "") -> None:
        """Async twin of `resume`."""
        await twin(self.resume)(reason)

    async def areopen(self, reason: str = "") -> None:
        """Async twin of `reopen`."""
        await twin(self.reopen)(reason)

    async def areset(self, to_seq: int, reason: str = "", *, reapply_signals: bool = True) -> Self:
        """Async twin of `reset`."""
        handle: Self = await twin(self.reset)(to_seq, reason, reapply_signals=reapply_signals)
        return handle
