"""Entries for DATABASES, built from a path or a URL."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

POSTGRESQL_SCHEMES = {"postgres", "postgresql"}


def sqlite_database(path: Path | str, *, synchronous: str = "FULL") -> dict[str, Any]:
    """Return a SQLite database that several processes and threads may write to.

    IMMEDIATE transactions take the write lock when they begin, so that two of them wait for each
    other instead of failing half-way with "database is locked"; WAL lets readers go on meanwhile.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": f"PRAGMA journal_mode=WAL;PRAGMA synchronous={synchronous};",
        },
    }


def postgresql_database(url: str) -> dict[str, Any]:
    """Return the PostgreSQL database that `url` names.

    The form is `postgresql://user:password@host:port/name`. A Unix socket's directory is given
    as `?host=/path`; any other parameter (`sslmode`, ...) is handed to the driver.

    Raises: ImproperlyConfigured if the scheme or the database's name is missing.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in POSTGRESQL_SCHEMES or not name:
        # The URL itself is not shown: it may hold a password.
        message = "A database URL must look like postgresql://user:password@host:port/name."
        raise ImproperlyConfigured(message)
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    port = options.pop("port", None) or parts.port or ""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port),
        "OPTIONS": options,
    }
