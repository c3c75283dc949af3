"""Rules of retention, and archives: what is deleted was written before, whole."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from aion import client, workflow
from aion.conf import Settings
from aion.core.archives import read_archive
from aion.core.errors import ArchiveError, InvalidArgument
from aion.models import Run
from aion.operations.prune import HowToPrune, prune, prune_by_rules
from aion.store import histories
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.codecs import settings_with
from tests.support.engine import Engine
from tests.support.storages import FAULTS

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def runs(script: Callable[[Any], Any]) -> None:
    @script
    async def brief(me: kit.Scripted, value: Any = "done") -> Any:
        return value

    @script
    async def fails(me: kit.Scripted) -> Any:
        raise RuntimeError("as written")

    @script
    async def waits(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: me.notes)
        return me.notes


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A storage for archives and one for large payloads."""
    for name in ("archive", "payloads"):
        options = {"location": str(tmp_path / name)}
        backend = {"BACKEND": "tests.support.storages.Faulty", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, name: backend}
    settings_with(settings, RETENTION_ARCHIVE="archive")
    yield tmp_path
    FAULTS.clear()


def ids() -> set[str]:
    return set(Run.objects.values_list("workflow_id", flat=True))


def archived(files: Path) -> list[Path]:
    return sorted((files / "archive").rglob("*.gz"))


# --- rules ----------------------------------------------------------------------------------------


def deleted(**options: Any) -> dict[str, int]:
    return {each.rule: each.runs for each in prune_by_rules(HowToPrune(**options))}


def test_the_first_rule_that_fits_a_run_counts(
    engine: Engine, clock: StandingClock, settings: Any
) -> None:
    settings_with(
        settings,
        RETENTION=(
            {"type": "kit.Scripted", "status": ["failed", "terminated"], "days": 30},
            {"type": "kit.Scripted", "days": 10},
            {"type": "kit.greet", "days": None},
            {"days": 1},
        ),
    )
    engine.start("fails", id="failed")
    engine.start("brief", id="completed")
    engine.start("waits", id="terminated").terminate()
    client.start_workflow(kit.greet, "ada", id="greeting")
    client.start_workflow(kit.Waiting, id="other").terminate()
    engine.go()
    clock.move(2 * DAY.total_seconds())

    assert (
        deleted(dry_run=True)
        == deleted() | {}
        == {
            "failed or terminated runs of kit.Scripted": 0,
            "closed runs of kit.Scripted": 0,
            "closed runs of any type": 1,
        }
    )
    assert ids() == {"failed", "completed", "terminated", "greeting"}
    clock.move(10 * DAY.total_seconds())
    deleted()
    assert ids() == {"failed", "terminated", "greeting"}
    clock.move(20 * DAY.total_seconds())
    deleted()
    assert ids() == {"greeting"}


def test_runs_are_kept_for_ninety_days_by_default(engine: Engine, clock: StandingClock) -> None:
    engine.start("brief", id="old")
    engine.go()
    clock.move(89 * DAY.total_seconds())
    assert sum(deleted().values()) == 0
    clock.move(2 * DAY.total_seconds())

    assert deleted() == {"closed runs of any type": 1}


