"""Large payloads in a storage: read back verified, cached, and what fails is one run or one call."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from aion import client, workflow
from aion.core.errors import PayloadStorageError, PayloadTooLarge, WorkflowFailureError
from aion.core.sealing import PayloadContext, Stored
from aion.models import Event, Message, Run
from aion.store import sealing
from aion.store.payload_files import PayloadFiles
from aion_engine.replay.watchdog import Watchdog
from tests.language.worlds import check_everything
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.codecs import everything_in_the_database, settings_with
from tests.support.engine import Engine
from tests.support.storages import FAULTS, OPENED

pytestmark = pytest.mark.django_db

LARGE = "large " * 1_000


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A storage in a directory, for whatever is larger than 1 KB."""
    backend = {"BACKEND": "tests.support.storages.Faulty", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "payloads": backend}
    settings_with(settings, PAYLOAD_STORAGE="payloads", PAYLOAD_STORE_ABOVE=1024)
    OPENED.clear()
    yield tmp_path
    FAULTS.clear()


@pytest.fixture
def echoing(script: Any, acting: Any) -> None:
    @acting
    def echo(value: Any) -> Any:
        return value

    @script
    async def main(me: kit.Scripted, *args: Any) -> Any:
        got = await kit.act.execute("echo", args[0])
        await workflow.wait_condition(lambda: me.notes)
        return [got, me.notes[0]]


