"""The test settings for processes that a test starts: what differs per test is in the environment.

AION_ACCEPTANCE_BROKER  the broker's URL; without one, everything is embedded
AION_ACCEPTANCE_BELL    the Redis of the bell
AION_ACCEPTANCE_QUEUE   the default queue: a name of this test's own, for the broker may be shared
AION_ACCEPTANCE_PAYLOADS  a directory for the files of large payloads
AION_ACCEPTANCE_AION    JSON: further keys of the AION dict
AION_ACCEPTANCE_CELERY  JSON: further settings of Celery
"""

import json
import os

from django.conf import global_settings

from config.settings.test import *  # noqa: F403
from config.settings.test import DATABASES

# Servers are killed here, and what was committed must be there afterwards.
DATABASES["default"].get("OPTIONS", {}).pop("options", None)

_broker = os.environ.get("AION_ACCEPTANCE_BROKER")
if _broker:
    CELERY_BROKER_URL = _broker
    CELERY_BROKER_TRANSPORT_OPTIONS = (
        {"socket_connect_timeout": 2} if _broker.startswith("redis") else {}
    )
    CELERY_TASK_DEFAULT_QUEUE = os.environ["AION_ACCEPTANCE_QUEUE"]
    AION = {
        "DISPATCHER": "aion_engine.runtime.dispatch.CeleryDispatcher",
        "BELL": "aion_engine.runtime.bells.RedisBell",
        "REDIS_URL": os.environ["AION_ACCEPTANCE_BELL"],
    }
if _directory := os.environ.get("AION_ACCEPTANCE_PAYLOADS"):
    STORAGES = {
        **global_settings.STORAGES,
        "payloads": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": _directory},
        },
    }
AION = {**AION, **json.loads(os.environ.get("AION_ACCEPTANCE_AION", "{}"))}

for _name, _value in json.loads(os.environ.get("AION_ACCEPTANCE_CELERY", "{}")).items():
    globals()[f"CELERY_{_name}"] = _value
