"""Make .venv and install the requirements and the project into it.

    python3 tools/install.py base|dev|bench

Runs on a bare Python, outside of any environment. uv installs faster than pip and is used where
it can be had; pip alone does as well.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
SETS = ("base", "dev", "bench")
OLDEST = (3, 11)


def make_environment() -> None:
    """Create .venv unless it is there."""
    if PYTHON.exists():
        return
    print(f"Creating {VENV.name} with Python {sys.version.split()[0]}", flush=True)
    try:
        venv.create(VENV, with_pip=True, symlinks=True)
    except (subprocess.CalledProcessError, ImportError, SystemExit) as error:
        shutil.rmtree(VENV, ignore_errors=True)
        if (uv := shutil.which("uv")) and succeeds(uv, "venv", "--seed", VENV):
            return
        message = (
            f"This Python cannot make a virtual environment ({error}).\n"
            "On Debian and Ubuntu: apt install python3-venv. Or name another interpreter: "
            "make setup PYTHON=/path/to/python3.11"
        )
        raise SystemExit(message) from error


def succeeds(*command: str | Path) -> bool:
    """Run a command quietly and say whether it went well."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def install(requirements: str) -> None:
    """Install one set of requirements and the project itself, which can then be edited."""
    pip: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check"]
    if not UV.exists():
        succeeds(*pip, "install", "--quiet", "uv")
    with_uv: list[str | Path] = [UV, "pip"]
    installers = [with_uv, pip] if UV.exists() else [pip]
    for words in (["-r", f"requirements/{requirements}.txt"], ["--no-deps", "-e", "."]):
        for installer in installers:
            extra: list[str | Path] = ["--python", PYTHON] if installer is with_uv else []
            command: list[str | Path] = [*installer, "install", "--quiet", *extra, *words]
            if subprocess.run(command, cwd=ROOT, check=False).returncode == 0:
                break
        else:
            raise SystemExit(f"Could not install {' '.join(words)}; see above.")


def install_from_npm(requirements: str) -> None:
    """Install what a set needs from npm, where npm can be had; else say what is missing."""
    listed = ROOT / "requirements" / f"{requirements}-npm.txt"
    if not listed.exists():
        return
    packages = listed.read_text().split()
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund")
    npm = shutil.which("npm")
    if npm is None or not succeeds(npm, "install", *quiet, "--prefix", VENV / "npm", *packages):
        print(f"Without npm or its registry there is no {', '.join(packages)}", flush=True)


def main() -> None:
    """Read the command line, make and fill the environment."""
    if sys.version_info < OLDEST:
        raise SystemExit(
            f"Aion needs Python {OLDEST[0]}.{OLDEST[1]} or newer and this is "
            f"{sys.version.split()[0]}: make setup PYTHON=/path/to/python3.11"
        )
    requirements = sys.argv[1] if len(sys.argv) > 1 else "dev"
    if requirements not in SETS:
        raise SystemExit(f"Choose one of {', '.join(SETS)}.")
    began = time.monotonic()
    make_environment()
    print(f"Installing requirements/{requirements}.txt and the project", flush=True)
    install(requirements)
    install_from_npm(requirements)
    print(f"Ready in {time.monotonic() - began:.0f} s: .venv/bin/python manage.py help")


if __name__ == "__main__":
    main()
