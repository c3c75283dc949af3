"""Runs from archives and exports: whole and closed, or not at all."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from aion import client, workflow
from aion.client import WorkflowHandle
from aion.core import archives
from aion.core.errors import AionError, HistoryError, WrongState
from aion.core.history import to_lines
from aion.models import Event, Message, Run, SearchValue, Update
from aion.operations.prune import HowToPrune, prune, prune_by_rules
from aion_engine.runtime.importing import import_run
from aion_engine.runtime.recovery import Recovery
from aion_engine.testing import replay_history
from aion_engine.testing.replayer import read_history
from tests.acceptance import invariants
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.codecs import settings_with
from tests.support.engine import Engine
from tests.support.storages import FAULTS

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
LARGE = " ".join(str(number * 7919) for number in range(3_000))


@pytest.fixture(autouse=True)
def runs(script: Callable[[Any], Any]) -> None:
    @script
    async def main(me: kit.Scripted, value: Any = "x") -> Any:
        workflow.upsert_memo({"step": 1})
        await workflow.wait_condition(lambda: me.notes)
        return [value, me.notes]


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Iterator[Path]:
    for name in ("archive", "payloads"):
        options = {"location": str(tmp_path / name)}
        backend = {"BACKEND": "tests.support.storages.Faulty", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, name: backend}
    settings_with(
        settings,
        RETENTION_ARCHIVE="archive",
        PAYLOAD_STORAGE="payloads",
        PAYLOAD_STORE_ABOVE=1024,
        PAYLOAD_CODECS=("tests.support.codecs.new_key",),
    )
    yield tmp_path
    FAULTS.clear()


def live(engine: Engine, value: Any = "x") -> WorkflowHandle:
    handle = engine.start("main", value, id="old", memo={"a": 1}, search_attributes={"n": 5})
    engine.go()
    handle.signal("note", "y")
    engine.go()
    return handle


def tables() -> list[Any]:
    models = (Run, Event, Message, SearchValue, Update)
    return [sorted(map(str, model.objects.values_list())) for model in models]


def nothing_to_recover() -> bool:
    """Whether a recovery repairs nothing; the engine of a test does not say that it lives."""
    report = Recovery().run()
    return not any(count for what, count in report.items() if what != "dead workers")


def row(run_id: Any) -> dict[str, Any]:
    return Run.objects.values().get(id=run_id)


# --- whole -----------------------------------------------------------------------------------------


def test_what_was_archived_comes_back_as_it_was(
    engine: Engine, clock: StandingClock, files: Path
) -> None:
    handle = live(engine, LARGE)
    assert handle.run_id is not None
    before, events = row(handle.run_id), list(Event.objects.order_by("seq").values_list())
    clock.move(2 * DAY.total_seconds())
    prune(DAY)
    [file] = (files / "archive").rglob("*.gz")
    assert b"7919" not in gzip.decompress(file.read_bytes())

    call_command("import_history", str(file))

    after = row(handle.run_id)
    assert after.pop("imported_at") == clock.read()
    before.pop("imported_at")
    for name in ("result", "failure", "memo", "history_bytes"):  # sealed anew, with another nonce
        before.pop(name), after.pop(name)
    assert after == before
    assert list(Event.objects.order_by("seq").values_list()) == events
    assert handle.result(0) == [LARGE, ["y"]]
    assert handle.describe().memo == {"a": 1, "step": 1}
    assert SearchValue.objects.filter(run_id=handle.run_id, integer=5).count() == 1
    assert invariants.problems() == []
    assert nothing_to_recover()


def test_an_export_comes_back_under_a_run_id_of_its_own(
    engine: Engine, clock: StandingClock, tmp_path: Path
) -> None:
    handle = live(engine)
    call_command("export_history", "old", "--output", str(tmp_path / "old.jsonl"))

    call_command("import_history", str(tmp_path / "old.jsonl"))

    imported = Run.objects.exclude(id=handle.run_id).get()
    assert (imported.workflow_id, imported.status) == ("old", "completed")
    again = WorkflowHandle("old", imported.id)
    assert again.result(0) == handle.result(0)
    assert replay_history(again.fetch_history()).ok
    assert invariants.problems() == []
    assert nothing_to_recover()


def test_an_open_history_is_closed_and_nothing_of_it_runs(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("main", id="open")
    engine.go()
    lines = list(to_lines(handle.fetch_history()))

    found = import_run(lines)

    assert found.was_open
    imported = Run.objects.get(id=found.run_id)
    assert (imported.status, imported.closed_at) == ("terminated", clock.read())
    before = tables()
    clock.move(3600)
    engine.go()
    engine.tick()
    assert nothing_to_recover()
    assert tables() == before
    handle.signal("note", "still here")
    engine.go()
    assert handle.result(0) == ["x", ["still here"]]


def test_retention_counts_from_the_import(engine: Engine, clock: StandingClock) -> None:
    handle = live(engine)
    lines = list(to_lines(handle.fetch_history()))
    clock.move(100 * DAY.total_seconds())
    found = import_run(lines)

    prune_by_rules(HowToPrune())
    assert list(Run.objects.values_list("id", flat=True)) == [found.run_id]
    clock.move(91 * DAY.total_seconds())
    prune_by_rules(HowToPrune())
    assert not Run.objects.exists()


# --- or not at all -----------------------------------------------------------------------------------


def archive_of(engine: Engine) -> list[dict[str, Any]]:
    handle = live(engine)
    run = {"id": str(handle.run_id), "workflow_id": "old", "workflow_type": "kit.Scripted"}
    lines = [json.loads(line) for line in to_lines(handle.fetch_history())]
    Run.objects.all().delete()
    Event.objects.all()._raw_delete("default")
    SearchValue.objects.all().delete()
    return [{"aion": "run", "format": 1, "run": run}, *lines]


def read(lines: list[dict[str, Any]]) -> Any:
    texts = [json.dumps(line, separators=(",", ":")).encode() for line in lines]
    return import_run(texts)


def test_a_run_that_is_here_is_refused(engine: Engine, clock: StandingClock) -> None:
    lines = archive_of(engine)
    read(lines)
    before = tables()

    with pytest.raises(WrongState, match="here already"):
        read(lines)
    assert tables() == before


DAMAGES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "no events": lambda lines: lines.__delitem__(slice(1, None)),
    "a gap": lambda lines: lines.pop(2),
    "no beginning": lambda lines: lines.pop(1),
    "behind the end": lambda lines: lines.append({**lines[2], "seq": lines[-1]["seq"] + 1}),
    "two beginnings": lambda lines: lines.insert(2, {**lines[1], "seq": 2}),
    "another workflow": lambda lines: lines[0]["run"].update(workflow_id="other"),
    "another type": lambda lines: lines[0]["run"].update(workflow_type="other"),
    "no run id": lambda lines: lines[0]["run"].update(id="x"),
    "a newer format": lambda lines: lines[0].update(format=2),
    "two runs": lambda lines: lines.insert(0, lines[0]),
    "an unknown line": lambda lines: lines.append({"aion": "secret"}),
    "an unknown event": lambda lines: lines[2].update(kind="Exploded"),
    "broken attributes": lambda lines: lines[1].update(attributes=3),
    "no zone": lambda lines: lines[1].update(recorded_at="2026-01-01T00:00:00"),
    "a long id": lambda lines: (
        lines[0]["run"].update(workflow_id="x" * 300),
        lines[1]["attributes"].update(workflow_id="x" * 300),
    ),
    "a large number": lambda lines: [
        line.update(seq=line["seq"] + 2**31) for line in lines if "seq" in line
    ],
    "a place that is none": lambda lines: lines[0]["run"].update(chain_position=-1),
    "an update twice": lambda lines: lines.extend([UPDATE, UPDATE]),
    "an update in no state": lambda lines: lines.append(
        {**UPDATE, "row": {**UPDATE["row"], "state": "gone"}}
    ),
    "a file that is nobody's": lambda lines: lines.append(file_line("aion/../../etc/passwd")),
    "a file without a storage": lambda lines: lines.append(
        file_line(f"aion/{lines[0]['run']['id']}/{'0' * 64}")
    ),
    "a parent that is none": lambda lines: lines[1]["attributes"].update(parent_run_id="nobody"),
}
UPDATE: dict[str, Any] = {
    "aion": "row",
    "table": "aion_update",
    "row": {
        "update_id": "u",
        "name": "n",
        "state": "completed",
        "created_at": "2026-01-01T00:00:00Z",
    },
}


def file_line(name: str) -> dict[str, Any]:
    return {"aion": "file", "name": name, "data": base64.b64encode(b"x").decode()}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    engine: Engine, clock: StandingClock, damage: str
) -> None:
    lines = archive_of(engine)
    DAMAGES[damage](lines)
    before = tables()

    with pytest.raises(HistoryError):
        read(lines)

    assert tables() == before


DEEP = "[" * 100_000 + "]" * 100_000
EVENT = '{"seq":1,"recorded_at":"2026-01-01T00:00:00Z","kind":"WorkflowStarted","attributes":%s}'
NO_RUNS = ["", "{", "[]", "\n\n", '{"seq": 1}', "\x00", '{"aion":', DEEP, EVENT % DEEP]


@pytest.mark.parametrize("text", NO_RUNS, ids=lambda text: text[:20])
def test_what_is_no_run_is_refused(db: None, text: str) -> None:
    with pytest.raises(HistoryError):
        import_run([text.encode()])


def test_a_bomb_is_not_unfolded(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_LINE", 1_000)
    bomb = tmp_path / "bomb.jsonl.gz"
    bomb.write_bytes(gzip.compress(b"x" * 10_000_000))
    asked: list[int] = []
    real = gzip.GzipFile.readline

    def readline(self: gzip.GzipFile, size: int = -1) -> bytes:
        asked.append(size)
        return real(self, size)

    monkeypatch.setattr(gzip.GzipFile, "readline", readline)
    with pytest.raises(CommandError, match="a line longer than 1000 bytes"):
        call_command("import_history", str(bomb))
    with pytest.raises(HistoryError, match="a line longer than 1000 bytes"):
        read_history(bomb)

    assert asked == [1_001, 1_001]
    assert not Run.objects.exists()


@examples(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_random_changes_are_imported_whole_or_refused(
    engine: Engine, clock: StandingClock, data: st.DataObject
) -> None:
    lines = archive_of(engine)
    index = data.draw(st.integers(0, len(lines) - 1))
    target: Any = lines[index]
    for inner in ("run", "attributes"):
        target = target.get(inner, target) if data.draw(st.booleans()) else target
    name = data.draw(st.sampled_from(sorted(target) or ["x"]))
    target[name] = data.draw(
        st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.just({}), st.just([]))
    )

    try:
        found = read(lines)
    except (AionError, ValueError):
        assert not Run.objects.exists()
    else:
        assert Run.objects.get().id == found.run_id
        assert invariants.problems() == []


def test_a_file_that_cannot_be_written_leaves_nothing(
    engine: Engine, clock: StandingClock, files: Path
) -> None:
    live(engine, LARGE)
    clock.move(2 * DAY.total_seconds())
    prune(DAY)
    [file] = (files / "archive").rglob("*.gz")
    FAULTS.add("save")

    with pytest.raises(CommandError, match="payload_storage_failed"):
        call_command("import_history", str(file))

    assert not Run.objects.exists()
    FAULTS.clear()
    call_command("import_history", "--check", str(file))
    assert not Run.objects.exists()
    call_command("import_history", str(file))
    assert client.get_workflow_handle("old").result(0) == [LARGE, ["y"]]


def test_files_that_are_refused_are_named_and_the_others_imported(
    engine: Engine, clock: StandingClock, tmp_path: Path
) -> None:
    lines = archive_of(engine)
    good, bad, gone = (tmp_path / name for name in ("good", "bad", "gone"))
    good.write_text("\n".join(json.dumps(line, separators=(",", ":")) for line in lines))
    bad.write_bytes(b"\x1f\x8bno gzip")

    with pytest.raises(CommandError) as refused:
        call_command("import_history", str(bad), str(good), str(gone))

    assert refused.value.returncode == 1
    assert "2 files were refused" in str(refused.value)
    assert Run.objects.get().workflow_id == "old"
