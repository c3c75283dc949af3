"""The Python front of the operations: `from aion import client`.

Every function is synchronous and has an `a`-prefixed async twin, as in Django. What changes something joins
the caller's transaction: inside `transaction.atomic()` it happens if and when that commits.
"""

from aion.client.handle import (
    WorkflowHandle,
)
from aion.client.search_attributes import (
    alist_search_attributes,
    aregister_search_attribute,
    aunregister_search_attribute,
    list_search_attributes,
    register_search_attribute,
    unregister_search_attribute,
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
from aion.core.search_attributes import (
    AttributeKind,
)
from aion.operations.describe import (
    RunDescription,
)
from aion.operations.policies import (
    IdConflictPolicy,
    IdReusePolicy,
)
from aion.operations.search_attributes import (
    RegisteredAttribute,
)

__all__ = [
    "AttributeKind",
    "IdConflictPolicy",
    "IdReusePolicy",
    "RegisteredAttribute",
    "RunDescription",
    "UpdateHandle",
    "WorkflowHandle",
    "acancel_activity",
    "acomplete_activity",
    "aexecute_workflow",
    "afail_activity",
    "aheartbeat_activity",
    "alist_search_attributes",
    "aregister_search_attribute",
    "asignal_with_start",
    "astart_workflow",
    "aunregister_search_attribute",
    "aupdate_with_start",
    "cancel_activity",
    "complete_activity",
    "execute_workflow",
    "fail_activity",
    "get_workflow_handle",
    "heartbeat_activity",
    "list_search_attributes",
    "register_search_attribute",
    "signal_with_start",
    "start_workflow",
    "unregister_search_attribute",
    "update_with_start",
]
