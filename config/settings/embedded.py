"""One machine, no servers: SQLite, no broker, `manage.py aion_worker` and `runserver`.

For development and for small installations that set their own SECRET_KEY and AION_DEBUG=0.
What may be set in the environment:

SECRET_KEY        a fixed, public one unless given
AION_DEBUG        Django's DEBUG; 1 unless given
AION_SQLITE_PATH  the database file; var/aion.sqlite3 unless given
AION_LEASE        after how many seconds of silence a worker is dead; 15 unless given
"""

import os
from pathlib import Path

from config.settings.base import *
from config.settings.base import AION, VAR_DIR
from config.settings.databases import sqlite_database

DEBUG = os.environ.get("AION_DEBUG", "1") == "1"
SECRET_KEY = os.environ.get("SECRET_KEY", "embedded-only-not-for-the-open-internet")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

_path = Path(os.environ.get("AION_SQLITE_PATH") or VAR_DIR / "aion.sqlite3")
_path.parent.mkdir(parents=True, exist_ok=True)  # SQLite makes the file, not its directory

# synchronous=FULL: with NORMAL the last commits before a power failure may be gone (a crash of
# the process alone loses nothing). Aion promises that what was committed happened, so each
# commit waits for the disk.
DATABASES = {"default": sqlite_database(_path, synchronous="FULL")}

CELERY_BROKER_URL = "memory://"

AION = {
    **AION,
    "DISPATCHER": "aion_engine.runtime.dispatch.DatabaseDispatcher",
    "BELL": "aion_engine.runtime.bells.SQLiteBell",
}
