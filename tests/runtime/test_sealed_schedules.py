"""Schedules whose action is encoded: nothing of it is in the tables, and who fires it notices nothing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import transaction

from aion import client
from aion.client import ScheduleHandle
from aion.core.errors import PayloadCodecError, UnknownPayloadCodec, UnknownPayloadKey
from aion.models import Run, Schedule
from aion.models import ScheduleEvent as EventRow
from aion.operations.clock import clock as system_clock
from aion.operations.prune_payloads import prune_payloads
from aion.operations.rotate_payloads import rotate_payloads
from aion.store import workers
from aion_engine.runtime.recovery import Recovery
from tests.operations.test_prune_payloads import LARGE, files, make_old, stored
from tests.runtime.schedule_kit import MINUTE, minutes
from tests.support import codecs, kit
from tests.support.clocks import StandingClock
from tests.support.codecs import everything_in_the_database, keys_in_use, settings_with
from tests.support.engine import Engine

__all__ = ["files"]

pytestmark = pytest.mark.django_db

MARKER = "m4rk3r"
TRICK = {"$aion": {"codec": ["aes-gcm"], "key": "x", "data": "AAAA"}}


def said(what: str) -> str:
    return f"{MARKER} {what}"


HEADERS = {"h": said("header")}


def use(settings: Any, *chain: str) -> None:
    """Encode by a chain of tests.support.codecs from now on; without one, not at all."""
    settings_with(settings, PAYLOAD_CODECS=[f"tests.support.codecs.{each}" for each in chain])


def greeting(text: str = "", **options: Any) -> ScheduleHandle:
    memo = options.pop("memo", {"note": said("memo")})
    return client.create_schedule(
        "s",
        kit.greet,
        text or said("input"),
        memo=memo,
        headers=HEADERS,
        spec=MINUTE,
        overlap="allow_all",
        **options,
    )


def last_run() -> Any:
    return client.get_workflow_handle(Run.objects.latest("started_at").workflow_id)


def look() -> None:
    assert MARKER not in everything_in_the_database()


# --- a life ---


@pytest.mark.parametrize("chain", ["old_key", "only_new_key", "key_of_each_type"])
def test_nothing_of_users_is_ever_in_the_tables(
    engine: Engine, clock: StandingClock, settings: Any, chain: str
) -> None:
    use(settings, chain)

    schedule = greeting(note="plain")
    look()
    assert bytes(schedule.describe().config.action.input) == b'{"args":["m4rk3r input"]}'
    minutes(clock, engine, 1)
    engine.turns()
    look()
    assert last_run().result(0).text == f"hello {said('input')}"
    assert last_run().describe().memo == {"note": said("memo")}
    assert last_run().fetch_history()[0].attributes["headers"] == HEADERS

    other = client.schedule_action(kit.greet, said("other"), memo={"a": said("new memo")})
    schedule.update(lambda config: config.replace(action=other))
    look()
    schedule.trigger()
    engine.turns()
    schedule.update(lambda config: config.replace(overlap="skip"))
    look()
    assert last_run().result(0).text == f"hello {said('other')}"
    [summary] = client.list_schedules()
    assert (summary.config.action, summary.unreadable) == (other, None)

    told = [
        each.attributes["config"]["action"]
        for each in schedule.fetch_history()
        if "config" in each.attributes
    ]
    assert [each["input"]["args"] for each in told] == [
        [said("input")],
        [said("other")],
        [said("other")],
    ]
    assert [each["memo"] for each in told][:2] == [{"note": said("memo")}, {"a": said("new memo")}]
    row = Schedule.objects.get()
    assert '"workflow_type":"kit.greet"' in row.config, "the rest stays readable"
    look()


def test_the_same_life_in_clear_has_no_envelope(engine: Engine, clock: StandingClock) -> None:
    schedule = greeting()
    minutes(clock, engine, 1)
    schedule.update(lambda config: config.replace(overlap="skip"))

    assert Schedule.objects.get().config.count(MARKER) == 3
    assert codecs.envelopes() == 0


def test_user_data_that_looks_like_an_envelope_stays_what_it_is(
    engine: Engine, clock: StandingClock
) -> None:
    schedule = greeting(memo=TRICK)
    minutes(clock, engine, 1)
    schedule.update(lambda config: config.replace(overlap="skip"))

    assert last_run().describe().memo == TRICK
    assert bytes(schedule.describe().config.action.memo) == msgspec.json.encode(TRICK)
    assert schedule.fetch_history()[0].attributes["config"]["action"]["memo"] == TRICK


def test_what_was_written_in_clear_or_with_older_keys_is_read(
    engine: Engine, clock: StandingClock, settings: Any
) -> None:
    schedule = greeting("first")
    for number, chain in enumerate(("old_key", "new_key"), 2):
        use(settings, chain)
        minutes(clock, engine, 1)
        engine.turns()
        action = client.schedule_action(kit.greet, f"number {number}", memo={"n": number})
        schedule.update(lambda config, action=action: config.replace(action=action))

    told = [e.attributes for e in schedule.fetch_history() if "config" in e.attributes]
    assert [each["config"]["action"]["input"]["args"] for each in told] == [
        ["first"],
        ["number 2"],
        ["number 3"],
    ]
    assert keys_in_use() == {"old", "new"}
    assert Run.objects.count() == 2


# --- without the key ---


def test_a_time_whose_action_cannot_be_decoded_is_noted_and_fires_when_it_can(
    engine: Engine, clock: StandingClock, settings: Any
) -> None:
    use(settings, "old_key")
    schedule = greeting()
    use(settings, "only_new_key")

    minutes(clock, engine, 1)

    assert Run.objects.count() == 0
    described = schedule.describe()
    assert "UnknownPayloadKey" in described.problem
    assert EventRow.objects.latest("seq").kind == "ScheduleFiringFailed"
    use(settings, "new_key")
    clock.move(10)
    engine.tick()
    engine.turns()
    assert last_run().result(0).text == f"hello {said('input')}"
    assert schedule.describe().problem == ""
    assert Run.objects.count() == 1


def test_it_is_described_listed_paused_and_deleted_without_its_key(
    engine: Engine, clock: StandingClock, settings: Any
) -> None:
    use(settings, "old_key")
    schedule = greeting()
    use(settings, "only_new_key")

    described = schedule.describe()
    [listed] = client.list_schedules()

    for found in (described, listed):
        assert "needs key 'old'" in (found.unreadable or "")
        assert b"$aion" in bytes(found.config.action.input)
    assert len(described.next_times) > 1
    schedule.pause("for a while")
    schedule.resume()
    for refused in (
        schedule.fetch_history,
        schedule.trigger,
        lambda: schedule.update(lambda config: config.replace(overlap="skip")),
        lambda: schedule.update(described.config),
    ):
        with pytest.raises(UnknownPayloadKey, match="'old'"):
            refused()
    use(settings)
    with pytest.raises(UnknownPayloadCodec, match="aes-gcm"):
        schedule.trigger()
    before = Schedule.objects.get().config
    use(settings, "new_key")
    schedule.update(described.config)  # made without the key, taken with it
    assert bytes(schedule.describe().config.action.memo) == b'{"note":"m4rk3r memo"}'
    assert schedule.describe().config.action.headers == HEADERS
    assert Schedule.objects.get().config != before
    use(settings, "only_new_key")
    other = client.schedule_action(kit.greet, "another")
    config = described.config.replace(action=other)
    schedule.update(config)
    assert schedule.describe().unreadable is None, "what replaces it needs no old key"
    schedule.delete()


def test_a_codec_that_fails_lets_nothing_be_written(engine: Engine, settings: Any) -> None:
    use(settings, "Reversed")
    schedule = greeting()
    key = Schedule.objects.get().id
    codecs.FAILING.add(f"s (schedule {key})")
    try:
        with pytest.raises(PayloadCodecError, match="'reversed' failed"):
            schedule.update(
                lambda config: config.replace(action=client.schedule_action(kit.greet, said("x")))
            )
    finally:
        codecs.FAILING.clear()

    assert EventRow.objects.count() == 1
    assert schedule.describe().token == 1
    look()


# --- rotation, recovery, files ---


def test_a_rotation_encodes_actions_again_and_recovery_has_nothing_to_repair(
    engine: Engine, clock: StandingClock, settings: Any
) -> None:
    schedule = greeting()
    use(settings, "old_key")
    client.create_schedule("deleted", kit.greet, said("gone"), spec=MINUTE).delete()
    assert rotate_payloads(dry_run=True).written["aion_scheduleevent"] == 1
    assert MARKER in everything_in_the_database()
    assert rotate_payloads().written["aion_scheduleevent"] == 1
    look()
    use(settings, "new_key")

    report = rotate_payloads(from_key="old")

    assert report.failed == {}
    assert report.written["aion_schedule"] == 2
    assert report.written["aion_scheduleevent"] == 2
    assert keys_in_use() == {"new"}
    again = rotate_payloads()
    assert (again.written["aion_schedule"], again.written["aion_scheduleevent"]) == (0, 0)
    workers.beat(engine.worker, now=clock.read())
    assert Recovery().run()["schedules repaired"] == 0, "row and event were sealed apart"
    use(settings, "only_new_key")
    minutes(clock, engine, 1)
    engine.turns()
    assert last_run().result(0).text == f"hello {said('input')}"
    assert schedule.fetch_history()[0].attributes["config"]["action"]["memo"]

    use(settings)
    settings_with(settings, PAYLOAD_DECODERS=["tests.support.codecs.new_key"])
    rotate_payloads()
    assert Schedule.objects.get(schedule_id="s").config.count(MARKER) == 3, "and to an end"


def test_a_damaged_config_is_still_repaired_from_history(
    engine: Engine, clock: StandingClock, settings: Any
) -> None:
    use(settings, "old_key")
    schedule = greeting()
    right = Schedule.objects.get().config
    schedule.update(lambda config: config.replace(overlap="skip"))
    Schedule.objects.update(config=right)
    workers.beat(engine.worker, now=clock.read())

    assert Recovery().run()["schedules repaired"] == 1
    assert Recovery().run()["schedules repaired"] == 0
    assert schedule.describe().config.overlap == "skip"


def test_a_schedule_that_cannot_be_rotated_is_reported_and_the_others_are_done(
    engine: Engine, settings: Any
) -> None:
    use(settings, "old_key")
    greeting()
    use(settings)
    client.create_schedule("clear", kit.greet, "a", spec=MINUTE)
    use(settings, "Reversed")

    report = rotate_payloads()

    [(key, why)] = report.failed.items()
    assert key == Schedule.objects.get(schedule_id="s").id
    assert "unknown_payload_codec" in why


@pytest.mark.parametrize("chain", [(), ("old_key",)])
def test_large_arguments_lie_in_the_storage_for_as_long_as_a_row_names_them(
    settings: Any, files: Path, db: None, chain: tuple[str, ...]
) -> None:
    system_clock.reset()  # that of the files
    use(settings, *chain)
    large = random.Random(1).randbytes(2000).hex()  # what no codec makes small
    schedule = greeting(large)
    row = Schedule.objects.get()
    assert len(row.config) < 1000
    [name] = stored(files)
    assert name.startswith(f"aion/{row.id}/")
    make_old(files)
    assert prune_payloads().orphans == []

    settings_with(settings)  # forget what was kept in memory
    assert large in bytes(schedule.describe().config.action.input).decode()
    run_id = schedule.trigger().run_id
    assert any(f"aion/{run_id}/" in each for each in stored(files)), "a run's files are its own"

    schedule.update(lambda config: config.replace(action=client.schedule_action(kit.greet, "a")))
    make_old(files)
    assert prune_payloads().orphans == [], "the history names it"
    settings_with(settings)
    assert large in str(schedule.fetch_history()[0].attributes)


def test_a_schedule_that_is_rolled_back_leaves_an_orphan_that_is_found(
    files: Path, db: None
) -> None:
    system_clock.reset()
    with pytest.raises(KeyError), transaction.atomic():
        greeting(LARGE)
        raise KeyError
    [orphan] = stored(files)
    make_old(files)

    assert prune_payloads().orphans == [orphan]


def test_without_the_storage_the_rest_is_shown(settings: Any, files: Path, db: None) -> None:
    schedule = greeting(LARGE)
    for path in files.rglob("*"):
        if path.is_file():
            path.unlink()
    settings_with(settings)

    assert "payload_storage_failed" in (schedule.describe().unreadable or "")
