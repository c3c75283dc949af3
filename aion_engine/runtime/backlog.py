"""Looks into the broker: which queues hold fewer messages than the published attempts must be in.

What is missing was lost, or is in the hands of a worker that has not begun it. So many are sent again, and
not one more: duplicates do no harm, but a sweep that repeats a whole backlog would. A message may carry a
bundle of attempts, and the broker does not say how many, so each is taken for a full one.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Final

from aion.authoring.registry import registry
from aion.conf import settings
from aion.store import publishing

_FRESH: Final = 1.0  # seconds for which a look at what is missing holds
_RECENT: Final = 0.1  # seconds for which a look at what waits holds


class Backlog:
    """Remembers for a moment how many messages each queue lacks."""

    def __init__(self) -> None:
        self._looked_at = float("-inf")
        self._published: Counter[str] = Counter()
        self._missing: dict[str, int] = {}
        self._channel: tuple[Any, Any] = (None, None)  # and the connection that it belongs to
        self._looks: dict[str, tuple[float, int]] = {}

    def waits(self, queue: str, connection: Any) -> int:
        """Tell how many messages of a queue nobody has taken, as of a moment ago."""
        looked_at, count = self._looks.get(queue, (float("-inf"), 0))
        if time.monotonic() - looked_at > _RECENT:
            count = self.message_count(queue, connection)
            self._looks[queue] = time.monotonic(), count
        return count

    def message_count(self, queue: str, connection: Any) -> int:
        """Count the messages in a queue; none where the broker does not know it.

        The channel is kept: to open one takes longer than to count.
        """
        kept, channel = self._channel
        if kept is not connection or not connection.connected:
            connection.connect()
            channel = connection.channel()
        self._channel = (None, None)  # unless it is fine
        count = 0
        try:
            count = int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            # The broker does not know the queue, and may have closed the channel. Redis knows no empty one.
            if not getattr(channel, "is_open", False) and getattr(channel, "closed", True):
                return 0
        self._channel = (connection, channel)
        return count

    def lacks(self, task_queue: str, activity_type: str, connection: Any) -> bool:
        """Tell whether a message of this kind should be sent again; the answer counts as one sent."""
        if time.monotonic() - self._looked_at > _FRESH:
            self._looked_at = time.monotonic()
            self._missing = {}
            self._published = Counter()
            for queue, kind, count in publishing.published_counts():
                self._published[queue_of(queue, kind)] += count
        name = queue_of(task_queue, activity_type)
        if name not in self._missing:
            sent = self.message_count(name, connection) * settings.ACTIVITY_BUNDLE
            self._missing[name] = self._published[name] - sent
        self._missing[name] -= 1
        return self._missing[name] >= 0


def queue_of(task_queue: str, activity_type: str = "") -> str:
    """Give the Celery queue where the messages of an activity go."""
    from celery import current_app

    activity = registry.activities.get(activity_type)
    if activity is not None and activity.celery_task is not None:
        chosen = activity.options.task_queue
        task: Any = current_app.tasks.get(activity.celery_task)
        options = {"queue": chosen} if chosen else {}
        route = current_app.amqp.router.route(options, activity.celery_task, task_type=task)
        return str(getattr(route.get("queue"), "name", route.get("queue")))
    if task_queue == settings.TASK_QUEUE:
        return str(current_app.conf.task_default_queue)
    return task_queue
