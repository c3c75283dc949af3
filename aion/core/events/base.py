"""The base of all events: their roles, and the payloads inside them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, ClassVar

import msgspec

Payload = msgspec.Raw
"""User data as encoded JSON, passed along without being parsed."""

ClearPayload = Annotated[msgspec.Raw, msgspec.Meta(extra={"clear": True})]
"""User data that SQL searches: no codec touches it."""

# Not `Payload | None`: msgspec writes a value of that type and cannot read it again.
OptionalPayload = msgspec.Raw | msgspec.UnsetType
UNSET = msgspec.UNSET

SealedTexts = Annotated[
    msgspec.Raw | msgspec.UnsetType, msgspec.Meta(extra={"texts": ("headers", "summary")})
]
"""What a stored event says in `headers` and `summary`, which are empty then. Gone when it is read."""

EMPTY_OBJECT = msgspec.Raw(b"{}")
NULL = msgspec.Raw(b"null")

BEHAVIOUR_VERSION = 2
"""The rules of folding that new runs follow; each run keeps those of its first event.

1: the length of a history counts over its chain, and only it suggests continuing as new. The first time that
   the code of a delayed run sees is that of its creation.
2: the length counts from the run's own first event, and so do the bytes, which suggest it too. The first time
   is that of the delayed start.
"""


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


class Ending(CommandEvent, frozen=True, kw_only=True, gc=False):
    """The base of how code ends. It is written last: behind what was accepted before.

    `decided_by` is the seq of the arrival by which the code ended, where others have been folded since.
    """

    decided_by: int = 0


class EngineEnding(Ending, frozen=True, kw_only=True, gc=False):
    """An end that the code chose, or with `by_engine` one that came without it: a note then."""

    by_engine: bool = False

    @property
    def role(self) -> Role:  # type: ignore[override]  # one kind, two roles
        """What it is to replay."""
        return Role.NOTE if self.by_engine else Role.COMMAND
