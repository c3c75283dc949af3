"""Folds what has come for a run into its live instance: the part of a turn that runs workflow code."""

from __future__ import annotations

import datetime as dt

from aion.conf import settings
from aion.core.errors import InvalidSearchAttribute
from aion.core.events import Event
from aion.core.history import Recorded
from aion.core.requests import UpdateRequest
from aion.store import histories
from aion_engine.replay.advance import advance
from aion_engine.replay.instance import Instance
from aion_engine.replay.watchdog import Watchdog
from aion_engine.runtime import effects, lineage
from aion_engine.runtime.arrivals import deadline_of, without_repeats
from aion_engine.runtime.aside import Aside
from aion_engine.runtime.beginning import instance_of, unfolded_start
from aion_engine.runtime.registered_attributes import RegisteredAttributes
from aion_engine.runtime.unseen import is_to_wait
from aion_engine.runtime.work import Work


class Folding:
    """Runs workflow code for one worker, under its watchdog."""

    def __init__(self) -> None:
        self.watchdog = Watchdog(settings.YIELD_LIMIT)
        self._attributes = RegisteredAttributes()

    def begin(self) -> None:
        """Begin a batch."""
        self._attributes.begin()

    def note(self, instance: Instance) -> None:
        """Take note of what a turn that is written has used."""
        self._attributes.note(instance)

    def fold(
        self,
        work: Work,
        now: dt.datetime,
        aside: Aside,
    ) -> list[Recorded] | None:
        """Fold, and once more where a search attribute may have been registered a moment ago."""
        watched = f"run {work.run.id} of {work.run.workflow_type}"
        arrivals, history = work.read()  # not watched: a slow storage is not the code's fault
        try:
            with self.watchdog.watch(watched):
                return self._fold(work, arrivals, history, now, aside)
        except InvalidSearchAttribute:
            if not self._attributes.learns():
                raise
        aside.clear()
        work.drop_instance()
        work.rows = histories.load_rows([work.run.id]).get(work.run.id, [])
        arrivals, history = work.read()
        with self.watchdog.watch(watched):
            return self._fold(work, arrivals, history, now, aside)

    def _fold(
        self,
        work: Work,
        arrivals: list[Event | UpdateRequest],
        stored: list[Recorded],
        now: dt.datetime,
        aside: Aside,
    ) -> list[Recorded] | None:
        """Bring a run's code up to date and on; None where its time to begin has not come."""
        run = work.run
        deadline = deadline_of(work.claimed)
        arrivals = without_repeats(work.claimed, arrivals, aside.repeated)
        start = None
        if work.instance is None:
            start = unfolded_start(stored)
            if start is not None and is_to_wait(start.event, work.claimed):
                return None
            work.instance = instance_of(run, stored, start)
        else:
            work.instance.context.extent.settle(run.history_bytes)
        self._attributes.tell(work.instance)
        context = work.instance.context
        at = max(now, start.recorded_at if start is not None else work.instance.now)
        started = start.event if start is not None else context.started
        context.has_next_run = lineage.has_next_time(started, at)
        gained = advance(
            work.instance,
            arrivals,
            at=at,
            start=start,
            refused=aside.refused,
            passed_on=aside.passed_on,
        )
        if deadline and work.instance.terminal is None:
            gained.append(effects.timed_out(run, gained, deadline, at))
        return gained
