"""Rebuilding the instance of a run that ends without its code."""

from __future__ import annotations

import logging

from aion.core.events import WorkflowStarted
from aion.core.failures import message_of
from aion.store import histories
from aion_engine.replay.watchdog import Watchdog
from aion_engine.runtime.beginning import instance_of, unfolded_start
from aion_engine.runtime.holding import stops_the_process
from aion_engine.runtime.work import Work

log = logging.getLogger("aion.turns")


def revive(work: Work, watchdog: Watchdog) -> None:
    """Rebuild the instance of a run, if it has a successor to inherit from it.

    What cannot be rebuilt leaves no unread signals; the run ends all the same.
    """
    if work.instance is not None:
        return
    try:
        stored = histories.decode_rows(work.rows, work.run.id)
        first = stored[0].event
        chained = isinstance(first, WorkflowStarted) and (first.cron or first.retry)
        if chained and unfolded_start(stored) is None:
            with watchdog.watch(f"the end of run {work.run.id}"):
                work.instance = instance_of(work.run, stored, None)
    except BaseException as error:  # whatever it is, it is this run's alone
        if stops_the_process(error):
            raise
        log.warning("Run %s leaves its unread signals behind: %s", work.run.id, message_of(error))
