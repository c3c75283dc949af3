"""Timers: started, fired, cancelled."""

from __future__ import annotations

import datetime as dt

from aion.core.events.base import (
    UNSET,
    Arrival,
    CommandEvent,
    SealedTexts,
)


class TimerStarted(CommandEvent, frozen=True, kw_only=True):
    """The workflow asked to be woken."""

    timer_id: str
    fire_at: dt.datetime
    summary: str = ""
    sealed: SealedTexts = UNSET

    @property
    def key(self) -> tuple[str, ...]:
        """The timer's id."""
        return (self.timer_id,)


class TimerFired(Arrival, frozen=True, kw_only=True):
    """The timer's time came."""

    timer_id: str


class TimerCancelled(CommandEvent, frozen=True, kw_only=True):
    """The workflow no longer needs the timer."""

    timer_id: str

    @property
    def key(self) -> tuple[str, ...]:
        """The timer's id."""
        return (self.timer_id,)
