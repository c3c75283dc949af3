"""Seals all that one run's turn writes, before it joins the batch."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from aion.core.history import encode_event
from aion.core.sealing import PayloadContext, Sealer
from aion.store.dialects import connection, dialect
from aion.store.new_runs import NewRun, sealed_run
from aion.store.outgoing import Outgoing
from aion.store.rows import NewEvents
from aion.store.sealing import (
    context_of,
    know,
    stored_bodies,
    stored_body,
    stored_failure,
    stored_payload,
)
from aion.store.turns import TurnWrites


def seal(writes: TurnWrites, by: Sealer) -> None:
    """Seal the writes of one run's turn, in place. May look up whose the runs are that it writes to.

    Raises:
        PayloadUnavailable: a codec or the storage failed.
    """
    for new in writes.new_runs:
        know(new.id, new.started.workflow_id, new.started.workflow_type)
    for gained in writes.events:
        _seal_events(gained, by)
    for run in writes.runs:
        run.result = None if run.result is None else stored_payload(run.result, run.id, by)
        run.failure = None if run.failure is None else stored_failure(run.failure, run.id, by)
    for order in writes.activities:
        order.order = stored_body("ActivityScheduled", order.order, order.run_id, by)
    writes.outgoing = _sealed_outgoing(writes.outgoing, writes.new_runs, by)
    writes.new_runs = [sealed_run(new, by) for new in writes.new_runs]
    writes.messages_out = stored_bodies(writes.messages_out, by)
    writes.updates = [
        msgspec.structs.replace(
            one,
            result=None if one.result is None else stored_payload(one.result, one.run_id, by),
            failure=None if one.failure is None else stored_failure(one.failure, one.run_id, by),
        )
        for one in writes.updates
    ]
    for one in writes.attributes:
        one.memo = stored_payload(one.plain_memo, one.run_id, by)


def _seal_events(gained: NewEvents, by: Sealer) -> None:
    context = context_of(gained.run_id)
    gained.size = sum(len(encode_event(each.event)) for each in gained.events)
    gained.events = [
        msgspec.structs.replace(each, event=by.seal_fields(each.event, context))
        for each in gained.events
    ]
    gained.sealed = True


def _sealed_outgoing(outgoing: list[Outgoing], news: list[NewRun], by: Sealer) -> list[Outgoing]:
    """Seal signals for other runs. Which run gets one is known when the batch is written, whose it is now."""
    if not outgoing:
        return outgoing
    types = {new.started.workflow_id: new.started.workflow_type for new in news}
    types.update(_open_types({item.event.workflow_id for item in outgoing}))
    sealed = []
    for item in outgoing:
        receiver = item.event.workflow_id
        context = PayloadContext(receiver, types.get(receiver, ""), str(item.sender_run_id))
        event = by.seal_fields(item.event, context)
        sealed.append(msgspec.structs.replace(item, event=event, sealed=True))
    return sealed


def _open_types(workflow_ids: Iterable[str]) -> dict[str, str]:
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT workflow_id, workflow_type FROM aion_run "
            f"WHERE {sql.among('workflow_id', 'text')} AND closed_at IS NULL",
            [sql.many(workflow_ids)],
        )
        return dict(cursor.fetchall())
