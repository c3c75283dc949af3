"""The example project's Celery without Aion: a queue and a result backend in Redis."""

import os

from config.settings.base import *  # noqa: F403  # settings build on each other

SECRET_KEY = "a-constant-key-for-the-benchmarks"  # noqa: S105
INSTALLED_APPS = ["benchmarks.on_celery"]
DATABASES: dict[str, dict[str, object]] = {}
ROOT_URLCONF = "benchmarks.on_celery.urls"

CELERY_BROKER_URL = os.environ["AION_TEST_REDIS_URL"]
CELERY_RESULT_BACKEND = CELERY_BROKER_URL
CELERY_RESULT_EXPIRES = 60
CELERY_TASK_IGNORE_RESULT = False
CELERY_TASK_DEFAULT_QUEUE = os.environ["AION_BENCHMARKS_QUEUE"]
