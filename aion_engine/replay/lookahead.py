"""The command events that history records behind the arrival being folded, for values needed at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aion.core.commands import Site
from aion.core.errors import NonDeterminismError
from aion.core.events import PatchMarked, SearchAttributesUpdated, SideEffectRecorded
from aion.core.history import Recorded


class Lookahead:
    """Hands out recorded values in the order in which the code asks for them."""

    def __init__(self) -> None:
        self._side_effects: list[Recorded] = []
        self._patches: set[str] = set()
        self._attributes: list[SearchAttributesUpdated] = []
        self._position = 0
        self._arrival_seq = 0
        self._open_ended = False

    def show(
        self, arrival_seq: int, recorded: Sequence[Recorded], *, open_ended: bool = False
    ) -> None:
        """Take the command events of one arrival; `open_ended` if history may break off within them."""
        self._side_effects = [r for r in recorded if type(r.event) is SideEffectRecorded]
        self._patches = {r.event.patch_id for r in recorded if isinstance(r.event, PatchMarked)}
        self._attributes = [
            r.event for r in reversed(recorded) if isinstance(r.event, SearchAttributesUpdated)
        ]
        self._position = 0
        self._arrival_seq = arrival_seq
        self._open_ended = open_ended

    def has_patch(self, patch_id: str) -> bool:
        """Tell whether history records a patch here, or breaks off before it could."""
        return patch_id in self._patches or self._open_ended

    def next_search_attributes(self) -> SearchAttributesUpdated | None:
        """Give the next recorded change; where there is none, comparing the commands says so."""
        return self._attributes.pop() if self._attributes else None

    def next_side_effect(self, site: Site | None) -> msgspec.Raw | None:
        """Give the next recorded value, None where history breaks off before it.

        Raises:
            NonDeterminismError: history records no further side effect here.
        """
        if self._position >= len(self._side_effects):
            if self._open_ended:
                return None
            raise NonDeterminismError(
                f"The code takes a side effect at {site}, but history records none behind event "
                f"{self._arrival_seq}",
                seq=self._arrival_seq,
                expected="no further SideEffectRecorded",
                found="RecordSideEffect",
                where=str(site) if site else None,
            )
        event = self._side_effects[self._position].event
        self._position += 1
        assert isinstance(event, SideEffectRecorded)  # noqa: S101  # `show` selected by this type
        return event.value
