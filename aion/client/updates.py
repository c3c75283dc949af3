"""An update that was sent."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

from aion.client.calls import waiting_twin
from aion.core.signatures import CallSignature, decode_any
from aion.operations.update import wait_for_update


@dataclasses.dataclass(frozen=True, slots=True)
class UpdateHandle:
    """An update that was sent."""

    run_id: uuid.UUID
    id: str
    handler: Callable[..., Any] | None = None

    def result(self, timeout: float | None = None) -> Any:
        """Give the update's result, waiting for it; `timeout` is in seconds.

        Raises:
            UpdateRefused: the validator refused it.
            UpdateFailed: the handler failed.
            UpdateAbandoned: the run ended before the handler did. It is an UpdateFailed too.
            ResultTimeout: it did not complete in time; it goes on.
        """
        raw = wait_for_update(self.run_id, self.id, timeout=timeout) or b"null"
        if self.handler is None:
            return decode_any(raw)
        signature = CallSignature.of(self.handler, skip_self=True)
        return signature.decode_result(raw, what=f"update {self.id}")

    async def aresult(self, timeout: float | None = None) -> Any:
        """Async twin of `result`."""
        return await waiting_twin(self.result)(timeout)
