"""Event rows are written by the store alone, once."""

from __future__ import annotations

import pytest

from aion.models import Event, Run
from tests.support.clocks import START
from tests.support.rows import insert_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def event() -> Event:
    insert_run()
    return Event.objects.get()


def test_an_event_is_not_saved(event: Event) -> None:
    event.kind = "Forged"

    for attempt in (event.save, lambda: event.save(update_fields=["kind"]), event.delete):
        with pytest.raises(TypeError, match="immutable"):
            attempt()

    assert Event.objects.get().kind == "WorkflowStarted"


def test_an_event_is_not_made(event: Event) -> None:
    run = Run.objects.get()

    with pytest.raises(TypeError, match="immutable"):
        Event.objects.create(run=run, seq=2, kind="x", recorded_at=START, attributes="{}")
    with pytest.raises(TypeError, match="immutable"):
        Event(run=run, seq=2, kind="x", recorded_at=START, attributes="{}").save()

    assert Event.objects.count() == 1


def test_many_events_are_neither_changed_nor_deleted_nor_made(event: Event) -> None:
    another = Event(run=Run.objects.get(), seq=2, kind="x", recorded_at=START, attributes="{}")

    for attempt in (
        lambda: Event.objects.all().update(kind="Forged"),
        lambda: Event.objects.filter(seq=1).delete(),
        lambda: Event.objects.bulk_create([another]),
        lambda: Event.objects.bulk_update([event], ["kind"]),
        lambda: event.run.events.all().update(kind="Forged"),
        lambda: event.run.events.all().delete(),
    ):
        with pytest.raises(TypeError, match="immutable"):
            attempt()

    assert list(Event.objects.values_list("seq", "kind")) == [(1, "WorkflowStarted")]
