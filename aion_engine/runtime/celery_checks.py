"""The system check of the project's Celery app."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Warning, register

from aion.conf import find_problems, settings

_EXECUTING: Final = frozenset({"pickle", "application/x-python-serialize"})
"""What runs code when it is read, by both of its names."""


@register("aion")
def check_celery(app_configs: Sequence[AppConfig] | None, **_: Any) -> Iterable[CheckMessage]:
    """W006: whoever can write to the broker can run code in the workers."""
    if find_problems(getattr(django_settings, "AION", {})):
        return
    if not settings.DISPATCHER.endswith(".CeleryDispatcher"):
        return
    from celery import current_app

    for name in ("accept_content", "result_accept_content"):
        accepted = _EXECUTING.intersection(getattr(current_app.conf, name) or ())
        if accepted:
            yield Warning(
                f"Celery's {name} has {min(accepted)!r}: whoever can write to the broker can run code in "
                "the workers",
                hint=f'Set CELERY_{name.upper()} = ["json"]. Aion sends nothing but JSON.',
                id="aion.W006",
            )
