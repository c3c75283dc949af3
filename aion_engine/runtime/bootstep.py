"""The turn loop inside a Celery worker: a bootstep in the worker's own process, beside the pool.

Turns never queue behind long activities, and a turn costs no broker message. The step needs no
configuration: it is added when a Celery worker starts in a project that has the app installed.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import bootsteps, signals

from aion.conf import settings

log = logging.getLogger("aion.loop")


class TurnLoopStep(bootsteps.StartStopStep):
    """Hosts a turn loop and the keeper of this worker's leases."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._loop: Any = None
        self._thread: threading.Thread | None = None
        self._keeper: Any = None

    def start(self, parent: Any) -> None:
        """Begin to keep the leases, and the loop where this worker hosts one."""
        from aion_engine.runtime import celery_activities
        from aion_engine.runtime.keeper import Keeper
        from aion_engine.runtime.turn_loop import TurnLoop

        worker = celery_activities.this_worker()
        forks = "prefork" in type(parent.pool).__module__
        self._keeper = Keeper(worker, running=celery_activities.running_attempts, forks=forks)
        self._keeper.start()
        if not _hosts_loop(parent):
            return
        self._loop = TurnLoop(worker.id)
        self._thread = threading.Thread(target=self._loop.run, name="aion-loop", daemon=True)
        self._thread.start()
        log.info("Aion's turn loop runs in %s", worker.name)

    def stop(self, parent: Any) -> None:
        """End after the running batch; what runs goes back to others at once."""
        if self._loop is not None:
            self._loop.stop()
            if self._thread is not None:
                self._thread.join(timeout=10)
            self._loop = None

    def terminate(self, parent: Any) -> None:
        """Same as a warm stop."""
        self.stop(parent)

    def shutdown(self, parent: Any) -> None:
        """When the pool has finished its attempts: give back what is left."""
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper = None


def _hosts_loop(parent: Any) -> bool:
    if settings.TURN_LOOP != "auto":
        return bool(settings.TURN_LOOP == "always")
    queues = parent.app.amqp.queues.consume_from
    return settings.TASK_QUEUE in queues or parent.app.conf.task_default_queue in queues


def _on_worker_init(sender: Any = None, **_: Any) -> None:
    """Decide who this worker is before its pool is made, so that forked children know it too."""
    from aion_engine.runtime import celery_activities
    from aion_engine.runtime.identity import new_worker

    queues = tuple(sender.app.amqp.queues.consume_from) if sender is not None else ()
    celery_activities.use_worker(new_worker("celery", queues))


def _on_child(**_: Any) -> None:
    """A forked child keeps its own attempts informed: the parent cannot reach into it."""
    from aion_engine.runtime import celery_activities, stop_watch

    stop_watch.start(celery_activities.this_worker(), celery_activities.running_attempts)


def _on_celeryd_init(instance: Any = None, **_: Any) -> None:
    if instance is not None:
        instance.app.steps["worker"].add(TurnLoopStep)


def connect() -> None:
    """Wait for a Celery worker to start in this process."""
    from aion_engine.runtime import celery_activities

    signals.celeryd_init.connect(_on_celeryd_init, weak=False, dispatch_uid="aion.step")
    signals.worker_init.connect(_on_worker_init, weak=False, dispatch_uid="aion.identity")
    signals.worker_process_init.connect(_on_child, weak=False, dispatch_uid="aion.child")
    celery_activities.connect()

