"""Whether a process lives."""

from __future__ import annotations

import contextlib
import os


def is_alive(pid: int) -> bool:
    """Tell whether a process lives. A dead child stays known to the system until it is reaped."""
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
