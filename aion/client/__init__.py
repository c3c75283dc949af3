"""The Python front of the operations: `from aion import client`.

Every function is synchronous and has an `a`-prefixed async twin, as in Django. What changes something joins
the caller's transaction: inside `transaction.atomic()` it happens if and when that commits.
"""

from aion.client.activities import (
    ActivityHandle,
    alist_pending_activities,
    alist_timers,
    alist_workers,
    apause_activity_type,
    aunpause_activity_type,
    list_pending_activities,
    list_timers,
    list_workers,
    pause_activity_type,
    unpause_activity_type,
)
from aion.client.bulk import (
    acancel_workflows,
    apause_workflows,
    arelease_workflows,
    areopen_workflows,
    areset_workflows,
    aresume_workflows,
    asignal_workflows,
    aterminate_workflows,
    cancel_workflows,
    pause_workflows,
    release_workflows,
    reopen_workflows,
    reset_workflows,
    resume_workflows,
    signal_workflows,
    terminate_workflows,
)
from aion.client.handle import (
    WorkflowHandle,
)
from aion.client.listing import (
    WorkflowList,
    acount_workflows,
    alist_workflows,
    count_workflows,
    list_workflows,
)
from aion.client.schedule_handle import (
    ScheduleHandle,
)
from aion.client.schedules import (
    acreate_schedule,
    alist_schedules,
    aschedule_action,
    create_schedule,
    get_schedule_handle,
    list_schedules,
    schedule_action,
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
    astart_workflows,
    aupdate_with_start,
    execute_workflow,
    get_workflow_handle,
    signal_with_start,
    start_workflow,
    start_workflows,
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
from aion.operations.bulk import (
    BulkFailure,
    BulkResult,
)
from aion.operations.code_versions import (
    runs_on_other_code,
)
from aion.operations.describe import (
    OpenChild,
    PendingUpdate,
    RunDescription,
)
from aion.operations.listing import (
    WorkflowCount,
    WorkflowPage,
    WorkflowSummary,
)
from aion.operations.pending_lists import (
    Page,
    PendingActivity,
    PendingTimer,
    WorkerInfo,
)
from aion.operations.policies import (
    IdConflictPolicy,
    IdReusePolicy,
    QueryRejectCondition,
    ResetPoint,
)
from aion.operations.schedules.describe import (
    ScheduleDescription,
    ScheduleFiring,
    ScheduleSummary,
)
from aion.operations.search_attributes import (
    RegisteredAttribute,
)
from aion.schedules.calendar import Calendar
from aion.schedules.config import (
    CatchUp,
    OverlapPolicy,
    ScheduleAction,
    ScheduleConfig,
)
from aion.schedules.spec import (
    Interval,
    ScheduleSpec,
)

__all__ = [
    "ActivityHandle",
    "AttributeKind",
    "BulkFailure",
    "BulkResult",
    "Calendar",
    "CatchUp",
    "IdConflictPolicy",
    "IdReusePolicy",
    "Interval",
    "OpenChild",
    "OverlapPolicy",
    "Page",
    "PendingActivity",
    "PendingTimer",
    "PendingUpdate",
    "QueryRejectCondition",
    "RegisteredAttribute",
    "ResetPoint",
    "RunDescription",
    "ScheduleAction",
    "ScheduleConfig",
    "ScheduleDescription",
    "ScheduleFiring",
    "ScheduleHandle",
    "ScheduleSpec",
    "ScheduleSummary",
    "UpdateHandle",
    "WorkerInfo",
    "WorkflowCount",
    "WorkflowHandle",
    "WorkflowList",
    "WorkflowPage",
    "WorkflowSummary",
    "acancel_activity",
    "acancel_workflows",
    "acomplete_activity",
    "acount_workflows",
    "acreate_schedule",
    "aexecute_workflow",
    "afail_activity",
    "aheartbeat_activity",
    "alist_pending_activities",
    "alist_schedules",
    "alist_search_attributes",
    "alist_timers",
    "alist_workers",
    "alist_workflows",
    "apause_activity_type",
    "apause_workflows",
    "aregister_search_attribute",
    "arelease_workflows",
    "areopen_workflows",
    "areset_workflows",
    "aresume_workflows",
    "aschedule_action",
    "asignal_with_start",
    "asignal_workflows",
    "astart_workflow",
    "astart_workflows",
    "aterminate_workflows",
    "aunpause_activity_type",
    "aunregister_search_attribute",
    "aupdate_with_start",
    "cancel_activity",
    "cancel_workflows",
    "complete_activity",
    "count_workflows",
    "create_schedule",
    "execute_workflow",
    "fail_activity",
    "get_schedule_handle",
    "get_workflow_handle",
    "heartbeat_activity",
    "list_pending_activities",
    "list_schedules",
    "list_search_attributes",
    "list_timers",
    "list_workers",
    "list_workflows",
    "pause_activity_type",
    "pause_workflows",
    "register_search_attribute",
    "release_workflows",
    "reopen_workflows",
    "reset_workflows",
    "resume_workflows",
    "runs_on_other_code",
    "schedule_action",
    "signal_with_start",
    "signal_workflows",
    "start_workflow",
    "start_workflows",
    "terminate_workflows",
    "unpause_activity_type",
    "unregister_search_attribute",
    "update_with_start",
]
