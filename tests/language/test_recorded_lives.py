"""The stories of the recorded histories, lived once more. AION_RECORD=1 writes what is not there yet."""

from __future__ import annotations

import os

import pytest

from aion.core.history import from_lines
from tests.language.worlds import Forgetful, telling
from tests.support import recording
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.recording import FOLDER, World, written

pytestmark = pytest.mark.django_db

STORIES = recording.stories()


def lived(feature: str, engine: Engine, clock: StandingClock) -> dict[str, list[bytes]]:
    """Live a story and give the histories of the runs that are to be kept."""
    world = World(engine, clock)
    STORIES[feature](world)
    return {name: written(handle.fetch_history()) for name, handle in world.kept.items()}


@pytest.mark.parametrize("kind", [Engine, Forgetful], ids=["kept", "lost"])
@pytest.mark.parametrize("feature", sorted(STORIES))
def test_todays_engine_records_the_same(
    feature: str, kind: type[Engine], clock: StandingClock
) -> None:
    """A stronger promise than replay needs: also values agree. A new rule may end it, with new files."""
    with telling(kind, clock) as engine:
        found = lived(feature, engine, clock)

    files = {path.stem: path for path in sorted((FOLDER / feature).glob("*.jsonl"))}
    if os.environ.get("AION_RECORD") == "1":
        for name in found.keys() - files.keys():
            path = files[name] = FOLDER / feature / f"{name}.jsonl"
            path.write_bytes(b"".join(line + b"\n" for line in found[name]))
    assert files.keys() == found.keys()
    for name, path in files.items():
        recorded = from_lines(path.read_bytes().splitlines())
        lines = from_lines(found[name])
        assert [each.kind for each in lines] == [each.kind for each in recorded], name
        assert lines[-1].event == recorded[-1].event, name
