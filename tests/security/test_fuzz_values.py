"""Specs, ids, request ids, tokens, search attributes: taken, or refused by an error of ours, soon."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import pytest
from django.core import signing
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from aion import client
from aion.client import Calendar, Interval, ScheduleSpec
from aion.core.errors import AionError, InvalidArgument
from aion.schedules.cron import Cron
from aion.schedules.spec import next_times
from tests.security.bounds import bounded, numbers, scalars, texts, values
from tests.support import kit
from tests.support.engine import Engine
from tests.support.rows import counts

NOW: Final = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
PARTS: Final = [
    *("*", "0", "59", "60", "*/7", "*/0", "1-5", "5-1", "1,2,3", "MON", "JAN", "L", "LW", "5L"),
    *("5#2", "5#9", "29", "30", "31", "2", "?", "", "-", "1-", "9" * 60, "\u0661", "2026-9999/7"),
]
parts = st.sampled_from(PARTS) | st.text(max_size=5)
crons = st.lists(parts, min_size=4, max_size=7).map(" ".join) | texts
zones = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "../x", "America"]) | texts
calendars = st.dictionaries(
    st.sampled_from(["second", "minute", "hour", "day_of_month", "month", "day_of_week", "year"]),
    parts,
    max_size=4,
)
spans = st.timedeltas() | numbers
moments = st.datetimes(timezones=st.just(dt.UTC)) | st.datetimes() | texts


@bounded(60)
@given(
    cron=crons,
    zone=zones,
    at=st.sampled_from([NOW, NOW.replace(year=1), NOW.replace(year=9999, month=12)]),
)
def test_crons(cron: str, zone: str, at: dt.datetime) -> None:
    try:
        found = Cron(cron, zone).next_after(at)
    except InvalidArgument as error:
        assert str(error)
    else:
        assert found is None or found > at


@bounded(60)
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "crons": st.lists(crons, max_size=2),
            "calendars": st.lists(calendars, max_size=2),
            "intervals": st.lists(st.tuples(spans, spans), max_size=2),
            "skip": st.lists(crons, max_size=2),
            "skip_dates": st.lists(st.dates() | texts, max_size=2),
            "time_zone": zones,
            "start_at": moments,
            "end_at": moments,
            "jitter": spans,
        },
    )
)
def test_specs(fields: dict[str, Any]) -> None:
    try:
        spec = ScheduleSpec(
            **{
                **fields,
                "calendars": [Calendar(**each) for each in fields.get("calendars", ())],
                "intervals": [Interval(*each) for each in fields.get("intervals", ())],
            }
        )
    except InvalidArgument as error:
        assert str(error)
    else:
        found = next_times(spec, NOW, 3)
        assert found == sorted(set(found))
        assert spec.describe()


# --- what is written -------------------------------------------------------------------------------


def tried(call: Any) -> None:
    """Do it and undo it; what is refused has changed nothing."""
    before = counts()
    at = transaction.savepoint()
    try:
        call()
    except (AionError, TypeError) as error:
        assert str(error)
        assert counts() == before
    transaction.savepoint_rollback(at)


@pytest.mark.django_db
@bounded(60)
@given(
    options=st.dictionaries(
        st.sampled_from(
            [
                "id",
                "request_id",
                "task_queue",
                "memo",
                "cron",
                "time_zone",
                "headers",
                "start_delay",
            ]
        ),
        values | texts | spans,
        max_size=3,
    )
)
def test_options_of_starts(engine: Engine, options: dict[str, Any]) -> None:
    tried(lambda: client.start_workflow(kit.greet, "ann", **options))


@pytest.mark.django_db
@bounded(60)
@given(
    attributes=st.dictionaries(
        st.sampled_from(["color", "n", "at", "tags", "customer", "Nope", "AionPatches"]) | texts,
        scalars | st.lists(scalars, max_size=3) | moments,
        max_size=3,
    )
)
def test_search_attributes(engine: Engine, attributes: dict[str, Any]) -> None:
    tried(lambda: client.start_workflow(kit.greet, "ann", search_attributes=attributes))


@pytest.mark.django_db
@bounded(40)
@given(
    arguments=st.lists(values, max_size=2),
    name=texts | st.just("note"),
    request_id=texts | numbers,
)
def test_signals(
    engine: Engine, open_run: None, arguments: list[Any], name: str, request_id: Any
) -> None:
    handle = client.get_workflow_handle("open")
    tried(lambda: handle.signal(name, *arguments, request_id=request_id))


signed = texts.map(
    lambda text: signing.Signer(salt="aion.activity").sign(text.encode("utf-8", "replace").decode())
)
attempts = st.sampled_from(
    ["0" * 32 + f".{number}" for number in (1, 2**31, 2**63, 10**30, -1)]
).map(signing.Signer(salt="aion.activity").sign)


@pytest.mark.django_db
@bounded(40)
@given(token=texts | numbers | signed | attempts, result=values)
def test_tokens(engine: Engine, token: Any, result: Any) -> None:
    before = counts()
    for call in (
        lambda: client.complete_activity(token, result),
        lambda: client.heartbeat_activity(token, result),
        lambda: client.fail_activity(token, ValueError("x")),
    ):
        with pytest.raises(AionError):
            call()
    assert counts() == before
