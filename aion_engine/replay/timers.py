"""The durable timers that a workflow instance waits for."""

from __future__ import annotations

import datetime as dt

from aion.core.commands import Command
from aion.core.events import TimerCancelled, TimerStarted
from aion_engine.replay.command_log import CommandLog, Mode
from aion_engine.replay.loop import TimerHandle, WorkflowLoop

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LAST = dt.datetime.max.replace(tzinfo=dt.UTC) - dt.timedelta(days=366)


class Timers:
    """Starts timers for the loop, fires and cancels them."""

    def __init__(self, log: CommandLog) -> None:
        self._log = log
        self._count = 0
        self._pending: dict[str, tuple[TimerHandle, Command, int]] = {}

    def start_timer(self, handle: TimerHandle, summary: str) -> None:
        """Start a durable timer for the handle.

        Raises:
            OverflowError: the time is beyond what the calendar holds.
        """
        fire_at = due_at(handle.deadline)
        self._count += 1
        handle.timer_id = str(self._count)
        command = self._log.issue(
            TimerStarted(timer_id=handle.timer_id, fire_at=fire_at, summary=summary)
        )
        handle.on_cancel = self._cancelled
        self._pending[handle.timer_id] = (handle, command, self._log.epoch)

    def _cancelled(self, handle: TimerHandle) -> None:
        entry = self._pending.pop(handle.timer_id, None)
        if entry is None or self._log.mode is Mode.CLOSING:
            return
        _, command, epoch = entry
        if epoch == self._log.epoch:
            command.dropped = True
        else:
            self._log.issue(TimerCancelled(timer_id=handle.timer_id))

    def expects(self, timer_id: str) -> bool:
        """Tell whether this timer still waits to fire."""
        return timer_id in self._pending

    def named(self, future: object) -> str | None:
        """Name the timer that completes a future, None when there is none."""
        for handle, command, _ in self._pending.values():
            if any(each is future for each in handle.args):
                event = command.event
                assert isinstance(event, TimerStarted)  # noqa: S101  # `start_timer` made it
                about = f", {event.summary}" if event.summary else ""
                return f"timer {event.timer_id} (until {event.fire_at.isoformat()}{about})"
        return None

    def fire(self, timer_id: str, loop: WorkflowLoop) -> None:
        """Make the timer's callback ready."""
        handle, _, _ = self._pending.pop(timer_id)
        loop.ready.append(handle)


def due_at(seconds: float) -> dt.datetime:
    """Turn loop time into a date, to the microsecond.

    Raises:
        OverflowError: the date lies beyond year 9998.
    """
    try:
        fire_at = EPOCH + dt.timedelta(microseconds=round(seconds * 1_000_000))
    except OverflowError:
        fire_at = dt.datetime.max.replace(tzinfo=dt.UTC)
    if fire_at > LAST:
        raise OverflowError(f"A timer cannot be due after {LAST:%Y}")
    return fire_at
