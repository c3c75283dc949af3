"""The Python front of the operations: `from aion import client`.

Every function is synchronous and has an `a`-prefixed async twin, as in Django. What changes something joins
the caller's transaction: inside `transaction.atomic()` it happens if and when that commits.
"""

from aion.client.handle import (
    WorkflowHandle,
)
from aion.client.starting import (
    aexecute_workflow,
    asignal_with_start,
    astart_workflow,
    aupdate_with_start,
    execute_workflow,
    get_workflow_handle,
    signal_with_start,
    start_workflow,
    update_with_start,
)
from aion.client.tokens import (
    acancel_activity,
    acomplete_activity,
    afail_activity,
    aheartbeat_activity,
    cancel_activity,
    complete_activity,
    fail_activity,
    heartbeat_activity,
)
from aion.client.updates import (
    UpdateHandle,
)
from aion.operations.describe import (
    RunDescription,
)
from aion.operations.policies import (
    IdConflictPolicy,
    IdReusePolicy,
)

__all__ = [
    "IdConflictPolicy",
    "IdReusePolicy",
    "RunDescription",
    "UpdateHandle",
    "WorkflowHandle",
    "acancel_activity",
    "acomplete_activity",
    "aexecute_workflow",
    "afail_activity",
    "aheartbeat_activity",
    "asignal_with_start",
    "astart_workflow",
    "aupdate_with_start",
    "cancel_activity",
    "complete_activity",
    "execute_workflow",
    "fail_activity",
    "get_workflow_handle",
    "heartbeat_activity",
    "signal_with_start",
    "start_workflow",
    "update_with_start",
]
