"""Start many workflows at once: a few statements, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence

from aion.operations import bell
from aion.operations.start import Started, StartRequest, is_plain, new_run, start
from aion.store import dialects, new_runs, open_runs


def start_many(requests: Sequence[StartRequest]) -> list[Started]:
    """Start them all, in the caller's transaction or in one of their own; give what each has led to.

    Those whose workflow id is taken, by an open run or earlier in the list, are started one by one behind the
    others, as their policies say.

    Raises:
        WorkflowAlreadyStarted: an id is taken and its policies refuse.
        OpenRunLimitReached: a type would have more open runs than the settings allow.
        InvalidArgument: an argument cannot be used. None of them is started in any case.
    """
    with dialects.atomic():
        open_runs.lock(one.workflow_type for one in requests)
        plain = {place: new_run(one) for place, one in enumerate(requests) if is_plain(one)}
        with dialects.cursor() as cursor:
            refused = {new.id for new in new_runs.insert_many(list(plain.values()), cursor=cursor)}
        open_runs.check(new.started.workflow_type for new in plain.values())
        bell.ring_loops_after_commit()
        created = {
            place: Started(new.started.workflow_id, new.id, created=True)
            for place, new in plain.items()
            if new.id not in refused
        }
        return [created.get(place) or start(one) for place, one in enumerate(requests)]
