"""A wire to PostgreSQL that a test may cut, also between a commit and its answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

_CHUNK = 64 * 1024


class Wire:
    """Passes bytes between clients and a server on a port of its own.

    `cut_after_commits(n)` lets the next n commits reach the server and happen, and cuts each connection
    before the client hears of it.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._cuts = 0
        self._open: set[socket.socket] = set()
        self.cut_count = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after_commits(self, count: int) -> None:
        with self._lock:
            self._cuts = count

    @property
    def cuts_left(self) -> int:
        with self._lock:
            return self._cuts

    def cut_all(self) -> int:
        """Cut what is open now; give the number of connections."""
        with self._lock:
            ends = list(self._open)
        for end in ends:
            _close(end)
        return len(ends) // 2

    def close(self) -> None:
        _close(self._listener)
        self.cut_all()

    # --- the threads ---

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._connected()
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            for take in (self._requests, self._answers):
                threading.Thread(target=take, args=(client, server), daemon=True).start()

    def _connected(self) -> socket.socket:
        host, port = self._server
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection(self._server)

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with self._ending(client, server):
            while data := client.recv(_CHUNK):
                server.sendall(data)

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        with self._ending(client, server):
            while data := server.recv(_CHUNK):
                if b"COMMIT\0" in data and self._takes_cut():
                    return  # it has happened, and nobody is told
                client.sendall(data)

    def _takes_cut(self) -> bool:
        with self._lock:
            if self._cuts <= 0:
                return False
            self._cuts -= 1
            self.cut_count += 1
            return True

    @contextlib.contextmanager
    def _ending(self, *ends: socket.socket) -> Iterator[None]:
        try:
            with contextlib.suppress(OSError):
                yield
        finally:
            for end in ends:
                _close(end)
            with self._lock:
                self._open.difference_update(ends)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextlib.contextmanager
def wire(host: str, port: int) -> Iterator[Wire]:
    made = Wire(host, port)
    try:
        yield made
    finally:
        made.close()
