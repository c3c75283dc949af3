"""A bell that rings through Redis: one message wakes every loop, or those who wait for a run.

Theory of operation
-------------------
Each process has one subscription, held by one thread that starts with the first waiter. That thread alone
connects and reads; when the connection breaks it makes a new one, subscribes to all that is waited for, and
rings every waiter, because rings may have been missed. Others only add topics to a subscription that stands.

A ring must never hold up the turn loop. After a failure the bell is silent for a moment instead of trying
again for each ring, and rings within its own process only. A forked child begins anew.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from aion.conf import settings
from aion.store.dialects import connection
from aion_engine.runtime.polling_bell import ACTIVITIES, LOOPS, Complaints, LocalWaiter, PollingBell


def _prefix() -> str:
    """Give the channel prefix: one for each database, as Redis' own do not separate channels."""
    return f"aion:bell:{connection().settings_dict['NAME']}:"


_LATER: Final = b"later"  # what a ring says that is not urgent
_SILENCE: Final = 1.0  # seconds without publishing after a failure
_RECONNECT: Final = 0.5  # seconds between two attempts to listen
_ERRORS: Final = (redis.RedisError, OSError)


class RedisBell(PollingBell):
    """Publishes rings, and hears those of all processes through one subscription."""

    listens = True

    def __init__(self) -> None:
        super().__init__()
        self._complaints = Complaints("The Redis bell does not ring")
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._prefix = _prefix()
        # One retry, at once: for a pooled connection that broke while nobody used it.
        self._client = _connect(socket_timeout=1, retry=Retry(NoBackoff(), 1))
        self._silent_until = 0.0
        self._subscription: Any = None  # None while it is broken
        self._confirmed: dict[str, threading.Event] = {}
        self._thread: threading.Thread | None = None

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            self._lock = threading.Lock()
            self._waiters.clear()
            self._begin()

    # --- ringing ---

    def ring_loops(self, *, urgent: bool = True) -> None:
        """Wake every loop."""
        self._publish([LOOPS], b"" if urgent else _LATER)

    def ring_activities(self) -> None:
        """Wake every activity pool."""
        self._publish([ACTIVITIES])

    def ring_closed(self, run_ids: Iterable[uuid.UUID]) -> None:
        """Wake those who wait for these runs, in one round trip."""
        self._publish([run_id.hex for run_id in run_ids])

    def find_problem(self) -> str:
        """Ask Redis whether it is there."""
        try:
            with _connect(socket_timeout=1, retry=Retry(NoBackoff(), 1)) as client:
                client.ping()
        except _ERRORS as error:
            return f"Redis cannot be reached: {type(error).__name__}: {error}"
        return ""

    def _publish(self, topics: list[str], what: bytes = b"") -> None:
        self._after_fork()
        if time.monotonic() >= self._silent_until:
            try:
                self._send(topics, what)
            except _ERRORS as error:
                self._complaints.log(error)
                self._silent_until = time.monotonic() + _SILENCE
            else:
                return
        for topic in topics:
            self._ring(topic, urgent=what != _LATER)

    def _send(self, topics: list[str], what: bytes) -> None:
        if len(topics) == 1:  # most have one, and a pipeline costs as much again
            self._client.publish(self._prefix + topics[0], what)
            return
        pipeline = self._client.pipeline(transaction=False)
        for topic in topics:
            pipeline.publish(self._prefix + topic, what)
        pipeline.execute()

    # --- listening ---

    def _join(self, topic: str) -> LocalWaiter:
        self._after_fork()
        waiter = super()._join(topic)
        with self._lock:
            confirmed = self._confirmed.setdefault(topic, threading.Event())
            if self._thread is None:
                self._thread = threading.Thread(target=self._hear, name="aion-bell", daemon=True)
                self._thread.start()
            elif self._subscription is not None:
                self._tell(self._subscription.subscribe, topic)
        # The subscription must be in force before the caller looks at the row.
        if time.monotonic() >= self._silent_until:
            confirmed.wait(1)
        return waiter

    def _leave(self, topic: str, waiter: LocalWaiter) -> bool:
        last = super()._leave(topic, waiter)
        if last:
            with self._lock:
                self._confirmed.pop(topic, None)
                if self._subscription is not None:
                    self._tell(self._subscription.unsubscribe, topic)
        return last

    def _tell(self, action: Any, topic: str) -> None:
        try:
            action(self._prefix + topic)
        except _ERRORS as error:
            self._complaints.log(error)

    def _hear(self) -> None:
        while True:
            try:
                with _connect(socket_timeout=5, retry=Retry(NoBackoff(), 0)) as client:
                    self._listen(client.pubsub())
            except Exception as error:  # noqa: BLE001  # whatever it is, this thread must go on listening
                self._complaints.log(error)
                self._silent_until = time.monotonic() + _SILENCE
                with self._lock:
                    self._subscription = None
                    for confirmed in self._confirmed.values():
                        confirmed.clear()
                time.sleep(_RECONNECT)

    def _listen(self, subscription: Any) -> None:
        with self._lock:
            topics = list(self._waiters) or [LOOPS]
            subscription.subscribe(*(self._prefix + topic for topic in topics))
            self._subscription = subscription
        for topic in topics:
            self._ring(topic)
        while True:
            message = subscription.get_message(timeout=5)
            if message is not None:
                topic = message["channel"].decode().removeprefix(self._prefix)
                self._heard(message["type"], topic, message["data"])

    def _heard(self, kind: str, topic: str, what: object) -> None:
        if kind == "message":
            self._ring(topic, urgent=what != _LATER)
        elif kind == "subscribe" and topic in self._confirmed:
            self._confirmed[topic].set()


def _connect(**options: Any) -> redis.Redis:
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=1, health_check_interval=15, **options
    )
    return client
