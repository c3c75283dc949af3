"""Looks into the broker: which queues hold fewer messages than there are published attempts.

What is missing was lost, or is in the hands of a worker that has not begun it. So many are sent again, and
not one more: duplicates do no harm, but a sweep that repeats a whole backlog would.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Final

from aion.authoring.registry import registry
from aion.conf import settings
from aion.store import publishing

_FRESH: Final = 1.0  # seconds for which a look holds


class Backlog:
    """Remembers for a moment how many messages each queue lacks."""

    def __init__(self) -> None:
        self._looked_at = float("-inf")
        self._published: Counter[str] = Counter()
        self._missing: dict[str, int] = {}

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
            self._missing[name] = self._published[name] - message_count(connection, name)
        self._missing[name] -= 1
        return self._missing[name] >= 0


def queue_of(task_queue: str, activity_type: str) -> str:
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


def message_count(connection: Any, queue: str) -> int:
    """Count the messages in a queue; none where the broker does not know it."""
    channel = connection.channel()
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except connection.channel_errors:
        return 0
    finally:
        channel.close()
