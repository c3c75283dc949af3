"""Which branch a run takes at each patch.

A run that reaches a patch live takes the new branch and records it. On replay the record decides: where there
is none, the run passed here before the change, and keeps the old branch for the rest of its life, also after
it has caught up; a loop must not change its steps in the middle.
"""

from __future__ import annotations

from aion.core.commands import Site
from aion.core.events import PatchMarked
from aion.core.texts import check_text
from aion_engine.replay.command_log import CommandLog
from aion_engine.replay.lookahead import Lookahead


class Patches:
    """Decides each patch once and remembers it."""

    def __init__(self, log: CommandLog, lookahead: Lookahead) -> None:
        self._log = log
        self._lookahead = lookahead
        self.taken: dict[str, bool] = {}

    def decide(
        self, patch_id: str, *, deprecated: bool, replaying: bool, site: Site | None
    ) -> bool:
        """Tell whether to take the new branch; the first time, mark it."""
        known = self.taken.get(patch_id)
        if known is not None:
            return known
        self._log.check(PatchMarked)
        check_text("patch_id", patch_id)  # it becomes part of a search attribute
        taken = self._lookahead.has_patch(patch_id) if replaying else True
        self.taken[patch_id] = taken
        if taken:
            self._log.issue(PatchMarked(patch_id=patch_id, deprecated=deprecated), site)
        return taken
