"""The replay core: runs workflow code over events and collects commands. Pure: no I/O, Django or Celery."""
