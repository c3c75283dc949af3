"""Who may do what: the permissions that the admin and the API ask for, one for each verb.

A permission is Django's, `aion.start_run`, `aion.pause_schedule` and so on, given to users and groups as
any other. A project that must also look at the run (tenants, ownership) names a class of its own in
`AION["ACCESS"]`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Protocol

from aion.conf import settings

if TYPE_CHECKING:
    from aion.operations.describe import RunDescription


class Verb(enum.StrEnum):
    """What somebody may be allowed to do; the value is the permission's codename."""

    VIEW = "view_run"
    START = "start_run"
    SIGNAL = "signal_run"
    QUERY = "query_run"
    UPDATE = "update_run"
    CANCEL = "cancel_run"
    TERMINATE = "terminate_run"
    PAUSE = "pause_run"
    RESUME = "resume_run"
    RELEASE = "release_run"
    REOPEN = "reopen_run"
    RESET = "reset_run"
    OPERATE_ACTIVITY = "operate_activity"
    VIEW_SCHEDULE = "view_schedule"
    CREATE_SCHEDULE = "create_schedule"
    UPDATE_SCHEDULE = "update_schedule"
    DELETE_SCHEDULE = "delete_schedule"
    PAUSE_SCHEDULE = "pause_schedule"
    RESUME_SCHEDULE = "resume_schedule"
    TRIGGER_SCHEDULE = "trigger_schedule"
    BACKFILL_SCHEDULE = "backfill_schedule"
    ADD_SEARCH_ATTRIBUTE = "add_searchattribute"

    @property
    def permission(self) -> str:
        """The permission's full name."""
        return f"aion.{self.value}"


class Access(Protocol):
    """Decides what a user may do. Made once for each process, without arguments."""

    def may(self, user: Any, verb: Verb, run: RunDescription | None = None) -> bool:
        """Tell whether the user may do it: to this run, or at all where none is given yet.

        Verbs of schedules and search attributes come without a run.
        """

    def scope(self, user: Any) -> str:
        """Give the list query that what the user may see must satisfy; "" for everything."""


class PermissionAccess:
    """Django's permissions, the same for every run."""

    def may(self, user: Any, verb: Verb, run: RunDescription | None = None) -> bool:
        """Tell whether the user has the permission."""
        return bool(user.is_active and user.has_perm(verb.permission))

    def scope(self, user: Any) -> str:
        """Everything."""
        return ""


def access() -> Access:
    """Give the access rules of the settings."""
    found: Access = settings.port("ACCESS")
    return found
