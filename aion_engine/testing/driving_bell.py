"""The bell of a test environment: whoever waits for a run drives it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Final, Protocol

from aion.core.errors import OperationError

MOST_WAITS: Final = 10_000


class NothingMoves(OperationError):
    """What is waited for will not come by itself. The message says what the run waits for."""

    code = "nothing_moves"


class Driver(Protocol):
    """What waiters ask of the environment."""

    def drive(self, run_id: uuid.UUID, seconds: float) -> bool:
        """Bring a run on, by at most so many seconds of its time; tell whether anything happened."""


_drivers: list[Driver] = []
"""The environment that is open, if one is. The settings make bells without arguments."""


def take_wheel(driver: Driver) -> None:
    """Let an environment be driven by those who wait.

    Raises:
        RuntimeError: another one is open.
    """
    if _drivers:
        raise RuntimeError("Another WorkflowEnvironment is open: close it first")
    _drivers.append(driver)


def leave_wheel(driver: Driver) -> None:
    """Stop that."""
    if driver in _drivers:
        _drivers.remove(driver)


class DrivingWaiter:
    """Waits for a run by bringing it on."""

    def __init__(self, run_id: uuid.UUID | None) -> None:
        self._run_id = run_id
        self._waits = 0

    def wait(self, timeout: float) -> bool:
        """Do something, and let the caller look; at most `timeout` seconds of the environment's time pass.

        Raises:
            NothingMoves: other things happen for ever, and not what is waited for.
        """
        if self._run_id is None:
            return False
        self._waits += 1
        if self._waits > MOST_WAITS:
            raise NothingMoves(
                f"Run {self._run_id} is where it was after {MOST_WAITS} moments: give the wait a timeout, "
                "or end what goes on for ever beside it",
                run_id=self._run_id,
            )
        return _drivers[0].drive(self._run_id, timeout)

    def wait_for_urgent(self, timeout: float) -> None:
        """Nobody rings."""

    def ring(self) -> None:
        """Nobody sleeps."""

    def close(self) -> None:
        """Nothing is held."""


class DrivingBell:
    """Rings nobody, for nobody sleeps."""

    listens = False
    drives = True

    def ring_loops(self, *, urgent: bool = True) -> None:
        """Nothing waits for it."""

    def ring_activities(self) -> None:
        """Nothing waits for it."""

    def ring_closed(self, run_ids: Iterable[uuid.UUID]) -> None:
        """Nothing waits for it."""

    def loop_waiter(self) -> DrivingWaiter:
        """Give a waiter that is not waited for."""
        return DrivingWaiter(None)

    def activity_waiter(self) -> DrivingWaiter:
        """Give a waiter that is not waited for."""
        return DrivingWaiter(None)

    def result_waiter(self, run_id: uuid.UUID) -> DrivingWaiter:
        """Give a waiter that brings the run on."""
        return DrivingWaiter(run_id)

    def find_problem(self) -> str:
        """Nothing can be wrong."""
        return ""
