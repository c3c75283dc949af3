"""The Celery app of the example project.

A Celery worker needs a broker, so it defaults to the production settings; what runs without a
broker (`manage.py aion_worker`) takes the embedded ones from manage.py.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
