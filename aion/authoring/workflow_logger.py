"""The logger of workflow code. Offered through `aion.workflow`."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from aion.authoring.context import UpdateInfo, current_workflow


class _Logger(logging.LoggerAdapter[logging.Logger]):
    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # logging's name
        context = current_workflow.get()
        return not (context is not None and context.replaying) and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, Any]:
        context = current_workflow.get()
        if context is not None:
            about = context.info()
            kwargs["extra"] = {
                "workflow_id": about.workflow_id,
                "run_id": about.run_id,
                "workflow_type": about.workflow_type,
                "attempt": about.attempt,
                **_about_update(context.current_update()),
                **(kwargs.get("extra") or {}),
            }
        return msg, kwargs


def _about_update(update: UpdateInfo | None) -> dict[str, str]:
    return {} if update is None else {"update_id": update.id, "update_name": update.name}


logger = _Logger(logging.getLogger("aion.workflow"), {})
"""A logger that adds the run's ids and is silent on replay."""