def test_without_rules_nothing_is_deleted(
    engine: Engine, clock: StandingClock, settings: Any
) -> None:
    settings_with(settings, RETENTION=())
    engine.start("brief")
    engine.go()
    clock.move(10_000 * DAY.total_seconds())

    assert deleted() == {}
    assert Run.objects.exists()


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (3, "must be a sequence"),
        ((3,), "[0] must be a dict"),
        (({"days": 1}, {}), "[1] needs days"),
        (({"days": 1, "state": "x"},), "has no key 'state'"),
        (({"days": 0},), "positive"),
        (({"days": True},), "positive"),
        (({"days": 1e12},), "too far"),
        (({"days": "1"},), "positive"),
        (({"days": 1, "status": "running"},), "status must be one of"),
        (({"days": 1, "type": 3},), "type must be str"),
    ],
)
def test_a_rule_that_cannot_be_used_is_named(rules: Any, says: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        Settings.from_dict({"RETENTION": rules})

    assert says in str(refused.value)
    assert "RETENTION" in str(refused.value)


def test_a_pruning_that_is_stopped_says_so_and_the_next_goes_on(
    engine: Engine, clock: StandingClock
) -> None:
    for _ in range(3):
        engine.start("brief")
    engine.go()
    clock.move(91 * DAY.total_seconds())

    [report] = prune_by_rules(HowToPrune(batch=1, progress=lambda _: False))

    assert (report.runs, report.is_through) == (1, False)
    assert deleted() == {"closed runs of any type": 2}


# --- archives -------------------------------------------------------------------------------------


def test_a_run_is_written_whole_before_it_is_deleted(
    engine: Engine, clock: StandingClock, files: Path, settings: Any
) -> None:
    settings_with(settings, PAYLOAD_STORAGE="payloads", PAYLOAD_STORE_ABOVE=1024)
    handle = engine.start("brief", "large " * 1_000, id="old", memo={"a": 1})
    engine.go()
    history = histories.load_rows([handle.run_id])[handle.run_id]
    closed = Run.objects.get()
    clock.move(2 * DAY.total_seconds())

    report = prune(DAY)

    assert (report.runs, report.archived) == (1, 1)
    [file] = archived(files)
    assert file.parent.name == f"{closed.closed_at:%d}"
    assert file.name == f"{handle.run_id}.jsonl.gz"
    lines = gzip.decompress(file.read_bytes()).splitlines()
    head = json.loads(lines[0])["run"]
    assert (head["workflow_id"], head["status"]) == ("old", "completed")
    assert set(head) == {field.attname for field in Run._meta.concrete_fields}
    found = read_archive(lines)
    assert [(each.seq, each.kind) for each in found.history] == [row[:2] for row in history]
    assert [len(each.data) > 1024 for each in found.files] == [True, True]
    left = [each for each in (files / "payloads").rglob("*") if each.is_file()]
    assert left == [], "its files are gone with it"


@pytest.mark.parametrize("fault", ["save", "open"])
def test_what_cannot_be_archived_is_not_deleted(
    engine: Engine, clock: StandingClock, files: Path, settings: Any, fault: str
) -> None:
    settings_with(settings, PAYLOAD_STORAGE="payloads", PAYLOAD_STORE_ABOVE=1024)
    engine.start("brief", "large " * 1_000, id="old")
    engine.go()
    clock.move(2 * DAY.total_seconds())
    FAULTS.add(fault)

    with pytest.raises(ArchiveError, match="stays"):
        prune(DAY)

    assert ids() == {"old"}
    FAULTS.clear()
    assert prune(DAY).archived == 1


def test_an_archive_whose_deletion_was_not_committed_is_replaced(
    engine: Engine, clock: StandingClock, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.start("brief", id="old")
    engine.go()
    clock.move(2 * DAY.total_seconds())

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aion.store.retention.delete", dies)
        with pytest.raises(KeyboardInterrupt):
            prune(DAY)
    assert ids() == {"old"}
    first = archived(files)

    prune(DAY)

    assert (ids(), archived(files)) == (set(), first)


def test_the_archive_may_be_chosen_or_left_out(
    engine: Engine, clock: StandingClock, files: Path
) -> None:
    engine.start("brief", id="old")
    engine.go()
    clock.move(2 * DAY.total_seconds())

    with pytest.raises(InvalidArgument, match="STORAGES"):
        prune(DAY, archive="nowhere")
    assert ids() == {"old"}
    assert prune(DAY, dry_run=True).archived == 0
    assert prune(DAY, archive="").archived == 0
    assert (ids(), archived(files)) == (set(), [])
