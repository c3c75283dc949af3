"""Runs whose payloads are encoded: nothing of users is in the tables, and nobody above the store notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aion import ApplicationError, RetryPolicy, activity, client, signals, workflow
from aion.client import WorkflowHandle
from aion.core.errors import (
    UnknownPayloadCodec,
    UnknownPayloadKey,
    UpdateFailed,
    UpdateRefused,
    WorkflowFailureError,
)
from aion.core.events import ActivityScheduled, SignalReceived
from aion.models import ActivityTask, Event, Message, Run
from aion.operations.rotate_payloads import rotate_payloads
from aion.store import workers
from aion_engine.runtime.recovery import Recovery
from tests.language.worlds import check_everything
from tests.support import codecs, kit
from tests.support.clocks import StandingClock
from tests.support.codecs import everything_in_the_database, keys_in_use, settings_with
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

MARKER = "m4rk3r"
"""What users write everywhere, and what must be nowhere."""

PROMPT = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(seconds=1), jitter=0.0)


def said(what: str) -> str:
    return f"{MARKER} {what}"


HEADERS = {said("header"): said("header's value")}
"""They travel from the start with all that a run asks for."""


@activity.defn(name="sealed.remote", retry=PROMPT, heartbeat_timeout=timedelta(seconds=5))
def remote(text: str, *, fail: bool = False) -> str:
    activity.heartbeat(said("heartbeat"))
    assert activity.info().headers == HEADERS
    if activity.info().attempt == 1:
        raise ValueError(said("first attempt"))
    assert activity.info().heartbeat_details == (said("heartbeat"),)
    if fail:
        raise ApplicationError(said("last attempt"), said("detail"), type="Refused")
    return said("remote result")


@activity.defn(name="sealed.local", local=True, retry=PROMPT)
def local(text: str) -> str:
    assert text.startswith(MARKER)
    return said("local result")


@activity.defn(name="sealed.booking", transactional=True)
def booking(text: str) -> str:
    return said("booked")


@workflow.defn(name="sealed.Child")
class Child:
    @workflow.run
    async def run(self, text: str, fail: bool = False) -> str:
        assert text == said("to the child")
        got = await workflow.receive("news", timeout=timedelta(hours=1))
        assert got == said("to the child by signal"), got
        if fail:
            raise RuntimeError(said("child failure"))
        return said("child result")


@workflow.defn(name="sealed.Everything")
class Everything:
    """Brings user data into every place where there is one."""

    @workflow.init
    def __init__(self, text: str, round: int = 1) -> None:
        self.signals: list[str] = []
        self.go = False

    @workflow.run
    async def run(self, text: str, round: int = 1) -> str:
        assert text.startswith(MARKER)
        await local.execute(said("local"))
        summed_up = remote.with_options(summary=said("summary"))
        assert await summed_up.execute(said("remote")) == said("remote result")
        await workflow.sleep(1, summary=said("timer"))
        await booking.execute(said("booking"))
        try:
            await remote.execute(said("remote"), fail=True)
        except Exception as error:
            cause = error.__cause__
            assert isinstance(cause, ApplicationError)
            assert (cause.message, cause.details) == (said("last attempt"), (said("detail"),))
        workflow.side_effect(lambda: said("side effect"))
        workflow.upsert_memo({"more": said("memo update")})
        for fail in (False, True):
            child = await workflow.start_child_workflow(Child, said("to the child"), fail)
            await child.signal("news", said("to the child by signal"))
            try:
                assert await child == said("child result")
            except Exception as error:
                assert said("child failure") in str(error.__cause__)
        await workflow.wait_condition(lambda: self.go)
        if round == 1:
            workflow.continue_as_new(said("next round"), 2)
        return said("result")

    @workflow.signal
    def tell(self, text: str) -> None:
        assert text.startswith(MARKER)
        self.signals.append(text)

    @workflow.signal
    def proceed(self) -> None:
        self.go = True

    @workflow.update
    async def change(self, text: str) -> str:
        if text == said("wrong"):
            raise ApplicationError(said("update failure"))
        await asyncio.sleep(0)
        return said("update result")

    @change.validator  # type: ignore[attr-defined]
    def check_change(self, text: str) -> None:
        if text == said("bad"):
            raise ValueError(said("update refused"))

    @workflow.query
    def told(self) -> list[str]:
        return self.signals


def live_a_whole_life(
    engine: Engine, clock: StandingClock, look: Callable[[], None]
) -> WorkflowHandle:
    """All of it, with a look at the tables after each step."""

    def go() -> None:
        look()
        for _ in range(40):
            engine.loop.step()
            look()
            engine.act()
            look()
            engine.turns()
            look()
            clock.move(2)

    handle = client.start_workflow(
        Everything,
        said("input"),
        id="everything",
        memo={"note": said("memo")},
        headers=HEADERS,
    )
    handle.signal(Everything.tell, said("signal"), headers=HEADERS)
    go()
    updates = [
        handle.start_update(Everything.change, said(word), id=word, wait_for="", headers=HEADERS)
        for word in ("good", "wrong", "bad")
    ]
    go()
    assert updates[0].result(0) == said("update result")
    with pytest.raises(UpdateFailed, match=said("update failure")):
        updates[1].result(0)
    with pytest.raises(UpdateRefused, match=said("update refused")):
        updates[2].result(0)
    assert handle.query(Everything.told) == [said("signal")]
    for _ in range(2):
        client.get_workflow_handle("everything").signal(Everything.proceed)
        go()
    return client.get_workflow_handle("everything")


@pytest.mark.parametrize("chain", ["old_key", "only_new_key"])
def test_nothing_of_users_is_ever_in_the_tables(
    engine: Engine, clock: StandingClock, settings: Any, chain: str
) -> None:
    settings_with(settings, PAYLOAD_CODECS=[f"tests.support.codecs.{chain}"])

    def look() -> None:
        assert MARKER not in everything_in_the_database()

    handle = live_a_whole_life(engine, clock, look)

    assert handle.result(0) == said("result")
    description = handle.describe()
    assert description.memo == {"note": said("memo"), "more": said("memo update")}
    assert Run.objects.count() == 6
    look()
    check_everything()
    workers.beat(engine.worker, now=clock.read())
    report = Recovery().run()
    assert report["projections repaired"] == 0, "what is sealed twice is still the same"


def test_the_same_life_in_clear_shows_that_the_search_would_find_it(
    engine: Engine, clock: StandingClock
) -> None:
    handle = live_a_whole_life(engine, clock, lambda: None)

    assert handle.result(0) == said("result")
    assert everything_in_the_database().count(MARKER) > 30
    assert codecs.envelopes() == 0


def test_ids_names_and_search_attributes_stay_readable(engine: Engine, settings: Any) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])

    handle = client.start_workflow(
        kit.greet, said("name"), id="readable", search_attributes={"color": "red"}
    )
    engine.go()

    run = Run.objects.get()
    assert (run.workflow_type, run.search_attributes) == ("kit.greet", {"color": "red"})
    started = Event.objects.get(kind="WorkflowStarted").attributes
    assert '"workflow_id":"readable"' in started
    assert '"key":"old"' in started
    assert handle.fetch_history()[0].attributes["input"] == {"args": [said("name")]}


# --- old data ---


def test_data_of_older_chains_and_of_none_is_read(
    engine: Engine, clock: StandingClock, settings: Any
) -> None:
    handle = client.start_workflow(kit.Waiting, 3, id="w")
    for number, chain in enumerate((None, "old_key", "new_key"), 1):
        if chain is not None:
            settings_with(settings, PAYLOAD_CODECS=[f"tests.support.codecs.{chain}"])
        handle.signal("go", said(str(number)))
        engine.turns()
        engine.loop.turns.cache.clear()

    assert handle.result(0) == [said("1"), said("2"), said("3")]
    assert keys_in_use() == {"old", "new"}

    settings_with(settings, PAYLOAD_CODECS=[], PAYLOAD_DECODERS=["tests.support.codecs.new_key"])
    assert handle.result(0) == [said("1"), said("2"), said("3")], "and when encoding was ended"


def test_each_type_may_have_its_key(engine: Engine, settings: Any) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.key_of_each_type"])

    handle = client.start_workflow(kit.greet, said("a"))
    other = client.start_workflow(kit.Waiting, id="w")
    other.signal("go", said("b"))
    engine.go()

    assert handle.result(0).text == f"hello {said('a')}"
    assert other.result(0) == [said("b")]
    text = everything_in_the_database()
    assert '"key":"kit.greet"' in text
    assert '"key":"others"' in text


# --- what cannot be read holds its run, and only that ---


def test_an_unknown_key_holds_its_run_until_the_key_is_there(engine: Engine, settings: Any) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    lost = client.start_workflow(kit.greet, "ada", id="lost")
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.only_new_key"])
    fine = client.start_workflow(kit.greet, "bob", id="fine")

    engine.turns()

    assert fine.result(0).text == "hello bob"
    run = Run.objects.get(workflow_id="lost")
    assert (run.status, run.problem_count) == ("running", 1)
    assert '"code":"unknown_payload_key"' in run.problem
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.new_key"])
    problem = lost.describe().problem
    assert problem is not None
    assert "needs key 'old', which is not in the keyring" in problem["message"]

    lost.release()
    engine.turns()

    assert lost.result(0).text == "hello ada"


def test_callers_hear_which_key_or_codec_is_missing(engine: Engine, settings: Any) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    handle = client.start_workflow(kit.greet, "ada", memo={"a": 1})
    engine.turns()

    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.only_new_key"])
    assert handle.describe().memo == {}
    assert "needs key 'old'" in (handle.describe().unreadable or "")
    for read in (lambda: handle.result(0), handle.fetch_history):
        with pytest.raises(UnknownPayloadKey, match="'old'"):
            read()
    settings_with(settings, PAYLOAD_CODECS=[])
    with pytest.raises(UnknownPayloadCodec, match="aes-gcm"):
        handle.result(0)


@pytest.mark.parametrize("heard", [False, True])
def test_a_run_is_told_and_terminated_without_its_key(
    engine: Engine,
    settings: Any,
    request: pytest.FixtureRequest,
    django_capture_on_commit_callbacks: Any,
    heard: bool,
) -> None:
    told: list[Any] = []

    def receive(sender: Any, **facts: Any) -> None:
        told.append(facts["status"])

    if heard:
        request.addfinalizer(lambda: signals.workflow_closed.disconnect(receive))
        signals.workflow_closed.connect(receive, weak=False)
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    handle = client.start_workflow(kit.Waiting, id="w", memo={"a": said("memo")})
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.only_new_key"])

    handle.signal("go", said("under another key"))
    with django_capture_on_commit_callbacks(execute=True):
        handle.terminate("no longer wanted")

    assert Run.objects.get().status == "terminated"
    assert told == (["terminated"] if heard else [])


def test_an_activity_whose_input_cannot_be_read_fails_and_is_tried_again(
    engine: Engine, clock: StandingClock, settings: Any, script: Any, acting: Any
) -> None:
    acting(lambda text: None)

    @acting
    def work(text: str) -> str:
        return text

    @script
    async def main(me: kit.Scripted) -> str:
        return str(await kit.act.execute("work", said("input")))

    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    handle = engine.start("main")
    engine.turns()
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.only_new_key"])

    assert engine.begin() is None

    task = ActivityTask.objects.get()
    assert (task.state, task.attempt) == ("scheduled", 2)
    assert "UnknownPayloadKey" in task.last_failure
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.new_key"])
    clock.move(5)
    engine.go()
    assert handle.result(0) == said("input")


def test_pending_activities_are_listed_with_their_failures_and_without_a_key_too(
    engine: Engine, clock: StandingClock, settings: Any, script: Any, acting: Any
) -> None:
    @acting
    def work() -> None:
        activity.heartbeat(said("heartbeat"))
        raise ValueError(said("failure"))

    @script
    async def main(me: kit.Scripted) -> None:
        await kit.act.execute("work")

    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    handle = engine.start("main")
    engine.turns()
    engine.act()

    [pending] = handle.describe().pending_activities
    assert pending.last_failure is not None
    assert pending.last_failure.message == said("failure")
    assert pending.heartbeat_details == (said("heartbeat"),)

    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.only_new_key"])
    [pending] = client.list_pending_activities().items
    assert pending.last_failure is not None
    assert pending.last_failure.type == "ValueError"
    assert "needs key 'old'" in pending.last_failure.message
    assert pending.heartbeat_details == ()


def test_a_codec_that_fails_to_encode_holds_its_run_and_keeps_its_messages(
    engine: Engine, settings: Any
) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.Reversed"])
    broken = client.start_workflow(kit.Waiting, id="broken")
    broken.signal("go", said("signal"))
    fine = client.start_workflow(kit.greet, "bob", id="fine")
    codecs.FAILING.add("broken")
    try:
        engine.turns()
        with pytest.raises(Exception, match="'reversed' failed"):
            broken.signal("go", said("not accepted"))
    finally:
        codecs.FAILING.clear()

    assert fine.result(0).text == "hello bob"
    run = Run.objects.get(workflow_id="broken")
    assert '"code":"payload_codec_failed"' in run.problem
    assert MARKER not in everything_in_the_database()
    assert Event.objects.filter(run=run).count() == 1
    assert Message.objects.filter(run=run, kind="SignalReceived").count() == 1

    broken.release()
    engine.turns()

    assert broken.result(0) == [said("signal")]


def test_an_error_that_cannot_be_encoded_is_recorded_without_its_text(
    engine: Engine, settings: Any, script: Any, acting: Any
) -> None:
    @acting
    def work() -> None:
        codecs.FAILING.add("w")
        raise ApplicationError(said("text"), non_retryable=True)

    @script
    async def main(me: kit.Scripted) -> None:
        await kit.act.execute("work")

    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.Reversed"])
    handle = engine.start("main", id="w")
    engine.turns()
    try:
        engine.act()
    finally:
        codecs.FAILING.clear()
    engine.go()

    with pytest.raises(WorkflowFailureError) as caught:
        handle.result(0)
    cause = caught.value.__cause__
    assert cause is not None
    assert isinstance(cause.__cause__, ApplicationError)
    assert cause.__cause__.type == "payload_codec_failed"


def test_a_rolled_back_start_leaves_nothing(engine: Engine, settings: Any) -> None:
    from django.db import transaction

    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])

    with pytest.raises(KeyError), transaction.atomic():
        client.start_workflow(kit.greet, said("name"))
        raise KeyError

    assert not Run.objects.exists()


def test_user_data_that_looks_like_an_envelope_goes_through_a_life_as_it_is(
    engine: Engine, script: Any, acting: Any
) -> None:
    trick = {"$aion": {"codec": ["aes-gcm"], "key": "x", "data": "AAAA"}}

    @acting
    def echo(value: Any) -> Any:
        return value

    @script
    async def main(me: kit.Scripted) -> Any:
        assert await kit.act.execute("echo", trick) == trick
        await workflow.wait_condition(lambda: me.notes)
        assert workflow.side_effect(lambda: trick) == trick
        assert me.notes == [trick]
        return trick

    handle = engine.start("main", memo=trick)
    engine.go()
    handle.signal("note", trick)
    engine.loop.turns.cache.clear()
    engine.go()

    assert handle.result(0) == trick
    assert handle.describe().memo == trick
    assert {type(recorded.event) for recorded in handle.fetch_history()} >= {
        ActivityScheduled,
        SignalReceived,
    }
    check_everything()


def test_a_schedule_hands_encoded_outcomes_on_and_they_are_rotated(
    engine: Engine, clock: StandingClock, script: Any, settings: Any
) -> None:
    outcomes = iter([said("first"), ApplicationError(said("broken")), said("third")])

    @script
    async def work(self: kit.Scripted) -> Any:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    client.create_schedule("s", kit.Scripted, "work", spec="* * * * *")
    for chain in ("old_key", "new_key", "only_new_key"):
        settings_with(settings, PAYLOAD_CODECS=[f"tests.support.codecs.{chain}"])
        if chain == "new_key":
            assert rotate_payloads().written["aion_schedule"] == 1
            assert rotate_payloads().written["aion_schedule"] == 0
        clock.move(60)
        engine.tick()
        engine.turns()
        engine.tick()  # notes the end
        assert MARKER not in everything_in_the_database()

    firsts = [
        client.get_workflow_handle(run.workflow_id).fetch_history()[0].attributes
        for run in Run.objects.order_by("started_at")[1:]
    ]
    assert [first["last_result"] for first in firsts] == [said("first")] * 2
    assert firsts[1]["last_failure"]["message"] == said("broken")
