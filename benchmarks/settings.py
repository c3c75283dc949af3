"""The example project with the benchmarks' app, on the database of the system that is measured.

`systems` sets the environment: AION_BENCHMARKS_DATABASE_URL for PostgreSQL, else AION_SQLITE_PATH. Celery
workers get AION_BENCHMARKS_BROKER and AION_BENCHMARKS_QUEUE.
"""

import os

from config.settings.databases import postgresql_database
from config.settings.embedded import *  # noqa: F403  # settings build on each other
from config.settings.embedded import AION, DATABASES, INSTALLED_APPS

DEBUG = False  # it would keep every statement
INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.app"]

_database_url = os.environ.get("AION_BENCHMARKS_DATABASE_URL")
_redis_url = os.environ.get("AION_BENCHMARKS_REDIS_URL")
_broker = os.environ.get("AION_BENCHMARKS_BROKER")

if _database_url:
    DATABASES = {"default": {**postgresql_database(_database_url), "CONN_MAX_AGE": 60}}
    AION = {**AION, "BELL": "aion_engine.runtime.bells.PostgresBell"}
if _redis_url:
    AION = {**AION, "BELL": "aion_engine.runtime.bells.RedisBell", "REDIS_URL": _redis_url}
if _broker:
    CELERY_BROKER_URL = _broker
    CELERY_TASK_DEFAULT_QUEUE = os.environ["AION_BENCHMARKS_QUEUE"]
    AION = {**AION, "DISPATCHER": "aion_engine.runtime.dispatch.CeleryDispatcher"}
