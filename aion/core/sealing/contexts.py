"""What a codec is, and what it is told about a payload."""

from __future__ import annotations

from typing import Protocol

import msgspec


class PayloadContext(msgspec.Struct, frozen=True, gc=False):
    """Whose payload it is. `key` is the id of the key: the current one to encode, the envelope's to decode.

    Only the workflow id is the same whenever a payload is encoded and decoded. A message may be handed on to
    the next run of its chain, which may be of another type: choose keys by all of it, bind to the id alone.
    """

    workflow_id: str
    workflow_type: str = ""
    run_id: str = ""
    key: str = ""


class Codec(Protocol):
    """Turns bytes into other bytes and back. One instance serves all threads of a process.

    One that has keys also has `key_for(context) -> str`, which gives the id of the key to encode with; the
    envelope keeps it. At most one codec of a chain has keys.
    """

    name: str
    """What envelopes call it. It must stay, for as long as there is data that was encoded."""

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        """Encode. The same bytes again mean: not worth it, leave me out of the envelope."""

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        """Give what `encode` was given, whatever the settings are now."""
