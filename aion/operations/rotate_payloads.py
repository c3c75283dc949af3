"""Encode stored payloads again with the current codecs and keys, beside running workers."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from django.db import transaction

from aion.core.errors import InvalidArgument, PayloadUnavailable
from aion.core.sealing import PayloadContext
from aion.operations.checking import check_count
from aion.store import rotation, schedule_payloads
from aion.store.dialects import alias, atomic
from aion.store.recoding import Recoder

_PAGE: Final = 500  # runs listed at once


@dataclasses.dataclass(slots=True)
class Rotation:
    """What a rotation has done so far. `failed` are runs, or schedules, that cannot be read or encoded."""

    runs: int = 0
    seen: int = 0
    written: dict[str, int] = dataclasses.field(default_factory=dict)
    failed: dict[uuid.UUID, str] = dataclasses.field(default_factory=dict)
    last_run_id: uuid.UUID | None = None

    def count(self, table: str, seen: int, written: int) -> None:
        """Add rows of a table."""
        self.seen += seen
        self.written[table] = self.written.get(table, 0) + written


def rotate_payloads(
    *,
    from_key: str | None = None,
    after: uuid.UUID | None = None,
    batch: int = 500,
    dry_run: bool = False,
    progress: Callable[[Rotation], None] | None = None,
) -> Rotation:
    """Encode again what one key has encoded, or all that the current chain would write otherwise.

    Each transaction locks one run and takes at most `batch` of its events. What is current is left as it is,
    so a rotation that was stopped is simply begun again, behind `after` if its end is known. Data that
    workers with older settings write meanwhile is found by another rotation.

    Raises:
        InvalidArgument: `batch` or `from_key` cannot be used.
        PayloadCodecError: the codecs of the settings cannot be made.
    """
    check_count("batch", batch, least=1)
    if from_key is not None and not from_key:
        raise InvalidArgument(
            "from_key is empty; leave it out to encode all again", field="from_key"
        )
    recoder = Recoder(from_key=from_key, dry_run=dry_run)
    report = Rotation()
    for run_id, context in _runs(after, from_key):
        try:
            _rotate_run(run_id, context, recoder, report, batch=batch, dry_run=dry_run)
        except PayloadUnavailable as error:
            report.failed[run_id] = f"{error.code}: {error}"
        report.runs += 1
        report.last_run_id = run_id
        if progress is not None:
            progress(report)
    _rotate_schedules(from_key, report, dry_run=dry_run)
    return report


def _rotate_schedules(from_key: str | None, report: Rotation, *, dry_run: bool) -> None:
    """Rotate what schedules are told and keep. A schedule that is changed meanwhile keeps the newer."""
    recode = Recoder(from_key=from_key, dry_run=dry_run).recode
    after: uuid.UUID | None = None
    while page := rotation.schedules(after=after, limit=_PAGE):
        after = page[-1][0]
        for key, *names in page:
            context = schedule_payloads.context(key, *names)
            try:
                with atomic():
                    counts = [
                        (table.name, *rotation.recode_table(table, key, context, recode))
                        for table in rotation.OF_SCHEDULES
                    ]
                    if dry_run:
                        transaction.set_rollback(True, using=alias())
            except PayloadUnavailable as error:
                report.failed[key] = f"{error.code}: {error}"
                continue
            for name, seen, written in counts:
                report.count(name, seen, written)


def _runs(
    after: uuid.UUID | None, from_key: str | None
) -> Iterator[tuple[uuid.UUID, PayloadContext]]:
    while page := rotation.run_ids(after=after, limit=_PAGE):
        after = page[-1][0]
        wanted = {run_id for run_id, _, _ in page}
        if from_key is not None:
            wanted = rotation.naming(list(wanted), f'"key":{_as_json(from_key)}')
        for run_id, workflow_id, workflow_type in page:
            if run_id in wanted:
                yield run_id, PayloadContext(workflow_id, workflow_type, str(run_id))


def _as_json(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _rotate_run(
    run_id: uuid.UUID,
    context: PayloadContext,
    recoder: Recoder,
    report: Rotation,
    *,
    batch: int,
    dry_run: bool,
) -> None:
    """Rotate the events of a run in batches, and what else there is of it with the last."""
    seq = 0
    more = True
    while more:
        counts: dict[str, tuple[int, int]] = {}
        with atomic():
            if not rotation.lock(run_id):
                return
            seq, *found = rotation.recode_events(
                run_id, context, recoder.recode, after=seq, limit=batch
            )
            counts["aion_event"] = (found[0], found[1])
            more = seq > 0
            if not more:
                for table in rotation.OTHERS:
                    counts[table.name] = rotation.recode_table(
                        table, run_id, context, recoder.recode
                    )
            if dry_run:
                transaction.set_rollback(True, using=alias())
        for name, (seen, written) in counts.items():
            report.count(name, seen, written)
