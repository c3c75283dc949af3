"""Dispatchers: how activities that wait reach those who run them."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Sequence
from typing import Any

from aion.authoring.registry import registry
from aion.conf import settings
from aion.core.ports import Handover
from aion.operations.bell import the_bell
from aion_engine.runtime.bells import Complaints

log = logging.getLogger("aion.dispatch")


class DatabaseDispatcher:
    """Publishes nothing: `aion_worker` processes claim the rows. A ring tells them to look."""

    def publish(self, handovers: Sequence[Handover]) -> None:
        """Ring, so that idle workers look at the rows."""
        if handovers:
            the_bell().ring_loops()


class CeleryDispatcher:
    """Sends each attempt as a Celery message: ids only.

    Publishing takes about a millisecond, so it happens on a thread of its own and never holds up the turn
    loop. What that thread has not sent when the process dies is published again by the sweep.
    """

    def __init__(self) -> None:
        self._complaints = Complaints("Activities cannot be published")
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._queue: queue.SimpleQueue[Handover] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def publish(self, handovers: Sequence[Handover]) -> None:
        """Queue attempts for sending."""
        if not handovers:
            return
        if self._pid != os.getpid():
            self._begin()
        for handover in handovers:
            self._queue.put(handover)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._send, name="aion-publish", daemon=True)
                self._thread.start()

    def _send(self) -> None:
        from celery import current_app

        while True:
            handover = self._queue.get()
            try:
                with current_app.producer_or_acquire() as producer:
                    while True:
                        send(handover, producer)
                        handover = self._queue.get_nowait()
            except queue.Empty:
                continue
            except Exception as error:
                self._complaints.log(error)


def send(handover: Handover, producer: Any) -> None:
    """Send one attempt to its queue; an activity that is a Celery task goes as that task's own message."""
    from aion_engine.runtime import celery_activities

    activity = registry.activities.get(handover.activity_type)
    if activity is not None and activity.celery_task is not None:
        celery_activities.send_task(handover, activity.celery_task, producer)
        return
    celery_activities.run_activity.apply_async(
        args=[str(handover.task_id), handover.attempt],
        producer=producer,
        retry=False,
        ignore_result=True,
        **route(handover.task_queue),
    )


def route(task_queue: str) -> dict[str, Any]:
    """Give the Celery queue of a task queue; the default task queue is Celery's own default."""
    return {} if task_queue == settings.TASK_QUEUE else {"queue": task_queue}
