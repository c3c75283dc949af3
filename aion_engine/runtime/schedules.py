"""The tick's share of schedules: bring on those that are due, one transaction each.

What a schedule cannot start is its own affair: it is noted in its history and tried again later. Rows that
others hold are passed by, so several ticks at once share the work.
"""

from __future__ import annotations

import datetime as dt
import logging

from django.db import InterfaceError, OperationalError

from aion.operations.schedules.bring_on import bring_on, set_aside
from aion.store import schedules

log = logging.getLogger("aion.schedules")

_MOST = 500  # schedules in one tick; the next tick takes the rest


def bring_on_due(now: dt.datetime) -> int:
    """Bring on the schedules that are due or have a run that ended; give the number of runs started."""
    keys = schedules.due(now=now, limit=_MOST)
    keys += [key for key in schedules.with_ended_runs(now=now, limit=_MOST) if key not in keys]
    started = 0
    for key in keys:
        try:
            started += bring_on(key) or 0
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("Schedule %s cannot be brought on", key)
            set_aside(key, error)
    return started
