"""The admin: runs as lists and pages to look at and act on, the rest as lists. Nothing is edited here.

Every act goes through the operations, asks for the permission of its verb, and is written to the admin's log.
"""

from aion.admin import lists, runs, schedules

__all__ = ["lists", "runs", "schedules"]
