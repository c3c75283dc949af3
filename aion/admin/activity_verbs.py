"""What can be done to the pending activities of a run in the admin."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from aion.admin.forms import LoggedReasonForm
from aion.client import ActivityHandle, PendingActivity

Text = str | Promise


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ActivityVerb:
    """A verb as the admin offers it. `act` takes the activity, who asks, and the form's cleaned data."""

    name: str
    label: Text
    explanation: Text
    act: Callable[[ActivityHandle, str, Mapping[str, Any]], None]
    states: frozenset[str]
    form: type[forms.Form] = LoggedReasonForm
    is_destructive: bool = False

    def fits(self, activity: PendingActivity) -> bool:
        """Tell whether the activity's state allows the verb."""
        return activity.state in self.states


_WAITING: Final = frozenset({"scheduled", "backing_off"})

ACTIVITY_VERBS: Final[dict[str, ActivityVerb]] = {
    verb.name: verb
    for verb in (
        ActivityVerb(
            name="retry",
            label=_("Retry now"),
            explanation=_("Begin the next attempt now instead of at its time."),
            act=lambda activity, by, data: activity.retry_now(),
            states=_WAITING,
        ),
        ActivityVerb(
            name="pause",
            label=_("Pause"),
            explanation=_("Let no further attempt begin until the activity is resumed."),
            act=lambda activity, by, data: activity.pause(data["reason"], by=by),
            states=_WAITING | {"running"},
        ),
        ActivityVerb(
            name="resume",
            label=_("Resume"),
            explanation=_("Let attempts begin again."),
            act=lambda activity, by, data: activity.unpause(),
            states=frozenset({"paused"}),
        ),
        ActivityVerb(
            name="reset",
            label=_("Reset attempts"),
            explanation=_("Begin again at attempt 1, as if the activity had not failed yet."),
            act=lambda activity, by, data: activity.reset(),
            states=_WAITING | {"paused", "running"},
        ),
    )
}
"""The verbs by name, in the order of their links."""
