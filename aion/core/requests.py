"""What waits in a mailbox and is no event yet."""

from __future__ import annotations

import msgspec

from aion.core.events import EMPTY_OBJECT, Payload
from aion.core.events.base import UNSET, SealedTexts


class UpdateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An update that asks to be accepted. Not an event: only an accepted one becomes history."""

    update_id: str
    name: str
    input: Payload = EMPTY_OBJECT
    headers: dict[str, str] = {}
    sealed: SealedTexts = UNSET
