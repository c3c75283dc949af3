"""Who this Celery worker is, and what runs in this process of it. Forked children inherit the identity."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable

from aion.store.workers import WorkerIdentity
from aion_engine.runtime import stop_watch
from aion_engine.runtime.board import Board
from aion_engine.runtime.durations import Durations
from aion_engine.runtime.execution import Running
from aion_engine.runtime.identity import new_worker


class Here:
    """The worker of this process and its running attempts."""

    def __init__(self) -> None:
        self._worker: WorkerIdentity | None = None
        self.board = Board()
        self.durations = Durations()
        self._running: dict[uuid.UUID, Running] = {}
        self._lock = threading.Lock()

    def become(self, worker: WorkerIdentity) -> None:
        """Run this process's attempts (and those of children forked later) as this worker's."""
        self._worker = worker
        self.board = Board()

    @property
    def known(self) -> bool:
        """Whether this process, or the one it was forked from, is a worker."""
        return self._worker is not None

    @property
    def worker(self) -> WorkerIdentity:
        """The worker that this process runs attempts for."""
        if self._worker is None:
            self.become(new_worker("celery"))
        assert self._worker is not None  # noqa: S101  # just made
        return self._worker

    def after_fork(self) -> None:
        """Begin anew in a child: what the parent ran, and held, is not here."""
        self._lock = threading.Lock()
        self._running = {}

    def running(self) -> Iterable[Running]:
        """Give the attempts that run in this process."""
        with self._lock:
            return list(self._running.values())

    def enter(self, running: Running) -> None:
        """Note that an attempt runs here."""
        with self._lock:
            self._running[running.attempt.id] = running

    def leave(self, running: Running) -> None:
        """Note that it ended."""
        with self._lock:
            if self._running.get(running.attempt.id) is running:
                del self._running[running.attempt.id]

    def announce_stop(self) -> None:
        """Begin nothing more, and tell what runs in this process and in its children."""
        self.board.announce_stop()
        stop_watch.tell_shutdown(self.running())


here = Here()
