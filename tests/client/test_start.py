"""Starting workflows through the client: options, policies, repeats and refusals."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import transaction

from aion import client, workflow
from aion.core.errors import (
    DefinitionError,
    InvalidArgument,
    PayloadTooLarge,
    PayloadUnserializable,
    UnknownType,
    WorkflowAlreadyStarted,
)
from aion.core.events import WorkflowStarted
from aion.core.payloads import Limits, set_default_limits
from aion.models import Run, Timer
from aion.store import new_runs as new_run_store
from aion.store import runs as run_store
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine, in_thread
from tests.support.rows import counts, events_of, mailbox_of

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)


def close(workflow_id: str, status: str = "completed") -> None:
    Run.objects.filter(workflow_id=workflow_id).update(status=status, closed_at=START)


def test_a_handle_names_the_run_that_was_made(clock: StandingClock) -> None:
    handle = client.start_workflow(kit.greet, "ann", id="greet-1")

    run = Run.objects.get()
    assert (handle.workflow_id, handle.run_id, handle.created) == ("greet-1", run.id, True)
    assert handle.workflow_type == "kit.greet"
    assert (run.workflow_type, run.task_queue, run.started_at) == ("kit.greet", "default", START)
    assert run.definition_hash
    assert mailbox_of(run.id) == ["start"]


def test_the_default_id_is_the_run_id() -> None:
    handle = client.start_workflow(kit.greet, "ann")

    assert handle.workflow_id == str(handle.run_id)


@pytest.mark.parametrize("target", [kit.Waiting, "kit.Waiting"])
def test_a_workflow_is_named_by_class_or_type_name(target: Any) -> None:
    assert client.start_workflow(target).workflow_type == "kit.Waiting"


def test_options_are_recorded(clock: StandingClock) -> None:
    handle = client.start_workflow(
        kit.greet,
        "ann",
        kwargs={"times": 2},
        task_queue="fast",
        memo={"note": "a\0b", "n": 1},
        search_attributes={"customer": 7},
        headers={"trace": "t-1"},
        run_timeout=MINUTE,
        execution_timeout=2 * MINUTE,
        request_id="r-1",
    )

    assert handle.run_id is not None
    [event] = events_of(handle.run_id)
    assert isinstance(event, WorkflowStarted)
    assert bytes(event.input) == b'{"args":["ann"],"kwargs":{"times":2}}'
    assert (event.task_queue, event.headers, event.request_id) == ("fast", {"trace": "t-1"}, "r-1")
    assert (event.run_timeout, event.execution_timeout) == (MINUTE, 2 * MINUTE)
    assert event.execution_deadline_at == START + 2 * MINUTE
    description = handle.describe()
    assert description.memo == {"note": "a\0b", "n": 1}
    assert description.search_attributes == {"customer": 7}
    assert description.deadline_at == START + MINUTE


def test_a_delayed_start_waits_for_its_timer(clock: StandingClock) -> None:
    handle = client.start_workflow(kit.greet, "ann", start_delay=MINUTE, execution_timeout=MINUTE)

    assert mailbox_of(handle.run_id) == []  # type: ignore[arg-type]
    assert dict(Timer.objects.values_list("timer_id", "fire_at")) == {
        "$start": START + MINUTE,
        "$execution": START + 2 * MINUTE,
    }


# --- conflict and reuse ---------------------------------------------------------------------------


def test_an_open_run_refuses_a_second_start() -> None:
    first = client.start_workflow(kit.Waiting, id="a")
    before = counts()

    with pytest.raises(WorkflowAlreadyStarted) as caught:
        client.start_workflow(kit.Waiting, id="a")

    assert (caught.value.workflow_id, caught.value.run_id) == ("a", first.run_id)
    assert counts() == before


def test_an_existing_run_may_be_used() -> None:
    first = client.start_workflow(kit.Waiting, id="a")

    second = client.start_workflow(kit.greet, "x", id="a", id_conflict_policy="use_existing")

    assert (second.run_id, second.created) == (first.run_id, False)
    assert Run.objects.count() == 1


def test_an_existing_run_may_be_terminated() -> None:
    first = client.start_workflow(kit.Waiting, id="a")

    second = client.start_workflow(kit.Waiting, id="a", id_conflict_policy="terminate_existing")

    assert second.created is True
    assert first.describe().status == "terminated"
    assert second.describe().status == "running"
    assert client.get_workflow_handle("a").describe().run_id == second.run_id


def test_a_run_that_closes_just_before_it_is_terminated_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client.start_workflow(kit.Waiting, id="a")
    latest = run_store.latest

    def latest_and_close(workflow_id: str) -> Any:
        found = latest(workflow_id)
        close("a")
        return found

    monkeypatch.setattr(run_store, "latest", latest_and_close)

    second = client.start_workflow(kit.Waiting, id="a", id_conflict_policy="terminate_existing")

    assert second.created is True


@pytest.mark.parametrize(
    ("policy", "status", "allowed"),
    [
        ("allow", "completed", True),
        ("allow", "failed", True),
        ("failed_only", "completed", False),
        ("failed_only", "failed", True),
        ("failed_only", "terminated", True),
        ("failed_only", "timed_out", True),
        ("failed_only", "cancelled", True),
        ("reject", "completed", False),
        ("reject", "failed", False),
    ],
)
def test_whether_an_id_may_be_used_again(policy: str, status: str, allowed: bool) -> None:
    first = client.start_workflow(kit.greet, "x", id="a")
    close("a", status)
    before = counts()

    if allowed:
        assert client.start_workflow(kit.greet, "x", id="a", id_reuse_policy=policy).created
        return
    with pytest.raises(WorkflowAlreadyStarted) as caught:
        client.start_workflow(kit.greet, "x", id="a", id_reuse_policy=policy)

    assert caught.value.run_id == first.run_id
    assert counts() == before


def test_a_fresh_id_passes_every_reuse_policy() -> None:
    for policy in client.IdReusePolicy:
        assert client.start_workflow(kit.greet, "x", id=policy, id_reuse_policy=policy).created
        assert client.start_workflow(kit.greet, "x", id_reuse_policy=policy).created


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [False, True])
def test_the_same_request_twice_is_one_run(closed: bool) -> None:
    first = client.start_workflow(kit.greet, "x", id="a", request_id="r")
    if closed:
        close("a")
    before = counts()

    again = client.start_workflow(kit.greet, "x", id="a", request_id="r")

    assert (again.run_id, again.created) == (first.run_id, False)
    assert counts() == before


def test_another_request_is_another_start() -> None:
    client.start_workflow(kit.greet, "x", id="a", request_id="r")

    with pytest.raises(WorkflowAlreadyStarted):
        client.start_workflow(kit.greet, "x", id="a", request_id="s")

    close("a")
    assert client.start_workflow(kit.greet, "x", id="a", request_id="s").created


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("closes_after", ["the look", "the conflict"])
def test_a_request_that_ran_and_closed_meanwhile_has_one_effect(
    closes_after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other caller's start commits, runs and closes between two statements of this one."""
    try_insert = new_run_store.try_insert

    def start() -> client.WorkflowHandle:
        return client.start_workflow(kit.greet, "x", id="a", request_id="r")

    def meanwhile(new: new_run_store.NewRun) -> bool:
        monkeypatch.setattr(new_run_store, "try_insert", try_insert)
        in_thread(start).done()
        inserted = closes_after == "the conflict" and try_insert(new)
        in_thread(close, "a").done()
        return inserted or (closes_after == "the look" and try_insert(new))

    monkeypatch.setattr(new_run_store, "try_insert", meanwhile)

    late = start()

    assert late.created is False
    assert Run.objects.get().id == late.run_id


