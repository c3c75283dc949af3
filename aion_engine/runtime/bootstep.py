"""The turn loop inside a Celery worker: a bootstep in the worker's own process, beside the pool.

Theory of operation
-------------------
Turns never queue behind long activities, and a turn costs no broker message. The step needs no
configuration: it is added when a Celery worker starts in a project that has the app installed.

A shutdown has an order. Celery first *closes* all steps: claims end, and running attempts are told. Then it
*stops* them, the loop before the pool, which waits for its tasks. Only after that the leases are given back:
on Celery's last signal, or at the end of the process where it sends none (a cold shutdown).

In the prefork pool the children run attempts under their parent's identity and read its notice board. A
child that was spawned instead of forked inherits neither, and is a worker of its own.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import Any

from celery import bootsteps, signals

from aion.conf import settings
from aion.store import fencing
from aion_engine.runtime.here import here
from aion_engine.runtime.identity import new_worker

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
        from aion_engine.runtime import starting
        from aion_engine.runtime.keeper import Keeper
        from aion_engine.runtime.turn_loop import TurnLoop

        board = here.board if "prefork" in type(parent.pool).__module__ else None
        self._keeper = Keeper(here.worker, running=here.running, board=board)
        self._keeper.start()
        signals.worker_shutdown.connect(self._give_back, weak=False)
        if not hosts_loop(parent.app):
            return
        starting.look_back(here.worker)
        self._loop = TurnLoop(here.worker.id)
        self._thread = threading.Thread(target=self._run_loop, name="aion-loop", daemon=True)
        self._thread.start()
        log.info("Aion's turn loop runs in %s", here.worker.name)

    def _run_loop(self) -> None:
        fencing.belong_to(here.worker.id)
        self._loop.run()

    def close(self, parent: Any) -> None:  # Celery's signature
        """Claim nothing more and tell what runs: before the pool waits for it."""
        here.announce_stop()
        if self._loop is not None:
            self._loop.stop()

    def stop(self, parent: Any) -> None:
        """Wait for the running batch to commit."""
        self.close(parent)
        if self._thread is not None:
            self._thread.join(timeout=10)

    def terminate(self, parent: Any) -> None:
        """Do the same at a cold shutdown, of which Celery does not signal the end."""
        atexit.register(self._give_back)
        self.stop(parent)

    def _give_back(self, **_: Any) -> None:
        if self._keeper is not None:
            self._keeper.stop()


def hosts_loop(app: Any) -> bool:
    """Tell whether a worker of these queues hosts a loop: the settings say, else those with Aion's queue."""
    if settings.TURN_LOOP != "auto":
        return bool(settings.TURN_LOOP == "always")
    queues = app.amqp.queues.consume_from
    return settings.TASK_QUEUE in queues or app.conf.task_default_queue in queues


def _on_worker_init(sender: Any = None, **_: Any) -> None:
    """Decide who this worker is before its pool is made, so that forked children know it too."""
    from aion_engine.runtime import celery_tasks

    here.become(new_worker("celery", tuple(sender.app.amqp.queues.consume_from)))
    celery_tasks.adopt(sender.app)
    sender.app.steps["worker"].add(TurnLoopStep)


def _on_pool_process(**_: Any) -> None:
    """Let a pool process hear what its attempts have to be told."""
    from aion_engine.runtime import stop_watch

    if not here.known:
        _begin_spawned()
    elif here.worker.pid != os.getpid():  # else the pool is the worker's own process
        here.after_fork()
        stop_watch.start(here.board, here.running, here.worker.id)


def _begin_spawned() -> None:
    from celery import current_app
    from celery.app.trace import build_tracer

    from aion_engine.runtime import celery_tasks
    from aion_engine.runtime.keeper import Keeper

    here.become(new_worker("celery"))
    for name in celery_tasks.adopt(current_app):
        task = current_app.tasks[name]
        task.__trace__ = build_tracer(
            name, task, app=current_app
        )  # the one there has the old `run`
    keeper = Keeper(here.worker, running=here.running, ticks=False)
    keeper.start()
    signals.worker_process_shutdown.connect(lambda **_: keeper.stop(), weak=False)


def connect() -> None:
    """Wait for a Celery worker to start in this process."""
    signals.worker_init.connect(_on_worker_init, weak=False, dispatch_uid="aion.worker")
    signals.worker_process_init.connect(_on_pool_process, weak=False, dispatch_uid="aion.child")
