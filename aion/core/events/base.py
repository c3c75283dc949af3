"""The base of all events: their roles, and the payloads inside them."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

import msgspec

Payload = msgspec.Raw
"""User data as encoded JSON, passed along without being parsed."""

# Not `Payload | None`: msgspec writes a value of that type and cannot read it again.
OptionalPayload = msgspec.Raw | msgspec.UnsetType
UNSET = msgspec.UNSET

EMPTY_OBJECT = msgspec.Raw(b"{}")
NULL = msgspec.Raw(b"null")

BEHAVIOUR_VERSION = 1
"""The rules of folding that new runs follow; each run keeps those of its first event."""


class Role(Enum):
    """What an event is to replay."""

    ARRIVAL = "arrival"
    COMMAND = "command"
    NOTE = "note"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The base of all events."""

    role: ClassVar[Role] = Role.NOTE

    @property
    def key(self) -> tuple[str, ...]:
        """What replay compares: ids and names, never inputs."""
        return ()


class Arrival(Event, frozen=True, kw_only=True, gc=False):
    """An event that comes from outside of the workflow code."""

    role: ClassVar[Role] = Role.ARRIVAL


class CommandEvent(Event, frozen=True, kw_only=True, gc=False):
    """An event that records what workflow code asked for."""

    role: ClassVar[Role] = Role.COMMAND
