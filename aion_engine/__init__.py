"""What makes a run move: the replay core, the runtime on Celery, the testing kit."""
