"""The example project: the only place that wires everything, imported by nothing else.

The Celery app is loaded with the project, so that `@shared_task` functions bind to it and
`celery -A config` finds it. Building it reads no settings and opens no connection.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]
