"""Rotation: everything is encoded again, once, beside a worker; what cannot be is reported."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from aion import client, workflow
from aion.core.errors import InvalidArgument
from aion.models import Event, Run
from aion.operations.clock import clock
from aion.operations.rotate_payloads import Rotation, rotate_payloads
from aion.store import histories, rotation, workers
from aion_engine.runtime.recovery import Recovery
from tests.language.worlds import check_everything
from tests.support import kit
from tests.support.codecs import (
    everything_in_the_database,
    keys_in_use,
    settings_with,
)
from tests.support.engine import Engine, running_worker
from tests.support.fixtures import acting, engine, script
from tests.support.waiting import eventually

__all__ = ["acting", "engine", "script"]

PATH = "tests.support.codecs."


def use(settings: Any, *names: str, **aion: Any) -> None:
    settings_with(settings, PAYLOAD_CODECS=[PATH + name for name in names], **aion)


@pytest.fixture
def lives(script: Any, acting: Any) -> None:
    @acting
    def work(text: str) -> str:
        raise ValueError(text)

    @script
    async def main(me: kit.Scripted) -> Any:
        workflow.upsert_memo({"a": "memo"})
        waiting = kit.act.start("work", "input")
        await workflow.wait_condition(lambda: me.notes)
        waiting.cancel()
        return me.notes

    @script
    async def broken(me: kit.Scripted) -> None:
        raise KeyError("nothing holds it")


def fill(engine: Engine) -> list[Any]:
    """Runs that have something in every table: open, closed, failed, held, with mail and a failed attempt."""
    handles = [engine.start("main", id=f"run-{n}", memo={"n": n}) for n in range(3)]
    handles.append(engine.start("broken", id="broken"))
    held = engine.start("missing", id="held")
    engine.turns()
    engine.act()
    update = handles[1].start_update("unknown", "input", id="u", wait_for="")
    handles[0].signal("note", "signal")
    engine.turns()
    handles[2].signal("note", "in the mailbox")
    del update, held
    return handles


def counts(report: Rotation) -> dict[str, int]:
    return {name: count for name, count in report.written.items() if count}


def check_results(engine: Engine, handles: list[Any]) -> None:
    engine.loop.turns.cache.clear()
    handles[1].signal("note", "late")
    engine.turns()
    assert [handle.result(0) for handle in handles[:3]] == [
        ["signal"],
        ["late"],
        ["in the mailbox"],
    ]
    assert [handle.describe().memo for handle in handles[:3]] == [
        {"n": n, "a": "memo"} for n in range(3)
    ]
    check_everything()
    workers.beat(engine.worker, now=clock.now())
    assert Recovery().run()["projections repaired"] == 0


@pytest.mark.django_db
@pytest.mark.parametrize("before", [None, "old_key"])
@pytest.mark.parametrize("batch", [1, 500])
def test_everything_is_encoded_with_the_current_key(
    engine: Engine, settings: Any, lives: None, before: str | None, batch: int
) -> None:
    if before:
        use(settings, before)
    handles = fill(engine)
    use(settings, "new_key")

    report = rotate_payloads(batch=batch)

    assert set(counts(report)) == {
        "aion_event",
        "aion_message",
        "aion_update",
        "aion_activitytask",
        "aion_run",
    }
    assert report.failed == {}
    assert keys_in_use() == {"new"}
    for run in Run.objects.all():
        plain = [recorded.stored_size for recorded in histories.load_one(run.id)]
        assert run.history_bytes == sum(plain), "it counts what users gave"
    assert counts(rotate_payloads()) == {}, "a second rotation finds nothing"
    use(settings, "only_new_key")
    check_results(engine, handles)


@pytest.mark.django_db
def test_only_what_a_key_has_encrypted(engine: Engine, settings: Any, lives: None) -> None:
    in_clear = client.start_workflow(kit.greet, "clear")
    engine.turns()
    use(settings, "old_key")
    fill(engine)
    use(settings, "new_key")
    before = list(Event.objects.filter(run=in_clear.run_id).values_list("attributes"))

    report = rotate_payloads(from_key="old")

    assert keys_in_use() == {"new"}
    assert list(Event.objects.filter(run=in_clear.run_id).values_list("attributes")) == before
    assert report.runs == 5, "the run in clear was not even locked"
    assert counts(rotate_payloads(from_key="old")) == {}


@pytest.mark.django_db
def test_encoding_may_be_ended(engine: Engine, settings: Any, lives: None) -> None:
    use(settings, "old_key")
    handles = fill(engine)
    use(settings, PAYLOAD_DECODERS=[PATH + "old_key"])

    rotate_payloads()

    assert '"$aion"' not in everything_in_the_database()
    settings_with(settings, PAYLOAD_DECODERS=[])
    check_results(engine, handles)


@pytest.mark.django_db
def test_a_dry_run_counts_and_changes_nothing(engine: Engine, settings: Any, lives: None) -> None:
    use(settings, "old_key")
    fill(engine)
    use(settings, "new_key")
    before = everything_in_the_database()

    report = rotate_payloads(dry_run=True)

    assert everything_in_the_database() == before
    assert counts(report) == counts(rotate_payloads())


@pytest.mark.django_db
def test_large_payloads_move_into_a_storage_and_out_of_it(
    engine: Engine, settings: Any, tmp_path: Any
) -> None:
    large = "large " * 500
    handle = client.start_workflow(kit.greet, large)
    engine.turns()
    backend = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    settings.STORAGES = {**settings.STORAGES, "payloads": backend}
    settings_with(settings, PAYLOAD_STORAGE="payloads", PAYLOAD_STORE_ABOVE=1000)

    rotate_payloads(dry_run=True)
    assert not list(tmp_path.iterdir())
    rotate_payloads()
    assert large not in everything_in_the_database()
    assert handle.result(0).text == f"hello {large}"

    settings_with(settings, PAYLOAD_STORE_ABOVE=1_000_000)
    rotate_payloads()
    assert large in everything_in_the_database()
    settings_with(settings, PAYLOAD_STORAGE="")
    assert handle.result(0).text == f"hello {large}"


@pytest.mark.django_db
def test_a_run_that_cannot_be_read_is_reported_and_the_others_are_done(
    engine: Engine, settings: Any
) -> None:
    use(settings, "old_key")
    lost = client.start_workflow(kit.greet, "ada")
    use(settings, "only_new_key")
    client.start_workflow(kit.greet, "bob")
    settings_with(
        settings, PAYLOAD_CODECS=[PATH + "Reversed"], PAYLOAD_DECODERS=[PATH + "only_new_key"]
    )

    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 runs could not be encoded again"):
        call_command("rotate_payload_keys", "--json", stdout=out, stderr=err)

    report = json.loads(out.getvalue())
    assert list(report["failed"]) == [str(lost.run_id)]
    assert "unknown_payload_key" in report["failed"][str(lost.run_id)]
    assert report["rows_written"]["aion_event"] == 1
    assert keys_in_use() == {"old"}


@pytest.mark.django_db
def test_it_goes_on_behind_a_run(engine: Engine, settings: Any) -> None:
    handles = [client.start_workflow(kit.greet, str(n)) for n in range(4)]
    ids = sorted(handle.run_id for handle in handles)
    use(settings, "new_key")

    assert rotate_payloads(after=ids[1]).runs == 2
    assert rotate_payloads().written["aion_event"] == 2, "the first two are still to be done"


@pytest.mark.django_db
@pytest.mark.parametrize("given", [{"batch": 0}, {"from_key": ""}])
def test_bad_arguments_are_refused(given: Any) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(given))):
        rotate_payloads(**given)


@pytest.mark.django_db
def test_the_command_says_what_it_did(engine: Engine, settings: Any) -> None:
    client.start_workflow(kit.greet, "ada")
    use(settings, "new_key")
    out = StringIO()

    call_command("rotate_payload_keys", stdout=out)

    assert out.getvalue().startswith("1 of ")
    assert "aion_event" in out.getvalue()


# --- beside workers ---


@pytest.mark.django_db
def test_what_changed_since_it_was_read_is_left_alone(
    engine: Engine, settings: Any, lives: None
) -> None:
    """A heartbeat comes between the reading and the writing of a row: it needs no lock of the run."""
    use(settings, "old_key")
    fill(engine)
    run = Run.objects.get(workflow_id="run-1")
    table = next(each for each in rotation.OTHERS if each.name == "aion_activitytask")

    def change(text: str, shape: str, kind: str, context: Any) -> str:
        if shape == "payload":
            with connection.cursor() as cursor:
                cursor.execute("UPDATE aion_activitytask SET heartbeat_details = '[\"newer\"]'")
            return '["recoded"]'
        return text

    seen, written = rotation.recode_table(table, run.id, rotation.PayloadContext("run-1"), change)

    assert (seen, written) == (1, 0)
    assert run.activities.get().heartbeat_details == '["newer"]'


@pytest.fixture
def stopping() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.django_db(transaction=True)
def test_beside_a_worker_nothing_is_lost(settings: Any, acting: Any) -> None:
    """Runs are told by signals and work while all of their rows are rewritten again and again."""
    rounds = 6

    @acting
    def work(value: str) -> str:
        return f"done {value}"

    use(settings, "old_key")
    old = [client.start_workflow(kit.Waiting, rounds, id=f"old-{n}") for n in range(8)]
    for handle in old:
        handle.signal("go", "0")
    use(settings, "new_key")
    reports = []
    with running_worker():
        for number in range(1, rounds):
            for handle in old:
                handle.signal("go", str(number))
            reports.append(rotate_payloads(batch=2))
        results = [handle.result(20) for handle in old]

    assert results == [[str(number) for number in range(rounds)]] * 8
    assert sum(report.written["aion_event"] for report in reports) >= 8, "each run's first event"
    assert all(report.failed == {} for report in reports)
    rotate_payloads()
    assert keys_in_use() == {"new"}
    check_everything()
    eventually(lambda: Recovery().run()["projections repaired"] == 0)
