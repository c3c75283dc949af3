"""Database connections of threads that live long."""

from __future__ import annotations

from django.db import connections


def tidy_connections() -> None:
    """Close this thread's connections that are broken or older than `CONN_MAX_AGE`.

    What Django does around requests, but for one thing: an age of 0 means "until the end of the request"
    there, and a worker would connect anew for each activity. Here it means that there is no limit.
    """
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["CONN_MAX_AGE"] == 0:
            connection.close_at = None
        connection.close_if_unusable_or_obsolete()
