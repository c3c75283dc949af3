"""Keeps Python's garbage collector from walking over a worker's memory again and again.

A turn makes some hundred objects that are gone by themselves when it ends. The collector does not know that:
by default it looks after every 700 new ones, and through everything that Django and the project have loaded
whenever enough has outlived that. Where many runs begin and end, this took a third of a loop's time.

So a worker that has started moves what it has loaded out of the collector's sight, and lets it look more
seldom. Cycles are still found. Thresholds that the project has set itself stay.

The instance of a run is such a cycle, of about 60 objects and 11 KiB, and one that has waited for an activity
is old when its run ends. So the old are looked through as soon as some thousand instances may have become
garbage, not when two million objects have been made, as with ten times ten looks: a worker grew by 400 MiB.
"""

from __future__ import annotations

import gc
from typing import Final

from aion.conf import settings

_OF_PYTHON: Final = ((700, 10, 10), (2000, 10, 10), (2000, 10, 0))  # 3.11, 3.13, 3.14
_OBJECTS: Final = 20_000  # between two looks at the youngest
_LOOKS: Final = 4  # at the youngest between two looks at those that outlived one
_OLDER: Final = 1  # at these between two looks at all; Python 3.14 has no such number


def settle() -> None:
    """Do so once the process has loaded what it will keep."""
    if not settings.TUNE_GC:
        return
    gc.collect()
    gc.freeze()
    if gc.get_threshold() in _OF_PYTHON:
        seldom = gc.get_threshold()[2]
        gc.set_threshold(_OBJECTS, _LOOKS, min(seldom, _OLDER))
