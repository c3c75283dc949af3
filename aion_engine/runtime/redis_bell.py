"""A bell that rings through Redis: one message wakes every loop, or those who wait for a run."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

import redis

from aion.conf import settings
from aion_engine.runtime.bells import LOOPS, Complaints, LocalWaiter, PollingBell

_PREFIX = "aion:bell:"


class RedisBell(PollingBell):
    """Publishes rings, and hears those of all processes through one subscription.

    The subscription lives in a thread that starts with the first waiter and reconnects by itself; after a
    reconnect every waiter is woken, because rings may have been missed. Forked children begin anew.
    """

    listens = True

    def __init__(self) -> None:
        super().__init__()
        self._complaints = Complaints("The Redis bell does not ring")
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._client = redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1, health_check_interval=15
        )
        self._subscription: Any = None
        self._confirmations: dict[str, threading.Event] = {}
        self._thread: threading.Thread | None = None

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            self._lock = threading.Lock()
            self._waiters.clear()
            self._begin()

    # --- ringing ---

    def ring_loops(self) -> None:
        """Wake every loop."""
        self._publish([LOOPS])

    def ring_closed(self, run_ids: Iterable[uuid.UUID]) -> None:
        """Wake those who wait for these runs, in one round trip."""
        self._publish([run_id.hex for run_id in run_ids])

    def _publish(self, topics: list[str]) -> None:
        self._after_fork()
        try:
            if len(topics) == 1:
                self._client.publish(_PREFIX + topics[0], b"")
            elif topics:
                pipeline = self._client.pipeline(transaction=False)
                for topic in topics:
                    pipeline.publish(_PREFIX + topic, b"")
                pipeline.execute()
        except (redis.RedisError, OSError) as error:
            self._complaints.log(error)
            for topic in topics:
                self._ring(topic)

    # --- listening ---

    def _join(self, topic: str) -> LocalWaiter:
        self._after_fork()
        waiter = super()._join(topic)
        try:
            self._listen(topic)
        except (redis.RedisError, OSError) as error:
            self._complaints.log(error)
        return waiter

    def _listen(self, topic: str) -> None:
        with self._lock:
            if self._subscription is None:
                listener = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1)
                self._subscription = listener.pubsub(ignore_subscribe_messages=False)
            confirmed = self._confirmations.setdefault(topic, threading.Event())
            self._subscription.subscribe(_PREFIX + topic)
            if self._thread is None:
                self._thread = threading.Thread(target=self._hear, name="aion-bell", daemon=True)
                self._thread.start()
        # The subscription must be in force before the caller looks at the row.
        confirmed.wait(1)

    def _leave(self, topic: str, waiter: LocalWaiter) -> bool:
        last = super()._leave(topic, waiter)
        if last and self._subscription is not None:
            with self._lock:
                self._confirmations.pop(topic, None)
                try:
                    self._subscription.unsubscribe(_PREFIX + topic)
                except (redis.RedisError, OSError) as error:
                    self._complaints.log(error)
        return last

    def _hear(self) -> None:
        while True:
            try:
                message = self._subscription.get_message(timeout=5)
            except (redis.RedisError, OSError, ValueError, AttributeError) as error:
                self._complaints.log(error)
                time.sleep(0.5)
                self._ring_all()
                continue
            if message is None:
                continue
            topic = message["channel"].decode().removeprefix(_PREFIX)
            match message["type"]:
                case "subscribe":
                    if topic in self._confirmations:
                        self._confirmations[topic].set()
                case "message":
                    self._ring(topic)

    def _ring_all(self) -> None:
        for topic in list(self._waiters):
            self._ring(topic)
