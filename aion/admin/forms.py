"""The forms of the admin's verbs."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext_lazy as _

from aion.core.ids import uuid7
from aion.core.nesting import read_json
from aion.schedules.config import OverlapPolicy


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=2_000,
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True}),
        help_text=_("Kept in the run's history."),
    )


class LoggedReasonForm(forms.Form):
    """Why, of acts that are no events of the run."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=2_000,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=_("Kept in the admin's log."),
    )


class ResetForm(ReasonForm):
    """Where to go on."""

    to_seq = forms.IntegerField(
        label=_("Last event to keep"),
        min_value=1,
        help_text=_("The number of an event that ends what one arrival caused."),
    )
    reapply_signals = forms.BooleanField(
        label=_("Send the signals again that came behind it"), required=False, initial=True
    )
    field_order = ("to_seq", "reapply_signals", "reason")


def new_request_id() -> str:
    """Make the id that lets a form sent twice act once."""
    return str(uuid7())


class JSON(forms.JSONField):
    """JSON text; Django's own field lets some errors of the parser pass."""

    def to_python(self, value: Any) -> Any:
        """Read the text.

        Raises:
            ValidationError: it is no JSON, or nests too deep.
        """
        if isinstance(value, str) and value not in self.empty_values:
            try:
                _read(value)
            except ValueError as error:
                raise forms.ValidationError(
                    _("This is no JSON that can be used: %(why)s.") % {"why": error}, code="invalid"
                ) from error
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Give what the form shows again: what cannot be read as it was sent."""
        try:
            _read(data or "null")
        except ValueError:
            return InvalidJSONInput(data)
        return super().bound_data(data, initial)


def _read(text: str) -> None:
    """Read JSON whose texts can be written on a page.

    Raises:
        ValueError: it is none.
    """
    json.dumps(read_json(text), ensure_ascii=False).encode()


class MessageForm(LoggedReasonForm):
    """The arguments of a message, and the id that lets a form sent twice act once."""

    args = JSON(
        label=_("Arguments"),
        initial=list,
        required=False,
        help_text=_("A JSON list."),
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
    )
    kwargs = JSON(
        label=_("Keyword arguments"),
        initial=dict,
        required=False,
        help_text=_("A JSON object."),
        widget=forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
    )
    request_id = forms.CharField(
        initial=new_request_id, required=False, max_length=255, widget=forms.HiddenInput
    )

    def clean_args(self) -> list[Any]:
        """Refuse what is no list."""
        value = self.cleaned_data["args"]
        if value in (None, ""):
            return []
        if not isinstance(value, list):
            raise forms.ValidationError(_("Arguments must be a JSON list, as [1, 2]."))
        return value

    def clean_kwargs(self) -> dict[str, Any]:
        """Refuse what is no object."""
        value = self.cleaned_data["kwargs"]
        if value in (None, ""):
            return {}
        if not isinstance(value, dict):
            raise forms.ValidationError(_('Keyword arguments must be a JSON object, as {"a": 1}.'))
        return value


def _handler(label: Any) -> forms.CharField:
    """Make the field that names a handler; the page lists those that there are."""
    listed = forms.TextInput(attrs={"list": "handlers", "class": "vTextField"})
    return forms.CharField(label=label, max_length=255, widget=listed)


class SignalForm(MessageForm):
    """A signal with its arguments."""

    signal = _handler(_("Signal"))
    field_order = ("signal", "args", "kwargs", "reason")


class UpdateForm(MessageForm):
    """An update with its arguments."""

    update = _handler(_("Update"))
    field_order = ("update", "args", "kwargs", "reason")


class NoteForm(forms.Form):
    """Why."""

    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=2_000,
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True}),
        help_text=_("Kept in the schedule's history."),
    )


class TriggerForm(forms.Form):
    """What to do when a run of the schedule is open."""

    overlap = forms.ChoiceField(
        label=_("If a run is open"),
        required=False,
        choices=[("", _("as the schedule says")), *((p.value, p.value) for p in OverlapPolicy)],
    )
    request_id = forms.CharField(
        initial=new_request_id, required=False, max_length=255, widget=forms.HiddenInput
    )


class BackfillForm(TriggerForm):
    """Which times."""

    start_at = forms.DateTimeField(
        label=_("From"), help_text=_("In the time zone of the admin, as 2026-01-31 09:00.")
    )
    end_at = forms.DateTimeField(label=_("Until"))
    field_order = ("start_at", "end_at", "overlap")
