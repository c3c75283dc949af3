"""Errors as problem documents (RFC 9457): what is wrong, in a form that programs can compare.

`code` is Aion's stable error code, or Django REST framework's for what it refuses itself; the other members
that an error carries (`field`, `run_id`, ...) stand beside it.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from aion.core import errors
from aion.core.errors import AionError

CONTENT_TYPE: Final = "application/problem+json"

_STATUS: Final[dict[type[BaseException], int]] = {
    errors.RunNotFound: status.HTTP_404_NOT_FOUND,
    errors.UnknownQuery: status.HTTP_404_NOT_FOUND,
    errors.ActivityNotFound: status.HTTP_404_NOT_FOUND,
    errors.ScheduleNotFound: status.HTTP_404_NOT_FOUND,
    errors.ScheduleAlreadyExists: status.HTTP_409_CONFLICT,
    errors.ScheduleConflict: status.HTTP_409_CONFLICT,
    errors.UnknownType: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.RunClosed: status.HTTP_409_CONFLICT,
    errors.WrongState: status.HTTP_409_CONFLICT,
    errors.WorkflowAlreadyStarted: status.HTTP_409_CONFLICT,
    errors.OpenRunLimitReached: status.HTTP_429_TOO_MANY_REQUESTS,
    errors.UpdateRefused: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.UpdateFailed: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.QueryError: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.PayloadTooLarge: status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    errors.PayloadUnavailable: status.HTTP_503_SERVICE_UNAVAILABLE,
    errors.PayloadError: status.HTTP_400_BAD_REQUEST,
    errors.OperationError: status.HTTP_400_BAD_REQUEST,
    errors.DefinitionError: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.HistoryError: status.HTTP_409_CONFLICT,
    errors.StoreError: status.HTTP_409_CONFLICT,
    TypeError: status.HTTP_400_BAD_REQUEST,  # the arguments do not fit the signature
}

_TITLES: Final = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Refused",
    429: "Too many requests",
}

_TELLING: Final = (str, int, float, bool, uuid.UUID)


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Give the response of an error; None lets it through to Django, as a 500."""
    if isinstance(error, AionError) or (isinstance(error, TypeError) and _is_callers(error)):
        return _refused(error)
    match error:
        case Http404():
            error = exceptions.NotFound()
        case PermissionDenied():
            error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        return _from_framework(error)
    return None


class BadArguments(TypeError):
    """The arguments of a call do not fit: the caller's fault, unlike other type errors."""


def _is_callers(error: TypeError) -> bool:
    return isinstance(error, BadArguments)


def _refused(error: AionError | TypeError) -> Response:
    number = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
    if number == status.HTTP_500_INTERNAL_SERVER_ERROR:
        raise error
    context = getattr(error, "context", {})
    more: dict[str, Any] = {k: v for k, v in context.items() if isinstance(v, _TELLING)}
    detail = str(error)
    cause = error.__cause__
    if isinstance(cause, AionError) and str(cause) not in detail:
        detail = f"{detail}: {cause}"
    return problem(number, getattr(error, "code", "invalid_argument"), detail, more)


def _from_framework(error: exceptions.APIException) -> Response:
    headers = {}
    challenge, wait = getattr(error, "auth_header", None), getattr(error, "wait", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    if wait:
        headers["Retry-After"] = str(math.ceil(wait))
    more: dict[str, Any] = {}
    if isinstance(error, exceptions.ValidationError):
        more["errors"] = error.detail
        detail = _first(error.detail)
    else:
        detail = str(error.detail)
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else "invalid_argument"
    return problem(error.status_code, code, detail, more, headers)


def _first(detail: Any, field: str = "") -> str:
    match detail:
        case dict() if detail:
            name, inner = next(iter(detail.items()))
            return _first(inner, f"{field}.{name}".lstrip("."))
        case list() if detail:
            return _first(detail[0], field)
        case _:
            return f"{field}: {detail}" if field else str(detail)


def problem(
    number: int,
    code: str,
    detail: str,
    more: Mapping[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Give a problem document, with the transaction of the request undone."""
    set_rollback()
    body = {
        "type": "about:blank",
        "title": _TITLES.get(number, "Error"),
        "status": number,
        "code": code,
        "detail": _writable(detail),
    }
    for name, value in (more or {}).items():
        # An error about a run knows a status, too, and the document's own means the answer's.
        body[f"run_{name}" if name in body else _writable(name)] = _writable(value)
    return Response(body, status=number, headers=headers, content_type=CONTENT_TYPE)


def _writable(value: Any) -> Any:
    """Give a value that can be written as UTF-8, whatever text of the caller's it quotes."""
    match value:
        case str():
            return str(value).encode("utf-8", "backslashreplace").decode()
        case uuid.UUID():
            return str(value)
        case dict():
            return {_writable(key): _writable(each) for key, each in value.items()}
        case list() | tuple():
            return [_writable(each) for each in value]
        case _:
            return value