# --- the caller's transaction ---------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_start_that_is_rolled_back_leaves_no_trace() -> None:
    before = counts()

    with pytest.raises(RuntimeError):
        with transaction.atomic():
            client.start_workflow(
                kit.greet, "x", id="a", request_id="r", start_delay=MINUTE, run_timeout=MINUTE
            )
            raise RuntimeError

    assert counts() == before
    assert client.start_workflow(kit.greet, "x", id="a", request_id="r").created


def test_a_refused_start_leaves_the_callers_transaction_usable() -> None:
    client.start_workflow(kit.Waiting, id="a")

    with transaction.atomic():
        with pytest.raises(WorkflowAlreadyStarted):
            client.start_workflow(kit.Waiting, id="a")
        other = client.start_workflow(kit.Waiting, id="b")

    assert other.describe().status == "running"


# --- bad input ------------------------------------------------------------------------------------


@workflow.defn(name="kit.Broken")
class Broken:
    """Has no run method."""


def plain(x: int) -> int:
    return x


@pytest.mark.parametrize("target", ["kit.gret", plain, int, None, 5])
def test_an_unknown_workflow_is_refused(target: Any) -> None:
    with pytest.raises(UnknownType) as caught:
        client.start_workflow(target)

    if isinstance(target, str):
        assert "Did you mean kit.greet" in str(caught.value)
    assert Run.objects.count() == 0


