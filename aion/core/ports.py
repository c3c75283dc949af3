"""What the operations and the store's users need from the engine, as interfaces named in the settings.

An implementation is made once for each process, without arguments. None of these calls may be needed for
correctness, except the querier's answer: a bell may be lost, a hand-over is repeated by the sweep.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from aion.core.headers import NO_HEADERS, Headers
from aion.core.priority import DEFAULT


class Handover(msgspec.Struct, frozen=True):
    """An activity attempt that waits for a worker: its row, its attempt, where it goes.

    A doubtful one was published before: its message may still wait in the broker, or be lost.
    """

    task_id: uuid.UUID
    attempt: int
    task_queue: str
    activity_type: str
    doubtful: bool = False
    priority: int = DEFAULT


class Waiter(Protocol):
    """Waits for one thing to be rung."""

    def wait(self, timeout: float) -> bool:
        """Block until rung, at most `timeout` seconds; tell whether it was. No ring is lost in between."""

    def wait_for_urgent(self, timeout: float) -> None:
        """Block until an urgent ring, at most `timeout` seconds. `wait` hears of what was rung besides."""

    def ring(self) -> None:
        """Wake this waiter only. Safe from any thread and from signal handlers."""

    def close(self) -> None:
        """Stop listening."""


class Bell(Protocol):
    """Tells turn loops and result waiters that there is something to look at. Never raises."""

    listens: bool
    """Whether rings really arrive here, so that waiters may sleep long."""
    drives: bool
    """Whether waiting is what brings runs on, in the waiting thread: in tests only."""

    def ring_loops(self, *, urgent: bool = True) -> None:
        """Wake the turn loops: some run has a message. One that is not urgent can wait for a moment."""

    def ring_activities(self) -> None:
        """Wake those who run activities without a broker: some attempt waits."""

    def ring_closed(self, run_ids: Iterable[uuid.UUID]) -> None:
        """Wake those who wait for the results of these runs."""

    def loop_waiter(self) -> Waiter:
        """Listen for `ring_loops`."""

    def activity_waiter(self) -> Waiter:
        """Listen for `ring_activities`."""

    def result_waiter(self, run_id: uuid.UUID) -> Waiter:
        """Listen for `ring_closed` of one run."""

    def find_problem(self) -> str:
        """Say why rings are lost now; "" when all is well. Takes seconds at most."""


class Dispatcher(Protocol):
    """Hands activities over to those who run them. Never raises: the row is the truth."""

    def publish(self, handovers: Sequence[Handover]) -> None:
        """Announce attempts that wait."""

    def flush(self, timeout: float) -> bool:
        """Wait until what was announced has left this process; False after `timeout` seconds."""

    def queue_of(self, task_queue: str, activity_type: str) -> str:
        """Give the queue under which workers say that they take such an activity."""

    def find_problem(self) -> str:
        """Say why nothing can be handed over now; "" when all is well. Takes seconds at most."""


class Querier(Protocol):
    """Answers queries by replaying a throw-away instance."""

    def query(
        self, run_id: uuid.UUID, name: str, data: bytes, headers: Headers = NO_HEADERS
    ) -> bytes:
        """Give the encoded answer.

        Raises:
            QueryError: the handler failed, or there is none of this name.
        """
