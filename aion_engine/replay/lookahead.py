"""The command events that history records behind the arrival being folded, for values needed at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aion.core.commands import Site
from aion.core.errors import NonDeterminismError
from aion.core.events import PatchMarked, SearchAttributesUpdated, SideEffectRecorded
from aion.core.history import Recorded
from aion_engine.replay.command_log import CommandLog


class Lookahead:
    """Hands out recorded values in the order in which the code asks for them."""

    def __init__(self, log: CommandLog) -> None:
        self._log = log
        self._side_effects: list[Recorded] = []
        self._attributes: list[SearchAttributesUpdated] = []
        self._patches: dict[str, PatchMarked] = {}
        self._calls: list[PatchMarked] = []  # marks of single calls that are not asked for yet
        self._recorded_count = 0
        self._position = 0
        self._arrival_seq = 0
        self._open_ended = False

    def show(
        self, arrival_seq: int, recorded: Sequence[Recorded], *, open_ended: bool = False
    ) -> None:
        """Take the command events of one arrival; `open_ended` if history may break off within them."""
        self._recorded_count = len(recorded)
        self._position = 0
        self._arrival_seq = arrival_seq
        self._open_ended = open_ended
        if not recorded:  # most arrivals cause no command at once
            self._side_effects, self._attributes, self._patches, self._calls = [], [], {}, []
            return
        self._side_effects = [r for r in recorded if type(r.event) is SideEffectRecorded]
        self._attributes = [
            r.event for r in reversed(recorded) if isinstance(r.event, SearchAttributesUpdated)
        ]
        marks = [r.event for r in recorded if isinstance(r.event, PatchMarked)]
        self._patches = {mark.patch_id: mark for mark in marks if not mark.per_call}
        self._calls = [mark for mark in marks if mark.per_call]

    def mark_of(self, wanted: PatchMarked) -> PatchMarked | None:
        """Give the mark that history records here; the wanted one where history breaks off before it."""
        found = self._patches.get(wanted.patch_id)
        if wanted.per_call:
            found = next((each for each in self._calls if each.patch_id == wanted.patch_id), None)
            if found is not None:
                self._calls.remove(found)
        return found or (wanted if self._breaks_off else None)

    @property
    def _breaks_off(self) -> bool:
        """Whether the code has come to where history ends: what it recorded has been asked for."""
        return self._open_ended and self._log.issued_count >= self._recorded_count

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
