"""What every test may rely on: which services there are, and how to reach them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from aion.store.attribute_registry import registry
from tests.support import emptying

ROOT = Path(__file__).resolve().parent.parent
REQUIRED = os.environ.get("AION_REQUIRE_SERVICES") == "1"
REDIS_URL = os.environ.get("AION_TEST_REDIS_URL", "")
# The suite takes the same examples every time, and a slow machine is no finding. AION_EXPLORE=500 takes as
# many new ones, but for properties that bound their own.
EXPLORE = int(os.environ.get("AION_EXPLORE") or 0)
hypothesis_settings.register_profile(
    "suite",
    hypothesis_settings(),
    derandomize=not EXPLORE,
    max_examples=EXPLORE or 100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("suite")

HINT = "run `make test`, or under `python tools/services.py run --`"


def on_postgresql() -> bool:
    return settings.DATABASES["default"]["ENGINE"].endswith("postgresql")


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [f"database: {_describe_database()}", f"redis: {_describe_redis()}"]


def _describe_database() -> str:
    if not on_postgresql():
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version} (a file)"
    import psycopg

    with psycopg.connect(os.environ["AION_TEST_DATABASE_URL"], connect_timeout=5) as server:
        version = server.info.parameter_status("server_version")
        return f"PostgreSQL {version} at {server.info.host}"


def _describe_redis() -> str:
    if not REDIS_URL:
        return f"none ({HINT})"
    import redis

    with redis.Redis.from_url(REDIS_URL, socket_timeout=5) as server:
        return f"{server.info('server')['redis_version']} at {REDIS_URL}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """End what still looks at the test database (a thread that was just told to stop), to drop it."""
    yield
    if on_postgresql():
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--with-database",
        action="store_true",
        help="only tests that ask for a database: the others say the same on each",
    )


def pytest_configure(config: pytest.Config) -> None:
    emptying.install()


@pytest.hookimpl(trylast=True)  # behind the shuffling
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs PostgreSQL on SQLite: `tools/test.py` runs it in its second pass."""
    items[:] = _long_ones_early(items)
    if config.getoption("--with-database"):
        left_out = [item for item in items if not _asks_for_a_database(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _asks_for_a_database(item)]
    if on_postgresql():
        return
    skip = pytest.mark.skip(reason="needs PostgreSQL; this pass runs on SQLite")
    for item in items:
        if item.get_closest_marker("postgres"):
            item.add_marker(skip)


def _long_ones_early(items: list[pytest.Item]) -> list[pytest.Item]:
    """Order tests so that at the end no process works on a long one while the others have nothing to do.

    Those that start processes mostly wait: they are spread among those that compute.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    waiting = [item for item in items if "acceptance" in item.path.parts and item not in slow]
    others = [item for item in items if item not in slow and item not in waiting]
    apart = len(others) * 2 // 3 // (len(waiting) or 1)
    spread = [[item, *others[n * apart : (n + 1) * apart]] for n, item in enumerate(waiting)]
    return [*slow, *itertools.chain(*spread), *others[len(waiting) * apart :]]


def _asks_for_a_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("django_db") or item.get_closest_marker("postgres"):
        return True
    if issubclass(getattr(item, "cls", None) or object, TransactionTestCase):
        return True
    names = getattr(item, "fixturenames", ())
    return "db" in names or "transactional_db" in names


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("redis"):
        _need_redis()


def _need_redis() -> None:
    if REDIS_URL:
        return
    if REQUIRED:
        pytest.fail(f"AION_REQUIRE_SERVICES=1 and AION_TEST_REDIS_URL is not set: {HINT}")
    pytest.skip(f"needs Redis: {HINT}")


@pytest.fixture(autouse=True)
def _forgotten_registry() -> Iterator[None]:
    """What a test registered is rolled back with it; the process must not remember it either."""
    yield
    registry.forget()


@pytest.fixture
def redis_url(worker_id: str) -> str:
    """The URL of a Redis database that no parallel test process of this session uses.

    It is not emptied: another session on this machine may share it. Use keys of your own.
    """
    _need_redis()
    number = 15 - int(worker_id.removeprefix("gw")) % 15 if worker_id != "master" else 15
    return urlsplit(REDIS_URL)._replace(path=f"/{number}").geturl()


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """The environment for a process that works on this test's own database.

    The test settings find it (DJANGO_SETTINGS_MODULE is set), and so do the others.
    """
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    values = connection.settings_dict
    if not on_postgresql():
        return {**environment, "AION_SQLITE_PATH": str(values["NAME"])}
    query = {"host": values["HOST"], "port": values["PORT"]}
    query = {name: value for name, value in query.items() if value}
    netloc = urlsplit(os.environ["AION_TEST_DATABASE_URL"]).netloc.rpartition("@")[0]
    url = f"postgresql://{netloc}@/{values['NAME']}?{urlencode(query)}"
    return {**environment, "AION_TEST_DATABASE_URL": url, "AION_DATABASE_URL": url}
