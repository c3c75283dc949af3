"""The codec of histories: event kinds by name, attributes as JSON, and the recorded envelope."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from aion.core import events
from aion.core.errors import HistoryError
from aion.core.events import Event

_ABSTRACT: Final = {
    events.Event,
    events.Arrival,
    events.CommandEvent,
    events.ActivityOutcome,
    events.ChildOutcome,
    events.Ending,
    events.EngineEnding,
}


def _kinds() -> dict[str, type[Event]]:
    found = (value for value in vars(events).values() if isinstance(value, type))
    return {
        value.__name__: value
        for value in found
        if issubclass(value, Event) and value not in _ABSTRACT
    }


KINDS: Final[dict[str, type[Event]]] = _kinds()
"""Every event kind by its name."""

_DECODERS: Final = {name: msgspec.json.Decoder(kind) for name, kind in KINDS.items()}
_encode = msgspec.json.Encoder().encode


class Recorded(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An event at its place in history: `seq` from 1, gapless; `recorded_at` aware UTC.

    `size` is the bytes of its attributes where it was read from, which is not what the event is.
    """

    seq: int
    recorded_at: dt.datetime
    event: Event
    size: int = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Recorded):
            return NotImplemented
        mine = (self.seq, self.recorded_at, self.event)
        return mine == (other.seq, other.recorded_at, other.event)

    __hash__ = None  # type: ignore[assignment]  # events hold dicts

    @property
    def stored_size(self) -> int:
        """The bytes of the attributes as they are stored, or will be."""
        return self.size or len(encode_event(self.event))

    @property
    def kind(self) -> str:
        """The event's kind, as stored."""
        return type(self.event).__name__

    @property
    def attributes(self) -> dict[str, Any]:
        """The event's attributes as plain JSON values, payloads included."""
        attributes: dict[str, Any] = msgspec.json.decode(encode_event(self.event))
        return attributes


def encode_event(event: Event) -> bytes:
    """Give the attributes of an event as JSON."""
    return _encode(event)


def decode_event(kind: str, attributes: str | bytes) -> Event:
    """Read an event back.

    Raises:
        HistoryError: the kind is unknown (written by a newer Aion?) or its attributes are broken.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise HistoryError(
            f"Unknown event kind {kind!r}: was this history written by a newer Aion?", kind=kind
        )
    try:
        return decoder.decode(attributes)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise HistoryError(
            f"The attributes of a {kind} cannot be read: {error}", kind=kind
        ) from error


def to_lines(history: Iterable[Recorded]) -> Iterator[bytes]:
    """Write a history as JSON lines: seq, recorded_at, kind, attributes."""
    for recorded in history:
        yield _encode(
            {
                "seq": recorded.seq,
                "recorded_at": recorded.recorded_at,
                "kind": recorded.kind,
                "attributes": msgspec.Raw(encode_event(recorded.event)),
            }
        )


ASIDE: Final = b'{"aion":'
"""How lines of an archive begin that are no events."""


def _is_aside(text: bytes | str) -> bool:
    return text.startswith(ASIDE) if isinstance(text, bytes) else text.startswith(ASIDE.decode())


class _Line(msgspec.Struct, frozen=True):
    seq: int
    recorded_at: dt.datetime
    kind: str
    attributes: msgspec.Raw


def from_lines(lines: Iterable[bytes | str]) -> list[Recorded]:
    """Read a history from JSON lines; those of an archive that are no events are left out.

    Raises:
        HistoryError: a line is broken, or `seq` has a gap; the message names the line.
    """
    history: list[Recorded] = []
    for number, text in enumerate(lines, 1):
        if not text.strip() or _is_aside(text):
            continue
        try:
            line = msgspec.json.decode(text, type=_Line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise HistoryError(f"Line {number} is not an event: {error}", line=number) from error
        if history and line.seq != history[-1].seq + 1:
            expected = history[-1].seq + 1
            raise HistoryError(
                f"Line {number} has seq {line.seq}, expected {expected}", line=number
            )
        attributes = bytes(line.attributes)
        event = decode_event(line.kind, attributes)
        history.append(Recorded(line.seq, line.recorded_at, event, len(attributes)))
    return history
