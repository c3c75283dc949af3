"""Query a run, open or closed."""

from __future__ import annotations

import uuid

from aion.conf import settings
from aion.core.errors import QueryRejected
from aion.core.headers import NO_HEADERS, Headers
from aion.core.ports import Querier
from aion.core.status import RunStatus
from aion.operations.checking import check_headers
from aion.operations.policies import QueryRejectCondition
from aion.operations.target import find


def query(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    name: str,
    data: bytes,
    *,
    reject: QueryRejectCondition = QueryRejectCondition.NONE,
    headers: Headers = NO_HEADERS,
) -> bytes:
    """Give the encoded answer of the run's code. Changes nothing.

    Raises:
        RunNotFound: there is no such run.
        QueryRejected: its status is one that `reject` excludes.
        UnknownQuery: the workflow has no query of this name.
        QueryError: the handler failed.
        InvalidArgument: the headers are no text, or too large.
    """
    check_headers(headers)
    run = find(workflow_id, run_id)
    if _rejects(reject, run.status):
        raise QueryRejected(
            f"Run {run.id} is {run.status}, and the query {name!r} rejects what is {reject}",
            query=name,
            status=run.status,
        )
    querier: Querier = settings.port("QUERIER")
    return querier.query(run.id, name, data, headers)


_CLEAN = (RunStatus.COMPLETED, RunStatus.CONTINUED_AS_NEW)


def _rejects(condition: QueryRejectCondition, status: RunStatus) -> bool:
    match condition:
        case QueryRejectCondition.NOT_OPEN:
            return not status.is_open
        case QueryRejectCondition.NOT_COMPLETED_CLEANLY:
            return not status.is_open and status not in _CLEAN
        case _:
            return False
