import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command

from tests.support.fixtures import acting, clock, engine, script

__all__ = ["acting", "clock", "engine", "script"]


@pytest.fixture
def manage() -> Callable[..., str]:
    """Runs a command and gives what it wrote."""

    def run(name: str, *arguments: str) -> str:
        out = io.StringIO()
        call_command(name, *arguments, stdout=out)
        return out.getvalue()

    return run


@pytest.fixture
def manage_json(manage: Callable[..., str]) -> Callable[..., Any]:
    """Runs a command with `--json` and gives what it answered."""
    return lambda name, *arguments: json.loads(manage(name, *arguments, "--json"))
