"""The servers and processes that chaos is made of, each of which may be disturbed at any time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.acceptance.processes import Cluster, Process
from tests.acceptance.servers import OwnRedis, own_redis
from tests.conftest import ROOT
from tools import postgres_server
from tools.postgres_server import PostgresServer

# No disk of ours fails, so nothing is flushed to it; but a commit is with the system when it returns, or an
# immediate shutdown would lose some.
POSTGRES_OPTIONS = ("fsync=off", "full_page_writes=off", "log_min_messages=log")
DATABASE = "aion_chaos"
QUEUE = "aion-chaos"
MODULE = "tests.acceptance.chaos"


class Stage:
    """Everything that runs, by name, with the means to break it and to bring it back."""

    def __init__(
        self, directory: Path, seed: str, postgres: PostgresServer, redis: OwnRedis
    ) -> None:
        self.directory = directory
        self.postgres = postgres
        self.redis = redis
        self.points = directory / "points"
        self.points.mkdir()
        self.ledger = directory / "ledger.jsonl"
        self.stop_file = directory / "stop"
        self._seed = seed
        self._cluster = Cluster(self._environment(), directory)
        self.workers: dict[str, Process] = {}
        self.beat: Process | None = None
        self.callers: Process | None = None
        self.suspended: set[int] = set()
        self.hand_overs: list[float] = []  # seconds that workers took to stop

    @property
    def database_url(self) -> str:
        return urlsplit(self.postgres.url)._replace(path=f"/{DATABASE}").geturl()

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": f"{MODULE}.settings",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "PYTHONFAULTHANDLER": "1",
            "CELERY_SKIP_CHECKS": "1",
            "AION_TEST_DATABASE_URL": self.database_url,
            "AION_ACCEPTANCE_BROKER": self.redis.url,
            "AION_ACCEPTANCE_BELL": self.redis.url,
            "AION_ACCEPTANCE_QUEUE": QUEUE,
            "AION_CHAOS_POINTS": str(self.points),
        }

    # --- processes ---

    def raise_curtain(self, workers: int) -> None:
        """Start everything; wait until it works."""
        for number in range(workers):
            self._start_worker(f"worker-{number}")
        self._start_beat()
        self._start_callers()
        for process in self.workers.values():
            process.wait_for(" ready.", timeout=180)

    def _start_worker(self, name: str) -> None:
        self.workers[name] = self._cluster.celery(name, ready=False)

    def _start_beat(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "config", "beat", "-l", "INFO"]
        self.beat = self._start("beat", [*command, "--pidfile="])

    def _start_callers(self) -> None:
        command = [sys.executable, "-m", f"{MODULE}.callers"]
        self.callers = self._start(
            "caller", [*command, str(self.ledger), self._seed, str(self.stop_file)]
        )

    def _start(self, role: str, command: list[str]) -> Process:
        self._cluster.environment["AION_CHAOS_ROLE"] = role
        try:
            return self._cluster.start(role, command)
        finally:
            del self._cluster.environment["AION_CHAOS_ROLE"]

    def revive(self) -> None:
        """Start again what has died, as a supervisor would."""
        for name, process in self.workers.items():
            if not process.alive:
                self._start_worker(name)
        if self.beat is not None and not self.beat.alive:
            self._start_beat()
        if self.callers is not None and not self.callers.alive and not self.stop_file.exists():
            self._start_callers()

    def callers_are_done(self) -> bool:
        """Tell whether every story that was begun has been told; start callers that died again."""
        if self.callers is None or self.callers.alive:
            return False
        if self.callers.popen.returncode != 0:
            self._start_callers()
            return False
        return True

    def recover(self) -> None:
        """Let everything that was suspended go on."""
        for process in self.workers.values():
            self.resume(process)

    def suspend(self, process: Process, seconds: float, *, with_pool: bool) -> None:
        """Stop a process for a while; nothing else is done to it meanwhile."""
        self.suspended.add(process.pid)
        (os.killpg if with_pool else os.kill)(process.pid, signal.SIGSTOP)
        later = threading.Timer(seconds, self.resume, (process,))
        later.daemon = True
        later.start()

    def resume(self, process: Process) -> None:
        """Let a process and its pool go on, if they were suspended."""
        if process.pid in self.suspended and process.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)
        self.suspended.discard(process.pid)

    def close(self) -> None:
        """Stop the workers warmly, measuring it."""
        for process in self.workers.values():
            if process.alive:
                self.hand_over(process)

    def hand_over(self, process: Process) -> None:
        """Stop a worker with SIGTERM, and remember how long that took."""
        with contextlib.suppress(Exception):
            self.hand_overs.append(process.terminate(timeout=30))

    def sweep_up(self) -> None:
        """End whatever is left."""
        self._cluster.stop()

    def show_logs(self) -> None:
        self._cluster.show_logs(lines=25)

    # --- servers ---

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of our own, for a moment."""
        with psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=5) as connection:
            yield connection

    def count_events(self) -> int:
        """Tell how far all runs have come; 0 while the database is away."""
        with contextlib.suppress(psycopg.Error):
            with psycopg.connect(self.database_url, connect_timeout=2) as connection:
                row = connection.execute("SELECT count(*) FROM aion_event").fetchone()
                return int(row[0]) if row else 0
        return 0

    def restart_postgres(self, how: signal.Signals, pause: float) -> None:
        """Stop the database in one of its ways, and start it after a pause."""
        self.postgres.stop(how)
        time.sleep(pause)
        self.postgres.start()

    def restart_redis(self, pause: float) -> None:
        """Kill Redis, which keeps nothing, and start it after a pause."""
        self.redis.stop()
        time.sleep(pause)
        self.redis.start()


@contextlib.contextmanager
def stage(directory: Path, seed: str) -> Iterator[Stage]:
    """Start the servers, make the database, give the stage; end all of it behind."""
    with ExitStack() as stack:
        postgres = postgres_server.made(stack, POSTGRES_OPTIONS)
        if postgres is None:
            raise RuntimeError("no installation of PostgreSQL works here: `make setup` brings one")
        stack.callback(postgres.stop)
        redis = stack.enter_context(own_redis())
        made = Stage(directory, seed, postgres, redis)
        stack.callback(made.sweep_up)
        with made.database() as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        yield made
