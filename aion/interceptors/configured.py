"""The interceptors that the settings name."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from aion.authoring.interceptor_bases import BASES
from aion.conf import settings


def configured() -> tuple[object, ...]:
    """Make the interceptors of the settings, in their order.

    Raises:
        ImproperlyConfigured: one cannot be imported or made, or is none.
    """
    return tuple(map(make_interceptor, settings.INTERCEPTORS))


def make_interceptor(path: str) -> object:
    """Give the interceptor behind a dotted path: an instance as it is, or one of a class.

    Raises:
        ImproperlyConfigured: there is none.
    """
    try:
        found = import_string(path)
        made = found() if isinstance(found, type) else found
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ImproperlyConfigured(f"AION['INTERCEPTORS'] has {path!r}: {reason}") from error
    if not isinstance(made, BASES):
        raise ImproperlyConfigured(
            f"AION['INTERCEPTORS'] has {path!r}, which is no interceptor; derive it from "
            "aion.interceptors.Interceptor or one of its bases"
        )
    return made
