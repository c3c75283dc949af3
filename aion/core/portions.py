"""How much of a list is one portion: work in a transaction should be bounded, whatever the items are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def portion(items: Sequence[T], size: Callable[[T], int], *, most: int) -> Sequence[T]:
    """Take items from the front until their sizes are enough; one at least, if there is any."""
    totals = itertools.accumulate(max(size(item), 0) for item in items)
    few = sum(1 for total in totals if total <= most)
    return items[: max(few, 1)]
