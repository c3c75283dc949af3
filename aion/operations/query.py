"""Query a run, open or closed."""

from __future__ import annotations

import uuid

from aion.conf import settings
from aion.core.ports import Querier
from aion.operations.target import find


def query(workflow_id: str | None, run_id: uuid.UUID | str | None, name: str, data: bytes) -> bytes:
    """Give the encoded answer of the run's code. Changes nothing.

    Raises:
        RunNotFound: there is no such run.
        UnknownQuery: the workflow has no query of this name.
        QueryError: the handler failed.
    """
    querier: Querier = settings.port("QUERIER")
    return querier.query(find(workflow_id, run_id).id, name, data)
