"""Messages between a run and the outside, or another run."""

from __future__ import annotations

from aion.core.events.base import (
    EMPTY_OBJECT,
    NULL,
    UNSET,
    Arrival,
    CommandEvent,
    Payload,
    SealedTexts,
)
from aion.core.failures import Failure


class SignalReceived(Arrival, frozen=True, kw_only=True):
    """A signal reached the run. A sender that is a run itself hears of it, by its own request's id."""

    name: str
    input: Payload = EMPTY_OBJECT
    request_id: str = ""
    headers: dict[str, str] = {}
    sealed: SealedTexts = UNSET
    sender_run_id: str = ""
    sender_request_id: str = ""


class SignalSent(CommandEvent, frozen=True, kw_only=True):
    """The workflow sent a signal to another run."""

    workflow_id: str
    run_id: str = ""
    name: str
    input: Payload = EMPTY_OBJECT
    request_id: str = ""  # by which the answer is known
    headers: dict[str, str] = {}
    sealed: SealedTexts = UNSET
    receiver_request_id: str = ""  # under which the receiver takes the signal once

    @property
    def key(self) -> tuple[str, ...]:
        """Receiver and signal name."""
        return (self.workflow_id, self.name)


class UpdateAccepted(Arrival, frozen=True, kw_only=True):
    """An update passed its validator."""

    update_id: str
    name: str
    input: Payload = EMPTY_OBJECT
    headers: dict[str, str] = {}
    sealed: SealedTexts = UNSET


class UpdateCompleted(CommandEvent, frozen=True, kw_only=True):
    """An update's handler returned, or failed if there is a failure."""

    update_id: str
    result: Payload = NULL
    failure: Failure | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The update's id."""
        return (self.update_id,)


class ExternalCancelRequested(CommandEvent, frozen=True, kw_only=True):
    """The workflow asked another run to cancel itself."""

    workflow_id: str
    run_id: str = ""
    reason: str = ""
    request_id: str = ""  # empty where a parent gives up a child, and waits for the child itself

    @property
    def key(self) -> tuple[str, ...]:
        """The receiver."""
        return (self.workflow_id,)


class ExternalRequestDelivered(Arrival, frozen=True, kw_only=True):
    """Another run has taken a signal or cancel request of this one."""

    request_id: str


class ExternalRequestFailed(Arrival, frozen=True, kw_only=True):
    """There was no open run to take a signal or cancel request of this one."""

    request_id: str
    failure: Failure
