"""Pruning: files that no row names go after a day; whatever a row names stays."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from aion import client, workflow
from aion.core.errors import InvalidArgument
from aion.models import Run
from aion.operations.clock import clock as system_clock
from aion.operations.prune_payloads import prune_payloads
from aion.operations.rotate_payloads import rotate_payloads
from tests.support import kit
from tests.support.codecs import settings_with
from tests.support.engine import Engine
from tests.support.fixtures import acting, script

__all__ = ["acting", "script"]

pytestmark = pytest.mark.django_db

LARGE = "large " * 500
TWO_DAYS = 2 * 86_400


@pytest.fixture
def engine(db: None) -> Iterator[Engine]:
    """On the system's clock, which is that of the files."""
    system_clock.reset()
    made = Engine()
    yield made
    made.close()


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    backend = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    settings.STORAGES = {**settings.STORAGES, "payloads": backend}
    settings_with(settings, PAYLOAD_STORAGE="payloads", PAYLOAD_STORE_ABOVE=1000)
    return tmp_path


def stored(directory: Path) -> set[str]:
    return {
        path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()
    }


def make_old(directory: Path) -> None:
    for name in stored(directory):
        os.utime(directory / name, (time.time() - TWO_DAYS,) * 2)


def test_a_start_that_is_rolled_back_leaves_an_orphan_that_is_found(
    engine: Engine, files: Path
) -> None:
    with pytest.raises(KeyError), transaction.atomic():
        client.start_workflow(kit.greet, LARGE)
        raise KeyError
    kept = client.start_workflow(kit.greet, LARGE)
    [orphan] = [name for name in stored(files) if str(kept.run_id) not in name]

    assert prune_payloads().orphans == [], "it may be about to be named"
    make_old(files)
    assert prune_payloads(dry_run=True).orphans == [orphan]
    assert orphan in stored(files)
    assert prune_payloads().orphans == [orphan]
    assert prune_payloads().orphans == [], "a second one finds nothing"

    engine.turns()
    assert kept.result(0).text == f"hello {LARGE}"


def test_whatever_a_row_names_stays(
    engine: Engine, files: Path, script: Any, acting: Any, settings: Any
) -> None:
    """Events, orders, heartbeats, messages on their way from another run, results, memos, updates."""
    from aion import activity

    @acting
    def work(text: str) -> None:
        activity.heartbeat(text + "heartbeat")
        raise ValueError("again")

    @script
    async def main(me: kit.Scripted, *args: Any) -> Any:
        kit.act.start("work", LARGE + "order")
        await workflow.wait_condition(lambda: len(me.notes) == 2)
        return me.notes

    @script
    async def send(me: kit.Scripted) -> None:
        await workflow.get_external_workflow_handle("main").signal("note", LARGE + "from a run")

    handle = engine.start("main", LARGE, id="main", memo={"a": LARGE + "memo"})
    engine.turns()
    engine.act()
    handle.pause()
    engine.start("send")
    engine.turns()
    handle.signal("note", LARGE + "in the mailbox")
    make_old(files)
    before = stored(files)

    assert prune_payloads().orphans == []

    assert stored(files) == before
    settings_with(settings)  # forget what was kept in memory
    handle.resume()
    engine.loop.turns.cache.clear()
    engine.turns()
    assert handle.result(0) == [LARGE + "from a run", LARGE + "in the mailbox"]
    make_old(files)
    prune_payloads()
    settings_with(settings)
    assert handle.result(0) == [LARGE + "from a run", LARGE + "in the mailbox"]
    assert handle.describe().memo == {"a": LARGE + "memo"}
    assert len(handle.fetch_history()) > 3


def test_files_of_deleted_runs_and_of_old_keys_go(
    engine: Engine, settings: Any, files: Path
) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.encrypting_old"])
    gone, kept = (client.start_workflow(kit.greet, LARGE) for _ in range(2))
    engine.turns()
    Run.objects.filter(id=gone.run_id).get().events.model.objects.filter(
        run_id=gone.run_id
    )._raw_delete("default")
    Run.objects.filter(id=gone.run_id).delete()
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.encrypting_new"])
    rotate_payloads()
    count = len(stored(files))
    make_old(files)

    found = prune_payloads()

    assert found.files == count
    assert len(found.orphans) == 4, "two of the deleted run, two of the old key"
    assert kept.result(0).text == f"hello {LARGE}"
    assert all(str(kept.run_id) in name for name in stored(files))


def test_an_orphan_that_is_old_is_not_used_again(engine: Engine, files: Path) -> None:
    """It may be pruned between its finding and the commit of the row that names it."""
    from aion.store import sealing

    context = sealing.PayloadContext("w", run_id="r")
    payload = f'"{LARGE}"'.encode()

    def name() -> str:
        from aion.core.sealing import read_envelope

        stored = read_envelope(sealing.sealer().seal(payload, context)).stored
        assert stored is not None
        return stored.name

    first = name()
    assert name() == first
    make_old(files)
    assert name() != first


def test_what_is_not_ours_is_left_alone(engine: Engine, files: Path) -> None:
    (files / "aion" / "notes").mkdir(parents=True)
    (files / "aion" / "notes" / "of-somebody").write_text("hello")
    make_old(files)

    assert prune_payloads().orphans == []
    assert stored(files) == {"aion/notes/of-somebody"}


def test_nothing_written_yet_is_nothing_to_prune(engine: Engine, files: Path) -> None:
    out = StringIO()
    call_command("prune_payloads", stdout=out)

    assert out.getvalue() == "0 of 0 files deleted\n"


def test_young_files_cannot_be_asked_for(engine: Engine, files: Path) -> None:
    from datetime import timedelta

    with pytest.raises(InvalidArgument, match="a day or more"):
        prune_payloads(older_than=timedelta(hours=23))


def test_the_command_reports_as_json(engine: Engine, files: Path) -> None:
    with pytest.raises(KeyError), transaction.atomic():
        client.start_workflow(kit.greet, LARGE)
        raise KeyError
    make_old(files)
    out = StringIO()

    call_command("prune_payloads", "--json", stdout=out)

    report = json.loads(out.getvalue())
    assert report["files"] == 1
    assert len(report["orphans"]) == 1
    assert stored(files) == set()


def test_without_a_storage_the_command_says_so(engine: Engine) -> None:
    with pytest.raises(CommandError, match="payload_storage_failed"):
        call_command("prune_payloads")