def stored(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def forget(engine: Engine, settings: Any) -> None:
    """Lose what the process has in memory: the instances, and the files it has seen."""
    engine.loop.turns.cache.clear()
    settings_with(settings)


def test_a_life_with_large_payloads_leaves_small_rows(
    engine: Engine, settings: Any, files: Path, echoing: None
) -> None:
    handle = engine.start("main", LARGE, memo={"a": LARGE})
    engine.go()
    forget(engine, settings)
    handle.signal("note", LARGE)
    engine.go()

    assert handle.result(0) == [LARGE, LARGE]
    assert handle.describe().memo == {"a": LARGE}
    assert LARGE not in everything_in_the_database()
    assert max(map(len, Event.objects.values_list("attributes", flat=True))) < 2_000
    check_everything()
    run_id = Run.objects.get().id
    for path in stored(files):
        assert path.parent == files / "aion" / str(run_id)
        assert len(path.name) == 64, "it is named by its digest"


def test_the_same_payload_of_a_run_is_one_file(engine: Engine, files: Path, echoing: None) -> None:
    """The order is an event and a row, the outcome a message and an event: each is written once."""
    engine.start("main", LARGE)
    engine.go()

    assert len(stored(files)) == 3, "the start's arguments, the activity's, and its result"


def test_a_run_names_only_files_of_its_own(
    engine: Engine, settings: Any, files: Path, script: Any, echoing: None
) -> None:
    """A signal's file belongs to its sender, until the receiver has folded it."""

    @script
    async def send(me: kit.Scripted) -> None:
        await workflow.get_external_workflow_handle("receiver").signal("note", LARGE)

    receiver = engine.start("main", "small", id="receiver")
    engine.go()
    engine.start("send", id="sender")
    engine.go()

    assert receiver.result(0) == ["small", LARGE]
    for run in Run.objects.all():
        text = "".join(Event.objects.filter(run=run).values_list("attributes", flat=True))
        named = set(re.findall(r"aion/([0-9a-f-]+)/", text))
        assert named == {str(run.id)}


def test_with_codecs_files_hold_what_was_encoded(
    engine: Engine, settings: Any, files: Path, echoing: None
) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.Reversed"])
    handle = engine.start("main", LARGE)
    engine.go()
    forget(engine, settings)
    handle.signal("note", "small")
    engine.go()

    assert handle.result(0) == [LARGE, "small"]
    assert stored(files)
    assert all(b"large" not in path.read_bytes() for path in stored(files))


def test_a_file_is_read_once(engine: Engine, settings: Any, files: Path, echoing: None) -> None:
    handle = engine.start("main", LARGE)
    engine.go()
    forget(engine, settings)
    OPENED.clear()

    first, second = handle.fetch_history(), handle.fetch_history()

    assert first == second
    assert len(OPENED) == 3


def test_the_files_kept_are_bounded(settings: Any, files: Path, db: None) -> None:
    settings_with(settings, PAYLOAD_CACHE_BYTES=5_000)
    by = sealing.sealer()
    context = sealing.PayloadContext("w", run_id="r")
    payloads = [b'"%s"' % (letter * 2_000) for letter in (b"a", b"b", b"c", b"d")]
    sealed = [by.seal(payload, context) for payload in payloads]

    assert [by.unseal(each, context) for each in reversed(sealed)] == payloads[::-1]
    assert len(OPENED) == 2, "the last two were kept, the first two were not"


# --- what fails ---


def test_a_storage_that_does_not_answer_holds_its_runs_only(
    engine: Engine, settings: Any, files: Path
) -> None:
    large = client.start_workflow(kit.greet, LARGE, id="large")
    small = client.start_workflow(kit.greet, "bob", id="small")
    forget(engine, settings)
    FAULTS.add("open")

    engine.turns()

    assert small.result(0).text == "hello bob"
    run = Run.objects.get(workflow_id="large")
    assert '"code":"payload_storage_failed"' in run.problem
    assert "does not answer" in run.problem
    FAULTS.clear()
    large.release()
    engine.turns()
    assert large.result(0).text == f"hello {LARGE}"


def test_a_storage_that_takes_nothing_holds_its_runs_only_and_loses_nothing(
    engine: Engine, files: Path
) -> None:
    large = client.start_workflow(kit.Waiting, id="large")
    small = client.start_workflow(kit.greet, "bob", id="small")
    large.signal("go", LARGE)
    with_result = client.start_workflow(kit.greet, LARGE[:-1], id="with-result")
    FAULTS.add("save")

    engine.turns()

    assert small.result(0).text == "hello bob"
    assert not Run.objects.get(workflow_id="with-result").closed_at
    for workflow_id in ("large", "with-result"):
        run = Run.objects.get(workflow_id=workflow_id)
        assert "payload_storage_failed" in (run.problem or ""), workflow_id
        assert Event.objects.filter(run=run).count() == 1
    assert Message.objects.filter(kind="SignalReceived").count() == 1
    FAULTS.clear()
    large.release()
    with_result.release()
    engine.turns()
    assert large.result(0) == [LARGE]
    assert with_result.result(0).text == f"hello {LARGE[:-1]}"


def test_a_start_or_signal_that_cannot_be_stored_fails_alone(engine: Engine, files: Path) -> None:
    handle = client.start_workflow(kit.Waiting, id="w")
    FAULTS.add("save")

    with transaction.atomic():
        for call in (
            lambda: client.start_workflow(kit.greet, LARGE),
            lambda: handle.signal("go", LARGE),
        ):
            with pytest.raises(PayloadStorageError, match="takes nothing"):
                call()
        handle.signal("go", "small")
    engine.turns()

    assert handle.result(0) == ["small"]
    assert Run.objects.count() == 1


def test_a_result_that_cannot_be_stored_fails_its_attempt(
    engine: Engine, clock: StandingClock, files: Path, echoing: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr("aion_engine.runtime.execution._PAUSES", (0.0, 0.0))
    handle = engine.start("main", "x" * 900)  # the result is stored, the arguments are not
    settings_above = sealing.sealer().files
    engine.turns()
    settings_above.above = 850
    FAULTS.add("save")

    engine.act()

    FAULTS.clear()
    clock.move(10)
    engine.go()
    handle.signal("note", 1)
    engine.go()
    assert handle.result(0) == ["x" * 900, 1]


def test_a_slow_storage_is_not_the_codes_fault(
    engine: Engine, settings: Any, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is fetched while nothing watches for code that does not yield."""
    handle = client.start_workflow(kit.greet, LARGE)
    forget(engine, settings)
    watched: list[bool] = []
    load = sealing.PayloadFiles.load

    def look_and_load(self: Any, stored: Any) -> bytes:
        dog: Watchdog = engine.loop.turns.folding.watchdog
        watched.append(dog._armed)
        return load(self, stored)

    monkeypatch.setattr(sealing.PayloadFiles, "load", look_and_load)

    engine.turns()

    assert handle.result(0).text == f"hello {LARGE}"
    assert watched[0] is False
    assert not any(watched)


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_file_is_never_taken_for_the_payload(
    engine: Engine, settings: Any, files: Path, damage: str
) -> None:
    handle = client.start_workflow(kit.greet, LARGE)
    engine.turns()
    forget(engine, settings)
    for path in stored(files):
        if damage == "gone":
            path.unlink()
        else:
            data = path.read_bytes()
            path.write_bytes(data[:-1] + (b"X" if damage == "changed" else b""))

    with pytest.raises(PayloadStorageError, match=r"not what was written|could not be read"):
        handle.result(0)


def test_a_file_that_a_dead_writer_left_half_is_not_used(
    settings: Any, files: Path, db: None
) -> None:
    context = sealing.PayloadContext("w", run_id="r")
    payload = b'"%s"' % (b"x" * 2_000)
    first = sealing.sealer().seal(payload, context)
    [path] = stored(files)
    path.write_bytes(payload[:100])

    second = sealing.sealer().seal(payload, context)

    assert first != second
    settings_with(settings)
    assert sealing.sealer().unseal(second, context) == payload


def test_without_the_setting_it_is_said_what_is_missing(
    engine: Engine, settings: Any, files: Path
) -> None:
    handle = client.start_workflow(kit.greet, LARGE)
    engine.turns()
    settings_with(settings, PAYLOAD_STORAGE="")

    with pytest.raises(PayloadStorageError, match="PAYLOAD_STORAGE"):
        handle.result(0)


# --- limits ---


def test_the_limit_of_stored_payloads_is_another(
    engine: Engine, settings: Any, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "aion.payloads")
    settings_with(settings, PAYLOAD_REFUSE=2_000, PAYLOAD_STORED_REFUSE=50_000)

    handle = client.start_workflow(kit.greet, LARGE)
    engine.turns()
    assert handle.result(0).text == f"hello {LARGE}"

    with pytest.raises(PayloadTooLarge, match=r"name.*over the limit of 50,000"):
        client.start_workflow(kit.greet, LARGE * 10)
    with pytest.raises(PayloadTooLarge, match=r"search_attributes.*over the limit of 2,000"):
        client.start_workflow(kit.greet, "ada", search_attributes={"a": LARGE})


def test_limits_count_what_the_user_gave(engine: Engine, settings: Any, files: Path) -> None:
    """Not what compression makes of it."""
    settings_with(
        settings,
        PAYLOAD_CODECS=["aion.codecs.Zlib"],
        PAYLOAD_STORAGE="",
        PAYLOAD_REFUSE=5_000,
    )

    with pytest.raises(PayloadTooLarge):
        client.start_workflow(kit.greet, LARGE)


def test_a_failure_with_large_details_is_stored_too(
    engine: Engine, files: Path, script: Any, settings: Any
) -> None:
    from aion import ApplicationError

    @script
    async def main(me: kit.Scripted) -> None:
        raise ApplicationError("too much", LARGE)

    handle = engine.start("main")
    engine.turns()
    forget(engine, settings)

    with pytest.raises(WorkflowFailureError) as caught:
        handle.result(0)
    cause = caught.value.__cause__
    assert isinstance(cause, ApplicationError)
    assert cause.details == (LARGE,)
    assert LARGE not in everything_in_the_database()


@pytest.mark.parametrize("name", ["../secret", "secret", "aion/../secret", "/etc/hosts", ""])
def test_a_row_names_no_file_but_those_of_payloads(files: Path, name: str) -> None:
    (files / "secret").write_bytes(b"secret")
    named = Stored(name=name, size=6, sha256=hashlib.sha256(b"secret").hexdigest())

    with pytest.raises(PayloadStorageError, match="no name of a payload file"):
        PayloadFiles().load(named)


def test_a_file_that_has_grown_is_not_read_whole(files: Path) -> None:
    context = PayloadContext("w", run_id="r")
    kept = PayloadFiles()
    kept.save(b"x" * 2_000, context)
    [path] = stored(files)
    path.write_bytes(b"x" * 1_000_000)
    named = Stored(f"aion/r/{path.name}", 2_000, path.name)

    with pytest.raises(PayloadStorageError, match="2001 bytes of 2000"):
        PayloadFiles().load(named)
