"""The reference names what the doctor may find, with its level."""

from __future__ import annotations

from aion.operations.doctor.findings import ADVICE
from tests.docs.pages import REFERENCE, rows


def test_every_finding_is_in_the_reference() -> None:
    page = rows(REFERENCE / "commands.md")

    assert {code: page.get(code, ["", ""])[1] for code in ADVICE} == {
        code: str(advice.level) for code, advice in ADVICE.items()
    }
