"""The pytest fixture `aion_env`.

In the `conftest.py` at the top of your tests: `pytest_plugins = ["aion_engine.testing.pytest_plugin"]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aion_engine.testing import WorkflowEnvironment


@pytest.fixture
def aion_env(db: None) -> Iterator[WorkflowEnvironment]:
    """An open `WorkflowEnvironment` on the test's database, of pytest-django's `db`."""
    from aion_engine.testing import WorkflowEnvironment

    with WorkflowEnvironment() as environment:
        yield environment
