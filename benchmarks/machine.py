"""Facts about the machine and its servers: figures without them mean nothing."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import call_durations

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


def facts(*, database_url: str | None, redis_url: str | None, directory: Path) -> dict[str, str]:
    """Describe the machine; `directory` is where SQLite writes."""
    found = {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "load when it began": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
        "fdatasync of 8 kB": f"{fdatasync_seconds(directory) * 1000:.2f} ms",
        "SQLite": f"{sqlite3.sqlite_version}, WAL, synchronous=FULL",
    }
    if database_url:
        shown = show(database_url, "server_version", *DURABLE)
        settings = ", ".join(f"{name} {shown[name]}" for name in DURABLE)
        found["PostgreSQL"] = f"{shown['server_version']}, {settings}"
        commit = f"{commit_seconds(database_url) * 1000:.2f} ms"
        found["an INSERT and its COMMIT in PostgreSQL, without Django"] = commit
    if redis_url:
        found["Redis"] = _redis_version(redis_url)
    found["the peers"] = ", ".join(_versions()) or "none is installed"
    return found


def _versions() -> Iterator[str]:
    for name in ("celery", "dbos", "absurd-sdk", "restate-sdk"):
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def write(path: Path, facts: Mapping[str, str], failures: Sequence[str]) -> None:
    """Keep the facts beside the rows, and what could not be measured."""
    path.write_text(json.dumps({"facts": facts, "failures": failures}, indent=1) + "\n")


def read(path: Path) -> tuple[dict[str, str], list[str]]:
    """Read facts and failures; none when they are not there."""
    if not path.exists():
        return {}, []
    kept = json.loads(path.read_text())
    return kept["facts"], kept["failures"]


def show(database_url: str, *names: str) -> dict[str, str]:
    """Ask PostgreSQL for settings."""
    import psycopg

    with psycopg.connect(database_url, autocommit=True) as connection:
        return {name: _first(connection.execute(f"SHOW {name}".encode())) for name in names}


def _first(cursor: Any) -> str:
    return str(cursor.fetchone()[0])


def _redis_version(url: str) -> str:
    import redis

    with redis.Redis.from_url(url) as client:
        info: Any = client.info("server")
        return str(info["redis_version"])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def fdatasync_seconds(directory: Path, *, repeats: int = 200) -> float:
    """Measure how long the disk takes to keep a page."""
    sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:

        def write() -> None:
            file.write(b"x" * 8192)
            sync(file.fileno())

        return median(call_durations(write, calls=repeats))


def commit_seconds(database_url: str, *, repeats: int = 200) -> float:
    """Measure what one row in one transaction costs: three round trips and a wait for the disk."""
    import psycopg

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE benchmarks_commit (id bigint)")
        try:

            def insert() -> None:
                with connection.transaction():
                    connection.execute("INSERT INTO benchmarks_commit VALUES (1)")

            return median(call_durations(insert, calls=repeats))
        finally:
            connection.execute("DROP TABLE benchmarks_commit")
