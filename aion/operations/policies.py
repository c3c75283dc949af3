"""What callers choose from: what a start does about an id that was used, what a query asks of a run."""

from __future__ import annotations

from enum import StrEnum


class IdReusePolicy(StrEnum):
    """Whether a workflow id may be used again once its runs have closed."""

    ALLOW = "allow"
    FAILED_ONLY = "failed_only"  # only when the newest run did not complete
    REJECT = "reject"


class IdConflictPolicy(StrEnum):
    """What to do when a workflow id has an open run."""

    FAIL = "fail"
    USE_EXISTING = "use_existing"
    TERMINATE_EXISTING = "terminate_existing"


class QueryRejectCondition(StrEnum):
    """Which runs shall not answer a query."""

    NONE = "none"
    NOT_OPEN = "not_open"
    NOT_COMPLETED_CLEANLY = "not_completed_cleanly"  # failed, cancelled, terminated or timed out


class ResetPoint(StrEnum):
    """Where in their histories many runs are reset to.

    `START` begins them anew with the same arguments. `LAST` keeps all but how they ended.
    """

    START = "start"
    LAST = "last"
