"""The runtime: turns, activities, timers and leases, on Celery or in a plain process."""
