"""What a schedule keeps of its last run: sealed as the schedule's own, for the run that comes next.

It lies in the schedule's row whatever its size: the files of payloads belong to runs.
"""

from __future__ import annotations

import uuid

from aion.core.failures import Failure, decode_failure, encode_failure
from aion.core.sealing import PayloadContext
from aion.store import sealing


def context_of(key: uuid.UUID) -> PayloadContext:
    """Give the context of a schedule, by the key of its row."""
    return PayloadContext(f"schedule {key}")


def keep_result(text: str | None, run_id: uuid.UUID, key: uuid.UUID) -> str | None:
    """Give the result in a run's row as a schedule keeps it.

    Raises:
        PayloadUnavailable: it cannot be brought back, or not be encoded.
    """
    if text is None:
        return None
    plain = sealing.plain_payload(text, run_id).encode()
    return sealing.sealer().in_row().seal(plain, context_of(key)).decode()


def result_of(text: str | None, key: uuid.UUID) -> bytes | None:
    """Give the result that a schedule keeps.

    Raises:
        PayloadUnavailable: it cannot be brought back.
    """
    return None if text is None else sealing.sealer().unseal(text.encode(), context_of(key))


def keep_failure(text: str | None, run_id: uuid.UUID, key: uuid.UUID) -> str | None:
    """Give the failure in a run's row as a schedule keeps it.

    Raises:
        PayloadUnavailable: it cannot be brought back, or not be encoded.
    """
    if text is None:
        return None
    failure = decode_failure(sealing.plain_failure(text, run_id).encode())
    sealed = sealing.sealer().in_row().seal_failure(failure, context_of(key))
    return encode_failure(sealed).decode()


def failure_of(text: str | None, key: uuid.UUID) -> Failure | None:
    """Give the failure that a schedule keeps.

    Raises:
        PayloadUnavailable: it cannot be brought back.
    """
    if text is None:
        return None
    return sealing.sealer().unseal_failure(decode_failure(text.encode()), context_of(key))
