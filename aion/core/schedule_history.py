"""The codec of the histories of schedules, as `aion.core.history` is that of runs."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec

from aion.core.errors import HistoryError
from aion.core.events import schedules as _schedules
from aion.core.events.schedules import ScheduleEvent

SCHEDULE_KINDS: Final[dict[str, type[ScheduleEvent]]] = {
    value.__name__: value
    for value in vars(_schedules).values()
    if isinstance(value, type) and issubclass(value, ScheduleEvent) and value is not ScheduleEvent
}
"""Every kind of a schedule's events by its name."""

_DECODERS: Final = {name: msgspec.json.Decoder(kind) for name, kind in SCHEDULE_KINDS.items()}


class ScheduleRecorded(msgspec.Struct, frozen=True):
    """An event at its place in a schedule's history: `seq` from 1, gapless; `recorded_at` aware UTC."""

    seq: int
    recorded_at: dt.datetime
    event: ScheduleEvent

    @property
    def kind(self) -> str:
        """The event's kind, as stored."""
        return type(self.event).__name__

    @property
    def attributes(self) -> dict[str, Any]:
        """The event's attributes as plain JSON values."""
        attributes: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self.event))
        return attributes


def decode_schedule_event(kind: str, attributes: str | bytes) -> ScheduleEvent:
    """Read an event of a schedule back.

    Raises:
        HistoryError: the kind is unknown, or its attributes are broken.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise HistoryError(f"Unknown event kind {kind!r} of a schedule", kind=kind)
    try:
        return decoder.decode(attributes)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise HistoryError(
            f"The attributes of a {kind} cannot be read: {error}", kind=kind
        ) from error
