"""What users gave a schedule, sealed as the schedule's own: what it starts, and how its last run ended.

What it is told lies in its row and in the events that told it: JSON in which only input, memo and headers of
its action are sealed. So its times are known without any key. They are opened where a run is started and
where somebody looks at them.

The outcome of its last run lies in the schedule's row whatever its size: it is needed when the next run
starts, also while the storage fails.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec

from aion.core.errors import PayloadUnavailable
from aion.core.events.schedules import ScheduleCreated, ScheduleEvent, ScheduleUpdated
from aion.core.failures import Failure, decode_failure, encode_failure
from aion.core.sealing import MARK, PayloadContext, is_envelope
from aion.models import Schedule
from aion.schedules.config import ScheduleAction, ScheduleConfig
from aion.store import sealing

_encode: Final = msgspec.json.Encoder().encode
_read_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_action: Final = msgspec.json.Decoder(ScheduleAction).decode
_read_config: Final = msgspec.json.Decoder(ScheduleConfig).decode

Change = Callable[[ScheduleAction], ScheduleAction]
"""Gives an action with its payloads sealed, or opened."""


def context_of(schedule: Schedule) -> PayloadContext:
    """Give the context of a schedule. Its files lie below the key of its row."""
    return context(schedule.id, schedule.schedule_id, schedule.workflow_type)


def context(key: uuid.UUID, schedule_id: str, workflow_type: str) -> PayloadContext:
    """Give the context of a schedule by its columns.

    It begins with the schedule's id, by which tenants may be told apart, and goes on as no workflow id does.
    """
    return PayloadContext(f"{schedule_id} (schedule {key})", workflow_type, str(key))


# --- what it is told ---


def change_action(config: str, change: Change) -> str:
    """Give a config as text with its action changed; the same text where nothing is."""
    parts = _read_parts(config)
    if "action" not in parts:
        return config
    before = _read_action(parts["action"])
    after = change(before)
    if after is before or _encode(after) == _encode(before):
        return config
    return _encode({**parts, "action": after}).decode()


def change_told(attributes: str, change: Change) -> str:
    """Give the attributes of an event that told a schedule something, with the action in it changed."""
    parts = _read_parts(attributes)
    before = bytes(parts.get("config", b"{}")).decode()
    after = change_action(before, change)
    if after is before:
        return attributes
    return _encode({**parts, "config": msgspec.Raw(after.encode())}).decode()


def stored_config(config: ScheduleConfig, schedule: Schedule) -> str:
    """Give what lies in the tables in a config's place.

    Raises:
        PayloadUnavailable: a codec or the storage failed.
    """
    action = msgspec.structs.replace(config.action, sealed=msgspec.UNSET)
    sealed = sealing.sealer().seal_fields(action, context_of(schedule))
    return _encode(config.replace(action=sealed)).decode()


def closed_config(schedule: Schedule) -> ScheduleConfig:
    """Give what a schedule is told, the payloads of its action as they are stored: no key is needed."""
    return _read_config(schedule.config)


def opened_action(action: ScheduleAction, schedule: Schedule) -> ScheduleAction:
    """Give an action with its payloads, from one as it is stored.

    Raises:
        PayloadUnavailable: a payload cannot be brought back.
    """
    return sealing.sealer().unseal_fields(action, context_of(schedule))


def opened_config(schedule: Schedule) -> ScheduleConfig:
    """Give what a schedule is told.

    Raises:
        PayloadUnavailable: a payload cannot be brought back.
    """
    config = closed_config(schedule)
    return config.replace(action=opened_action(config.action, schedule))


def with_kept_payloads(config: ScheduleConfig, schedule: Schedule) -> ScheduleConfig:
    """Give a config with its payloads, where it was made from a description that could not open them.

    Raises:
        PayloadUnavailable: it still cannot be opened here.
    """
    action = config.action
    stored = closed_config(schedule).action
    kept = {
        name: value for name, value in _envelopes(stored) if (name, value) in _envelopes(action)
    }
    if not kept:
        return config
    raws: dict[str, Any] = {name: msgspec.Raw(value) for name, value in kept.items()}
    opened = opened_action(ScheduleAction(workflow_type=action.workflow_type, **raws), schedule)
    changes: dict[str, Any] = {name: getattr(opened, name) for name in kept}
    if "sealed" in kept and not action.headers:
        changes["headers"] = opened.headers
    return config.replace(action=msgspec.structs.replace(action, **changes))


def _envelopes(action: ScheduleAction) -> list[tuple[str, bytes]]:
    fields = ((name, getattr(action, name)) for name in ("input", "memo", "sealed"))
    raws = ((name, bytes(value)) for name, value in fields if isinstance(value, msgspec.Raw))
    return [(name, value) for name, value in raws if is_envelope(value)]


def opened_event(event: ScheduleEvent, schedule: Schedule) -> ScheduleEvent:
    """Give an event of a schedule's history with its payloads.

    Raises:
        PayloadUnavailable: a payload cannot be brought back.
    """
    if not isinstance(event, (ScheduleCreated, ScheduleUpdated)):
        return event
    before = bytes(event.config).decode()
    after = opened_text(before, schedule)
    if after is before:
        return event
    return msgspec.structs.replace(event, config=msgspec.Raw(after.encode()))


def opened_text(config: str, schedule: Schedule) -> str:
    """Give a config as JSON with its payloads, from one as it is stored.

    Raises:
        PayloadUnavailable: a payload cannot be brought back.
    """
    if MARK not in config:
        return config
    return change_action(config, lambda action: opened_action(action, schedule))


def says_the_same(config: str, schedule: Schedule) -> bool:
    """Tell whether a config as it is stored says what the row says; True where that cannot be told here."""
    if MARK not in config and MARK not in schedule.config:
        return config == schedule.config
    try:
        return opened_text(config, schedule) == opened_text(schedule.config, schedule)
    except PayloadUnavailable:
        return True


# --- how its last run ended ---


def keep_result(text: str | None, run_id: uuid.UUID, schedule: Schedule) -> str | None:
    """Give the result in a run's row as a schedule keeps it.

    Raises:
        PayloadUnavailable: it cannot be brought back, or not be encoded.
    """
    if text is None:
        return None
    plain = sealing.plain_payload(text, run_id).encode()
    return sealing.sealer().in_row().seal(plain, context_of(schedule)).decode()


def result_of(schedule: Schedule) -> bytes | None:
    """Give the result that a schedule keeps.

    Raises:
        PayloadUnavailable: it cannot be brought back.
    """
    text = schedule.last_result
    return None if text is None else sealing.sealer().unseal(text.encode(), context_of(schedule))


def keep_failure(text: str | None, run_id: uuid.UUID, schedule: Schedule) -> str | None:
    """Give the failure in a run's row as a schedule keeps it.

    Raises:
        PayloadUnavailable: it cannot be brought back, or not be encoded.
    """
    if text is None:
        return None
    failure = decode_failure(sealing.plain_failure(text, run_id).encode())
    sealed = sealing.sealer().in_row().seal_failure(failure, context_of(schedule))
    return encode_failure(sealed).decode()


def failure_of(schedule: Schedule) -> Failure | None:
    """Give the failure that a schedule keeps.

    Raises:
        PayloadUnavailable: it cannot be brought back.
    """
    text = schedule.last_failure
    if text is None:
        return None
    return sealing.sealer().unseal_failure(decode_failure(text.encode()), context_of(schedule))
