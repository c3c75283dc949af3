"""Which branch a run takes at each patch.

A run that reaches a patch live takes the new branch and records it. On replay the record decides: where there
is none, the run passed here before the change, and keeps the old branch for the rest of its life, also after
it has caught up; a loop must not change its steps in the middle. A patch for each call asks the record of
each call: what a round of a loop did is done again, and the next round may take the other branch.
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
        self, mark: PatchMarked, *, replaying: bool, site: Site | None
    ) -> tuple[bool, PatchMarked | None]:
        """Tell whether to take the new branch; the first time, mark it and give the mark in history.

        A mark for each call is decided anew whenever the code comes by.
        """
        known = None if mark.per_call else self.taken.get(mark.patch_id)
        if known is not None:
            return known, None
        self._log.check(PatchMarked)
        check_text("patch_id", mark.patch_id)  # it becomes part of a search attribute
        recorded = self._lookahead.mark_of(mark) if replaying else mark
        if not mark.per_call:
            self.taken[mark.patch_id] = recorded is not None
        if recorded is not None:
            self._log.issue(mark, site)
        return recorded is not None, recorded
