"""The short form of `make chaos`: every process and server is disturbed, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import number
from tests.conftest import ROOT

# It brings its own servers. Marked, so that it runs once, in the pass on PostgreSQL.
pytestmark = [pytest.mark.postgres, pytest.mark.redis]

LEAST = 4  # kinds of faults, however slow the machine is


@pytest.mark.timeout(600)
def test_nothing_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    seconds = number("AION_CHAOS_SECONDS", 12)
    command = [sys.executable, "-m", "tests.acceptance.chaos", "--report", str(tmp_path / "report")]
    command += ["--seconds", str(seconds), "--seed", os.environ.get("AION_SEED", "short")]

    done = subprocess.run(
        [*command, "--pause", "0.25", "--least", str(LEAST)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    print(done.stdout[-8000:], done.stderr[-4000:])
    assert done.returncode == 0
    report = json.loads((tmp_path / "report").read_text())
    assert report["violations"] == []
    assert report["events"] > 0, "something has happened"
    assert len(report["faults"]) >= LEAST, "and was disturbed"
