"""What must hold of the tables however often workers were killed: plain SQL, no code of Aion's.

`problems()` gives a sentence for each violation of what holds at any moment, `unfinished()` for each thing
that has not ended. Both are empty when all is well.
"""

from __future__ import annotations

from tests.acceptance.invariants import (
    activities,
    ending,
    histories,
    messages,
    relatives,
    schedules,
)


def problems() -> list[str]:
    """Say what is wrong, whatever is still under way."""
    return [
        *histories.problems(),
        *activities.problems(),
        *relatives.problems(),
        *messages.problems(),
        *schedules.problems(),
        *ending.left_over(),
    ]


def unfinished() -> list[str]:
    """Say what has not come to its end."""
    return list(ending.problems())
