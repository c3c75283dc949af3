"""Marks that make replay take the same way again."""

from __future__ import annotations

from aion.core.events.base import (
    NULL,
    CommandEvent,
    Payload,
)


class PatchMarked(CommandEvent, frozen=True, kw_only=True):
    """The code took the new branch of a patch."""

    patch_id: str
    deprecated: bool = False
    per_call: bool = False  # it says which branch this call took, not the run

    @property
    def key(self) -> tuple[str, ...]:
        """The patch's id."""
        return (self.patch_id,)


class SideEffectRecorded(CommandEvent, frozen=True, kw_only=True):
    """The value of a non-deterministic expression, taken once."""

    value: Payload = NULL
