"""The settings of every process under chaos: those of the acceptance tests, and the workload.

Leases are short, so that what dies is noticed many times in a run of a minute.
"""

from tests.acceptance.settings import *  # noqa: F403
from tests.acceptance.settings import AION, CELERY_BROKER_TRANSPORT_OPTIONS

# No more than it takes: processes are started all the time.
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django_celery_beat",
    "aion",
    "aion_engine",
    "tests.sample",
    "tests.acceptance.chaos",
]
AION = {
    **AION,
    "LEASE": 3.0,
    "REPUBLISH_AFTER": 2.0,
    "TICK_STALE_AFTER": 2.0,
    "BELL_POLL_INTERVAL": 2.0,
    "HOLD_RETRY_FIRST": 1.0,
    "HOLD_RETRY_LAST": 5.0,
    "BATCH_TIME": 0.05,
}
CELERY_BROKER_TRANSPORT_OPTIONS = {**CELERY_BROKER_TRANSPORT_OPTIONS, "socket_timeout": 5}
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
