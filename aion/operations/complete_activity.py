"""Complete, fail or heartbeat an activity from outside of its worker, by its token."""

from __future__ import annotations

import uuid

from django.core import signing

from aion.core.errors import ActivityNotFound, InvalidArgument, StaleAttempt
from aion.core.failures import failure_from
from aion.core.payloads import encode
from aion.operations import activity_outcome
from aion.operations.checking import check_text
from aion.operations.clock import clock
from aion.store import activities
from aion.store.attempts import Attempt
from aion.store.dialects import atomic

_SALT = "aion.activity"


def make_token(task_id: uuid.UUID, attempt: int) -> str:
    """Give the token of an attempt: signed, so that it can be handed to the outside."""
    return signing.Signer(salt=_SALT).sign(f"{task_id.hex}.{attempt}")


def find_attempt(token: str) -> Attempt:
    """Read the attempt behind a token.

    Raises:
        InvalidArgument: the token was not made here.
        ActivityNotFound: the activity has its outcome, or a later attempt has begun.
    """
    task_id, number = _read_token(token)
    attempt = activities.find(task_id)
    if attempt is None or attempt.attempt != number:
        raise _gone()
    return attempt


def _read_token(token: str) -> tuple[uuid.UUID, int]:
    try:
        task_id, _, number = signing.Signer(salt=_SALT).unsign(token).partition(".")
        return uuid.UUID(task_id), int(number)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidArgument(
            "This is not an activity token of this system", field="token"
        ) from error


def _gone() -> ActivityNotFound:
    return ActivityNotFound(
        "The activity of this token has its outcome already, or a later attempt has begun"
    )


def complete_activity(token: str, result: object = None) -> None:
    """Give an activity its result.

    Raises:
        ActivityNotFound: it has its outcome already, or a later attempt has begun.
        InvalidArgument: the token was not made here.
        PayloadError: the result has no JSON form or is too large.
    """
    data = encode(result, field="the result of the activity")
    try:
        with atomic():
            activity_outcome.complete(find_attempt(token), data, worker="token")
    except StaleAttempt as error:
        raise _gone() from error


def fail_activity(token: str, error: BaseException) -> bool:
    """Fail an activity's attempt; True when the retry policy allows another.

    Raises:
        ActivityNotFound: it has its outcome already, or a later attempt has begun.
        InvalidArgument: the token was not made here.
    """
    try:
        with atomic():
            return activity_outcome.fail(
                find_attempt(token), failure_from(error), worker="token", error=error
            )
    except StaleAttempt as stale:
        raise _gone() from stale


def cancel_activity(token: str, reason: str = "") -> None:
    """Say that an activity ended because it was cancelled.

    Raises:
        ActivityNotFound: it has its outcome already, or a later attempt has begun.
        InvalidArgument: the token was not made here, or the reason is no text.
    """
    check_text("reason", reason, most=None)
    try:
        with atomic():
            activity_outcome.confirm_cancel(find_attempt(token), reason=reason, worker="token")
    except StaleAttempt as stale:
        raise _gone() from stale


def heartbeat_activity(token: str, *details: object) -> str | None:
    """Report life of an activity; give the reason why it should stop, None when it should not.

    Raises:
        ActivityNotFound: it has its outcome already, or a later attempt has begun.
        InvalidArgument: the token was not made here.
    """
    data = encode(list(details), field="the heartbeat details").decode()
    reason = activities.heartbeat(find_attempt(token), data, now=clock.now())
    if reason == "lost":
        raise _gone()
    return reason
