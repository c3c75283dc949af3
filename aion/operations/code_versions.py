"""Compare the code that runs were started on with the code of this process."""

from __future__ import annotations

from django.db.models import QuerySet

from aion.authoring.registry import registry
from aion.models import Run
from aion.store.code_versions import on_other_code
from aion.store.dialects import alias


def runs_on_other_code(*, open_only: bool = True) -> QuerySet[Run]:
    """Select the runs that were started on other code than this process has; by default the open ones."""
    hashes = {name: each.definition_hash for name, each in registry.workflows.items()}
    found = Run.objects.using(alias()).filter(on_other_code(hashes))
    return found.filter(closed_at=None) if open_only else found


def is_other_code(workflow_type: str, definition_hash: str) -> bool | None:
    """Tell whether a hash differs from that of a type here; None where one of them is not known."""
    known = registry.workflows.get(workflow_type)
    if known is None or not definition_hash:
        return None
    return known.definition_hash != definition_hash
