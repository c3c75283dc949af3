"""Dispatchers: how activities that wait reach those who run them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

from django.db import connections

from aion.authoring.registry import registry
from aion.conf import settings
from aion.core.ports import Handover
from aion.core.priority import LAST
from aion.operations.bell import the_bell
from aion_engine.runtime import backlog
from aion_engine.runtime.backlog import Backlog
from aion_engine.runtime.bundles import BACKLOG, HOLD, Reference, size_of
from aion_engine.runtime.here import here
from aion_engine.runtime.polling_bell import Complaints

log = logging.getLogger("aion.dispatch")

Waiting = tuple[Handover, float]
"""What is to be sent, and since when."""

_FIRST_PAUSE: Final = 0.2
_LAST_PAUSE: Final = 2.0
_PATIENCE: Final = 3  # seconds for a look whether the broker is there
_IDLE: Final = 30.0  # seconds without work after which the sender closes its database connection


class DatabaseDispatcher:
    """Publishes nothing: `aion_worker` processes claim the rows. A ring tells them to look."""

    def publish(self, handovers: Sequence[Handover]) -> None:
        """Ring, so that idle workers look at the rows."""
        if handovers:
            the_bell().ring_activities()

    def flush(self, timeout: float) -> bool:
        """Nothing is on its way."""
        return True

    def queue_of(self, task_queue: str, activity_type: str) -> str:
        """Workers name task queues themselves."""
        return task_queue

    def find_problem(self) -> str:
        """There is nothing that could be away."""
        return ""


class CeleryDispatcher:
    """Sends attempts as Celery messages: ids only, one each, or some together where many wait (`bundles`).

    Publishing takes about a millisecond, so it happens on a thread of its own and never holds up the turn
    loop. While the broker is away the attempts wait in memory, each once however often the sweep brings it;
    the most urgent are sent first.
    What that thread has not sent when the process dies is published again by the sweep; of doubtful ones
    it sends as many as the broker lacks.
    """

    def __init__(self) -> None:
        self._complaints = Complaints("Activities cannot be published")
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._waiting: dict[Reference, Waiting] = {}  # in their order
        self._news = LAST  # the most urgent of what has come since somebody looked
        self._backlog = Backlog()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def publish(self, handovers: Sequence[Handover]) -> None:
        """Queue attempts for sending."""
        if not handovers:
            return
        if self._pid != os.getpid():
            self._begin()
        with self._change:
            now = time.monotonic()
            for handover in handovers:
                self._waiting.setdefault((handover.task_id, handover.attempt), (handover, now))
                self._news = min(self._news, handover.priority)
            self._change.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="aion-publish", daemon=True)
                self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Wait for the sending thread, which goes on in any case."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting, timeout)

    def queue_of(self, task_queue: str, activity_type: str) -> str:
        """Ask Celery's router."""
        return backlog.queue_of(task_queue, activity_type)

    def find_problem(self) -> str:
        """Connect to the broker."""
        from celery import current_app

        try:
            with current_app.connection_for_write() as connection:
                connection.ensure_connection(
                    max_retries=1,
                    interval_start=1,
                    timeout=_PATIENCE,
                    reraise_as_library_errors=True,
                )
        except Exception as error:  # noqa: BLE001  # whatever its driver calls that
            return f"the broker cannot be reached: {type(error).__name__}: {error}"
        return ""

    # --- the sending thread ---

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._wait()
            try:
                self._send_all()
                pause = _FIRST_PAUSE
            except Exception as error:  # noqa: BLE001  # the broker is away, whatever its driver calls that
                self._complaints.log(error)
                connections.close_all()
                time.sleep(pause)
                pause = min(pause * 2, _LAST_PAUSE)

    def _wait(self) -> None:
        with self._change:
            while not self._waiting:
                if not self._change.wait(_IDLE):
                    connections.close_all()

    def _send_all(self) -> None:
        from celery import current_app

        with current_app.producer_or_acquire() as producer:
            while self._waiting:
                with self._change:
                    waiting = sorted(self._waiting.values(), key=_priority)
                    self._news = LAST
                messages, pause = messages_of(
                    waiting,
                    now=time.monotonic(),
                    has_backlog=lambda queue: self._has_backlog(queue, producer),
                )
                for message in messages:
                    if self._news < message[0].priority:
                        pause = 0.0
                        break  # something more urgent has come
                    self._send(message, producer)
                    with self._change:
                        for handover in message:
                            del self._waiting[handover.task_id, handover.attempt]
                        self._change.notify_all()
                if pause:
                    time.sleep(pause)

    def _has_backlog(self, task_queue: str, producer: Any) -> bool:
        queue = backlog.queue_of(task_queue)
        return self._backlog.waits(queue, producer.connection) >= BACKLOG

    def _send(self, message: Sequence[Handover], producer: Any) -> None:
        first = message[0]
        try:
            if not first.doubtful or self._is_lost(first, producer):
                send(message, producer)
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("Activity %s cannot be published", first.activity_type)

    def _is_lost(self, handover: Handover, producer: Any) -> bool:
        return self._backlog.lacks(handover.task_queue, handover.activity_type, producer.connection)


