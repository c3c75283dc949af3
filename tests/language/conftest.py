"""Every test of the language runs twice: with instances kept, and with all of them lost before each turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.language.cron_chains import cron_scripts
from tests.language.worlds import Forgetful, check_everything
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.fixtures import acting, clock, script

__all__ = ["acting", "clock", "cron_scripts", "script"]


@pytest.fixture(params=[Engine, Forgetful], ids=["kept", "lost"])
def engine(
    db: None, clock: StandingClock, script: None, acting: None, request: pytest.FixtureRequest
) -> Iterator[Engine]:
    """A worker driven by hand. At the end every history in the database is looked at."""
    made = request.param()
    yield made
    made.close()
    if not request.node.get_closest_marker("xfail"):
        check_everything()
