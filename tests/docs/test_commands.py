"""Every management command has its place in the reference."""

from __future__ import annotations

from tests.conftest import ROOT

COMMANDS = sorted(
    path.stem
    for app in ("aion", "aion_engine", "aion_api")
    for path in (ROOT / app / "management" / "commands").glob("*.py")
    if path.stem != "__init__"
)


def test_every_command_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()

    assert len(COMMANDS) > 2
    assert [
        name for name in COMMANDS if f"`{name} " not in page and f"py {name}`" not in page
    ] == []
