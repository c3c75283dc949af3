"""How the cases that a bare task queue knows are done with Celery."""