def messages_of(
    waiting: Sequence[Waiting], *, now: float, has_backlog: Callable[[str], bool]
) -> tuple[list[list[Handover]], float]:
    """Cut what waits into messages, in its order, each of one priority; those that must travel alone do.

    Gives the messages to send, and how many seconds the rest may wait for more.
    """
    messages: list[list[Handover]] = []
    together: dict[tuple[str, int], list[Waiting]] = {}
    for one in waiting:
        handover = one[0]
        if _may_be_bundled(
            handover
        ):  # asked once: other processes change what is known of its type
            together.setdefault((handover.task_queue, handover.priority), []).append(one)
        else:
            messages.append([handover])
    pauses = [0.0]
    for (queue, _), ones in together.items():
        behind = has_backlog(queue)
        size = size_of(len(ones), backlog=behind)
        for begin in range(0, len(ones), size):
            part = ones[begin : begin + size]
            pause = part[0][1] + HOLD - now
            if behind and len(part) < size and pause > 0:
                pauses.append(pause)
            else:
                messages.append([each for each, _ in part])
    return sorted(messages, key=lambda message: message[0].priority), max(pauses)


def _priority(one: Waiting) -> int:
    return one[0].priority


def _may_be_bundled(handover: Handover) -> bool:
    return not (
        handover.doubtful
        or here.durations.is_long(handover.activity_type)
        or _celery_task_of(handover) is not None
    )


def _celery_task_of(handover: Handover) -> str | None:
    activity = registry.activities.get(handover.activity_type)
    return None if activity is None else activity.celery_task


def is_outage(error: Exception) -> bool:
    """Tell a broker or database that is away, where all must wait, from one message that cannot be sent."""
    from django.db import Error as DatabaseError
    from kombu.exceptions import OperationalError

    return isinstance(error, (OperationalError, OSError, DatabaseError))


def send(message: Sequence[Handover], producer: Any) -> None:
    """Send attempts to their queue; an activity that is a Celery task goes as that task's own message."""
    from aion_engine.runtime import celery_activities, celery_tasks

    name = _celery_task_of(message[0])
    if name is not None:
        celery_tasks.send(message[0], name, producer)
        return
    task: Any = celery_activities.run_activity
    pairs = [(str(each.task_id), each.attempt) for each in message]
    task.apply_async(
        args=list(chain.from_iterable(pairs)),
        producer=producer,
        **route(message[0].task_queue),
    )


def route(task_queue: str) -> dict[str, Any]:
    """Give the Celery queue of a task queue; the default task queue is Celery's own default."""
    return {} if task_queue == settings.TASK_QUEUE else {"queue": task_queue}
