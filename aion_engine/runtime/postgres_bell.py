"""A bell that rings through PostgreSQL's NOTIFY: for installations without Redis."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Final

import psycopg
from django.db import DatabaseError

from aion.store.dialects import alias, connection
from aion_engine.runtime.polling_bell import ACTIVITIES, LOOPS, Complaints, LocalWaiter, PollingBell

_CHANNEL: Final = "aion_bell"
_LATER: Final = ", later"  # behind the topic of a ring that is not urgent
_RECONNECT: Final = 0.5  # seconds between two attempts to listen
_IDLE: Final = 10.0  # seconds without a waiter after which the listening connection is closed


class PostgresBell(PollingBell):
    """Notifies on one channel with the topic as payload; hears through one connection of its own."""

    listens = True

    def __init__(self) -> None:
        super().__init__()
        self._complaints = Complaints("The PostgreSQL bell does not ring")
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()

    def ring_loops(self, *, urgent: bool = True) -> None:
        """Wake every loop."""
        self._notify([LOOPS if urgent else LOOPS + _LATER])

    def ring_activities(self) -> None:
        """Wake every activity pool."""
        self._notify([ACTIVITIES])

    def ring_closed(self, run_ids: Iterable[uuid.UUID]) -> None:
        """Wake those who wait for these runs, in one statement."""
        self._notify([run_id.hex for run_id in run_ids])

    def _notify(self, topics: list[str]) -> None:
        if not topics:
            return
        try:
            with connection().cursor() as cursor:
                cursor.execute(
                    "SELECT pg_notify(%s, topic) FROM unnest(%s::text[]) AS topic",
                    [_CHANNEL, topics],
                )
        except DatabaseError as error:
            self._complaints.log(error)

    def _join(self, topic: str) -> LocalWaiter:
        if self._pid != os.getpid():
            self._lock = threading.Lock()
            self._waiters.clear()
            self._begin()
        waiter = super()._join(topic)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._hear, name="aion-bell", daemon=True)
                self._thread.start()
        self._ready.wait(1)
        return waiter

    def _hear(self) -> None:
        while True:
            try:
                self._listen()
            except (psycopg.Error, OSError) as error:
                self._ready.clear()
                self._complaints.log(error)
                time.sleep(_RECONNECT)
            else:
                return

    def _listen(self) -> None:
        """Hear rings until nobody has waited for a while; the next waiter begins anew."""
        parameters = connection().copy(alias=alias()).get_connection_params()
        for name in ("cursor_factory", "context", "server_side_binding", "prepare_threshold"):
            parameters.pop(name, None)
        with psycopg.connect(**parameters, autocommit=True) as listener:
            listener.execute(f"LISTEN {_CHANNEL}")
            self._ready.set()
            for topic in list(self._waiters):
                self._ring(topic)  # rings may have been missed before
            while not self._ended():
                for note in listener.notifies(timeout=_IDLE):
                    topic = note.payload.removesuffix(_LATER)
                    self._ring(topic, urgent=topic == note.payload)

    def _ended(self) -> bool:
        with self._lock:
            if self._waiters:
                return False
            self._thread = None
            self._ready.clear()
            return True