def test_a_broken_definition_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"no method decorated with @workflow\.run"):
        client.start_workflow(Broken)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "name"),
        (("a", 1, 2), {}, "argument"),
        (("a",), {"name": "b"}, "name"),
        (("a",), {"loud": True}, "loud"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        client.start_workflow(kit.greet, *args, kwargs=kwargs)

    assert "kit.greet" in str(caught.value)
    assert counts()["Run"] == 0


@pytest.mark.parametrize("value", [object(), {1, 2, object()}, float("nan"), "\ud800", lambda: 1])
def test_values_without_a_json_form_are_refused_by_name(value: Any) -> None:
    with pytest.raises(PayloadUnserializable, match=r"argument 'name'.* of workflow kit\.greet"):
        client.start_workflow(kit.greet, value)
    with pytest.raises(PayloadUnserializable, match="memo"):
        client.start_workflow(kit.greet, "x", memo={"a": value})
    with pytest.raises(PayloadUnserializable, match="search_attributes"):
        client.start_workflow(kit.greet, "x", search_attributes={"a": value})

    assert counts()["Run"] == 0


def test_oversized_values_are_refused_by_name() -> None:
    set_default_limits(Limits(warn=100, refuse=200))
    try:
        with pytest.raises(PayloadTooLarge, match="limit of 200") as caught:
            client.start_workflow(kit.greet, "x" * 300)
        with pytest.raises(PayloadTooLarge, match="memo"):
            client.start_workflow(kit.greet, "x", memo={"a": "x" * 300})
    finally:
        set_default_limits(Limits())

    assert "kit.greet" in str(caught.value)
    assert counts()["Run"] == 0


BAD_OPTIONS: list[dict[str, Any]] = [
    {"id": 5},
    {"id": "x" * 256},
    {"id": "a\0b"},
    {"id": "\ud800"},
    {"request_id": 5},
    {"request_id": "x" * 256},
    {"task_queue": "x" * 256},
    {"task_queue": ["a"]},
    {"start_delay": 5},
    {"start_delay": dt.timedelta(0)},
    {"start_delay": dt.timedelta(seconds=-1)},
    {"start_delay": dt.timedelta.max},
    {"run_timeout": "1m"},
    {"run_timeout": dt.timedelta.max},
    {"execution_timeout": 0.5},
    {"execution_timeout": dt.timedelta.max},
    {"id_reuse_policy": "never"},
    {"id_conflict_policy": "shout"},
    {"id_conflict_policy": None},
    {"headers": {"a": 1}},
    {"headers": {1: "a"}},
    {"headers": {"a": "\ud800"}},
    {"headers": "a"},
    {"memo": "text"},
    {"memo": [1]},
    {"memo": 5},
    {"search_attributes": "text"},
    {"search_attributes": {"a": "b\0"}},
    {"search_attributes": {"a": ["\0"]}},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=lambda options: ascii(options)[:40])
def test_options_that_cannot_be_used_are_refused_by_name(options: dict[str, Any]) -> None:
    [field] = options
    before = counts()

    with transaction.atomic():
        with pytest.raises(InvalidArgument) as caught:
            client.start_workflow(kit.greet, "x", **options)
        assert counts() == before

    assert caught.value.context["field"] == field
    assert field in str(caught.value)


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        client.start_workflow(kit.greet, "x", colour="red")  # type: ignore[call-arg]


def test_two_starts_have_different_ids(engine: Engine) -> None:
    ids = {client.start_workflow(kit.greet, "x").run_id for _ in range(20)}

    assert len(ids) == 20
    assert all(isinstance(run_id, uuid.UUID) and run_id.version == 7 for run_id in ids)
