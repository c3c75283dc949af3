"""The test suite: SQLite, or PostgreSQL where AION_TEST_DATABASE_URL names one.

DATABASES is bound when Django starts, so the suite on the other database is another process;
`tools/test.py` runs both. A process that a test starts finds the test's own database through the
same variables (see the `process_environment` fixture).
"""

import os

from config.settings.base import *
from config.settings.base import INSTALLED_APPS, VAR_DIR
from config.settings.databases import postgresql_database, sqlite_database

DEBUG = False
SECRET_KEY = "a-constant-key-for-the-tests"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
INSTALLED_APPS = [*INSTALLED_APPS, "tests.sample"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast

_database_url = os.environ.get("AION_TEST_DATABASE_URL")
if _database_url:
    DATABASES = {"default": postgresql_database(_database_url)}
    # No commit waits for the disk, only a power failure needs it.
    DATABASES["default"]["OPTIONS"].setdefault("options", "-c synchronous_commit=off")
else:
    # A file: the shared cache of in-memory databases fails threads with "table is locked". Named
    # by process, so that two sessions do not share one. No fsync here either.
    _directory = VAR_DIR / "test"
    _directory.mkdir(parents=True, exist_ok=True)
    _path = os.environ.get("AION_SQLITE_PATH") or ":memory:"
    DATABASES = {
        "default": {
            **sqlite_database(_path, synchronous="OFF"),
            "TEST": {"NAME": str(_directory / f"{os.getpid()}.sqlite3")},
        },
    }

_redis_url = os.environ.get("AION_TEST_REDIS_URL")
CELERY_BROKER_URL = _redis_url or "memory://"
# The memory transport asks once a second unless told otherwise.
CELERY_BROKER_TRANSPORT_OPTIONS = {} if _redis_url else {"polling_interval": 0.02}

AION = {
    "DISPATCHER": "aion_engine.runtime.dispatch.DatabaseDispatcher",
    "BELL": "aion_engine.runtime.bells.PollingBell",
    # A busy machine must not cut a batch in two: tests compare histories.
    "BATCH_TIME": 10,
    # Those that the tests of the language set. Kinds have tests of their own.
    "SEARCH_ATTRIBUTES": {
        **dict.fromkeys(["a", "b", "bad", "customer", "first", "good", "more", "n", "old"], "int"),
        **dict.fromkeys(["n0", "n1", "n2", "round1", "round2", "round3"], "int"),
        **dict.fromkeys(["color", "never", "stage"], "keyword"),
        "at": "datetime",
        "tags": "keyword_list",
    },
}
