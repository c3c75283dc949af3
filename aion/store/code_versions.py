"""Which runs were started on code that is not the code of today."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q


def on_other_code(hashes: Mapping[str, str]) -> Q:
    """Give the condition of `Run` that its code had another hash than its workflow type has here.

    `hashes` are the definition hashes by workflow type. Runs of other types, and runs whose code was not
    known where they were started, are not among them.
    """
    changed = Q(pk__in=())
    for workflow_type, known in sorted(hashes.items()):
        changed |= Q(workflow_type=workflow_type) & ~Q(definition_hash=known)
    return changed & ~Q(definition_hash="")
