"""Find PostgreSQL and Redis, or start them, and keep them until nobody needs them any more.

Run by `services.py`, not by hand. Prints one line of JSON (variables for the environment, one
sentence per service) and then waits, for its standard input to end or for the process given as
`--shell` to be gone; then it stops what it started and drops the databases it made.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script finds only its own directory

from tools import postgres_server  # noqa: E402

DATABASE_VARIABLE = "AION_TEST_DATABASE_URL"
REDIS_VARIABLE = "AION_TEST_REDIS_URL"
REDIS_TEST_DATABASE = 15  # the last of Redis' default sixteen: nobody's first choice
READY_SECONDS = 30
# A throw-away server: nothing on it has to survive a power failure, unless that is what is measured.
POSTGRES_CARELESS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


@dataclass
class Services:
    """What was found: variables for the environment, and one sentence per service."""

    environment: dict[str, str] = field(default_factory=dict)
    report: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------------ PostgreSQL


def provide_postgresql(stack: ExitStack, services: Services, *, own: bool, durable: bool) -> None:
    """Add a PostgreSQL database to `services`; what has to be undone goes on `stack`.

    A `durable` one waits for the disk at each commit; a server that does not is passed over.
    """
    given = os.environ.get(DATABASE_VARIABLE)
    if given and not own:
        services.environment[DATABASE_VARIABLE] = given
        services.report.append(f"PostgreSQL: as given in {DATABASE_VARIABLE}")
        return
    if importlib.util.find_spec("psycopg") is None:
        services.report.append("PostgreSQL: psycopg is not installed (make setup)")
        return
    server = None if own else _running_postgresql()
    how = "found running"
    if server is not None and durable and not _is_durable(server):
        server = None
    if server is None:
        server, how = _start_postgresql(stack, durable=durable), "started"
    if server is None:
        services.report.append("PostgreSQL: none answers on localhost and none is installed")
        return
    name = f"aion_{secrets.token_hex(4)}"
    version = _execute(server, "SHOW server_version")
    _execute(server, f'CREATE DATABASE "{name}"')
    stack.callback(_drop_databases, server, name)
    services.environment[DATABASE_VARIABLE] = urlsplit(server)._replace(path=f"/{name}").geturl()
    services.report.append(f"PostgreSQL {version}: {how}")


def _running_postgresql() -> str | None:
    """Return the URL of a server on this machine that lets us create databases."""
    users = dict.fromkeys([os.environ.get("PGUSER") or "", getpass.getuser(), "postgres"])
    for user in filter(None, users):
        url = f"postgresql://{user}@localhost:5432/postgres"
        with contextlib.suppress(Exception):
            if _execute(
                url,
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user",
            ):
                return url
    return None


def _is_durable(url: str) -> bool:
    """Say whether a commit of this server is on its disk when it returns."""
    off = "SELECT count(*) FROM pg_settings WHERE setting = 'off' AND name = ANY(%s)"
    return not _execute(url, off, [option.partition("=")[0] for option in POSTGRES_CARELESS])


def _execute(url: str, statement: str, *parameters: object) -> Any:
    """Run one statement and return the first value of its first row, if it has one."""
    import psycopg

    with psycopg.connect(url, autocommit=True, connect_timeout=3) as connection:
        cursor = connection.execute(statement.encode(), parameters or None)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def _drop_databases(server: str, name: str) -> None:
    """Drop `name` and what the test runner derived from it (`test_<name>`, `test_<name>_gw0`)."""
    with contextlib.suppress(Exception):  # the server may be gone; there is nothing left to do
        names = _execute(
            server,
            "SELECT array_agg(datname::text) FROM pg_database WHERE strpos(datname, %s) > 0",
            name,
        )
        for each in names or ():
            _execute(server, f'DROP DATABASE IF EXISTS "{each}" WITH (FORCE)')


def _start_postgresql(stack: ExitStack, *, durable: bool) -> str | None:
    """Start a server of our own on a Unix socket; None if no installation works."""
    options = () if durable else POSTGRES_CARELESS
    server = postgres_server.made(stack, options)
    if server is None:
        return None
    stack.callback(server.stop, postgres_server.FAST)
    return server.url


# ----------------------------------------------------------------------------------------- Redis


def provide_redis(stack: ExitStack, services: Services, *, own: bool) -> None:
    """Add a Redis database to `services`; what has to be undone goes on `stack`."""
    given = os.environ.get(REDIS_VARIABLE)
    if given and not own:
        services.environment[REDIS_VARIABLE] = given
        services.report.append(f"Redis: as given in {REDIS_VARIABLE}")
        return
    port: int | None = 6379
    how = "found running"
    if own or not _answers_ping(6379):
        port, how = _start_redis(stack), "started"
    if port is None:
        services.report.append("Redis: none answers on localhost and none is installed")
        return
    services.environment[REDIS_VARIABLE] = f"redis://127.0.0.1:{port}/{REDIS_TEST_DATABASE}"
    services.report.append(f"Redis: {how} on port {port}")


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")  # one with a password says -NOAUTH
    except OSError:
        return False


def _start_redis(stack: ExitStack) -> int | None:
    """Start a server of our own on a free port; None if there is no program or it fails."""
    scripts = Path(sysconfig.get_path("scripts")) / "redis-server"
    program = shutil.which("redis-server") or (str(scripts) if scripts.exists() else None)
    if program is None:
        return None
    directory = postgres_server.temporary_directory(stack, "aion-redis-")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(
            [
                program,
                *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)),
                *("--save", "", "--appendonly", "no"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    stack.callback(postgres_server.stop, process, signal.SIGTERM)
    deadline = time.monotonic() + READY_SECONDS
    while not _answers_ping(port):
        if process.poll() is not None or time.monotonic() > deadline:
            return None
        time.sleep(0.02)
    return port


# ------------------------------------------------------------------------------ shared by the two


# ----------------------------------------------------------------------------------- keeping


def keep(*, own: bool, durable: bool, shell: int | None) -> None:
    """Provide the services until standard input ends, or until the process `shell` is gone."""
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        services = Services()
        provide_postgresql(stack, services, own=own, durable=durable)
        provide_redis(stack, services, own=own)
        print(json.dumps([services.environment, services.report]), flush=True)
        if shell is None:
            sys.stdin.buffer.read()
        else:
            # Whoever reads our output waits for its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            while _is_alive(shell):
                time.sleep(0.5)


def _leave(number: int, frame: object) -> NoReturn:
    """Turn a signal into an exit, so that what was started is stopped."""
    raise SystemExit(128 + number)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main() -> None:
    """Read the command line and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--own", action="store_true", help="ignore servers that are running")
    parser.add_argument("--durable", action="store_true", help="commits must reach the disk")
    parser.add_argument("--shell", type=int, help="keep until this process is gone")
    arguments = parser.parse_args()
    keep(own=arguments.own, durable=arguments.durable, shell=arguments.shell)


if __name__ == "__main__":
    main()
