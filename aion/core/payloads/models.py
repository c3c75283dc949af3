"""Pydantic models as payloads, without importing pydantic.

A process that has a model to encode, or a hint that names one, has pydantic loaded already; a
process that has none should not pay for its import. So models are recognised by what they carry.
Version 2.11 or later is meant.
"""

from __future__ import annotations

import functools
import typing
from typing import Any

_SECRETS = frozenset({"SecretStr", "SecretBytes", "Secret"})


def is_model(kind: object) -> bool:
    """Tell whether a class is a pydantic model (not a pydantic dataclass, which is a dataclass)."""
    return (
        isinstance(kind, type)
        and hasattr(kind, "__pydantic_validator__")
        and hasattr(kind, "model_dump")
    )


def dump_model(model: Any) -> object:
    """Give a model as JSON values, by field name.

    `round_trip` leaves out computed fields, which validation would refuse as unknown.

    Raises: TypeError for a secret field, of which only asterisks would be stored.
    """
    secret = unfit_model_field(model.__class__)
    if secret is not None:
        raise TypeError(f"{secret} is a secret, which pydantic stores as asterisks")
    return model.model_dump(mode="json", round_trip=True, by_alias=False)


def load_model(kind: Any, raw: bytes) -> object:
    """Validate JSON into a model, by field name or alias.

    Read as JSON and not as Python values, because a strict model takes a UUID or a date from
    text in JSON only.

    Raises: pydantic's ValidationError, which is a ValueError.
    """
    return kind.model_validate_json(raw, by_name=True, by_alias=True)


def model_fields(kind: Any) -> frozenset[str]:
    """Give the names under which a model's fields are stored."""
    return frozenset(kind.model_fields)


@functools.lru_cache(maxsize=1024)
def unfit_model_field(kind: Any) -> str | None:
    """Name a field that would not survive, or None: pydantic dumps secrets as asterisks."""
    for name, field in kind.model_fields.items():
        if _mentions_secret(field.annotation):
            return f"{kind.__name__}.{name}"
    return None


def _mentions_secret(annotation: object) -> bool:
    kind = typing.get_origin(annotation) or annotation
    package = getattr(kind, "__module__", "").partition(".")[0]
    if package == "pydantic" and getattr(kind, "__name__", "") in _SECRETS:
        return True
    return any(_mentions_secret(each) for each in typing.get_args(annotation))
