"""The pure floors run on the standard library and msgspec; `aion.schedules` also on cronsim.

import-linter reads imports; this executes them. It also sees what the linter does not count:
importing a module runs the packages above it.
"""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ALLOWED = {"aion", "aion_engine", "msgspec"}
ALSO = {"aion.schedules": {"cronsim"}}

SCRIPT = """
import importlib, sys
import zoneinfo  # it reads a module of the interpreter's own build

allowed = sys.stdlib_module_names | set(sys.argv[1].split(","))

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"a pure floor imports {name}", name=name)

sys.meta_path.insert(0, Wall())
for name in sys.argv[2:]:
    importlib.import_module(name)
leaked = {name.partition(".")[0] for name in sys.modules} & {"django", "celery", "redis"}
assert not leaked, leaked
"""


def modules_of(package: str) -> list[str]:
    folder = ROOT / package.replace(".", "/")
    paths = sorted(folder.rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names]


@pytest.mark.parametrize(
    "package",
    ["aion.core", "aion.schedules", "aion.visibility", "aion.authoring", "aion_engine.replay"],
)
def test_a_pure_floor_imports_no_framework(package: str) -> None:
    must_run_bare(modules_of(package), ALSO.get(package, set()))


def test_the_pure_part_of_the_testing_kit_imports_no_framework() -> None:
    parts = ("replayer", "activity_environment", "driving_bell")

    must_run_bare(
        ["aion_engine.testing", *(f"aion_engine.testing.{part}" for part in parts)], set()
    )


def must_run_bare(names: list[str], also: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, ",".join(ALLOWED | also), *names],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert names
    assert done.returncode == 0, done.stderr
