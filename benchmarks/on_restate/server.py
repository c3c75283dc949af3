"""The server and the service, on ports and in a directory of their own."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring import wait_until
from benchmarks.processes import Processes, running
from benchmarks.systems.restate import SERVER

_HOST = "127.0.0.1"


@dataclass
class Restate:
    """A server that knows the service; `service` are the service's processes."""

    port: int
    service: Processes
    server: Processes

    def cpu_seconds(self) -> float:
        """Give the processor time of server and service."""
        return self.server.cpu_seconds() + self.service.cpu_seconds()


class Caller:
    """Calls handlers over one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(_HOST, port, timeout=120)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, path: str, body: Any = None, *, method: str = "POST") -> Any:
        """Call and give the answer.

        Raises:
            RuntimeError: it was refused.
        """
        text = None if body is None else json.dumps(body)
        headers = {} if body is None else {"content-type": "application/json"}
        self._connection.request(method, path, text, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {content.decode()}")
        return json.loads(content) if content else None


@contextmanager
def serving(processes: int = 1) -> Iterator[Restate]:
    """Run a server, and the service in so many processes."""
    node, ingress, admin, service = _free_ports(4)
    with ExitStack() as stack:
        directory = tempfile.mkdtemp(dir=os.environ["AION_BENCHMARKS_DIRECTORY"])
        environment = {
            "RESTATE_BASE_DIR": directory,
            "RESTATE_BIND_PORT": str(node),
            "RESTATE_INGRESS__BIND_PORT": str(ingress),
            "RESTATE_ADMIN__BIND_PORT": str(admin),
            "RESTATE_BIND_IP": _HOST,
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RUST_LOG": "error",
        }
        words = (sys.executable, "-m", "hypercorn", "benchmarks.on_restate.service:app")
        options = (
            "--bind",
            f"{_HOST}:{service}",
            "--workers",
            str(processes),
            "--log-level",
            "error",
        )
        app = stack.enter_context(running((*words, *options)))
        server = stack.enter_context(running((SERVER, "--no-logo"), environment=environment))
        for port in (service, admin, ingress):
            wait_until(lambda port=port: _answers(port), timeout=60, pause=0.02)  # type: ignore[misc]
        wait_until(lambda: _registered(admin, service), timeout=60, pause=0.1)
        wait_until(lambda: _works(ingress), timeout=60, pause=0.1)
        yield Restate(ingress, app, server)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_HOST, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((_HOST, port)) == 0


def _registered(admin: int, service: int) -> bool:
    try:
        Caller(admin).call("/deployments", {"uri": f"http://{_HOST}:{service}"})
    except (OSError, RuntimeError, http.client.HTTPException):
        return False
    return True


def _works(ingress: int) -> bool:
    try:
        return bool(Caller(ingress).call("/Bench/trivial", 1) == 1)
    except (OSError, RuntimeError, http.client.HTTPException):
        return False
