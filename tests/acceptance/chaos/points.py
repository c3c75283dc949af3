"""Named points at which a process can be made to fail, without a line in the product.

Theory of operation
-------------------
A process with `AION_CHAOS_POINTS` in its environment wraps a handful of functions when Django is set up. The
variable names a directory; a file in it arms a point: the file's name is the point's, its text what is to
happen. Whoever reaches the point first takes the file away, which only one can, notes in `fired.jsonl` that
it did, and acts. So each fault that is noted has happened, once, at exactly that place.

Most points are commits. `before-commit:turn` is "everything of a turn is written, and nothing has happened";
`after-commit:turn` is "it has happened, and nobody knows". Who commits is told by process and thread.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIABLE = "AION_CHAOS_POINTS"
ROLE = "AION_CHAOS_ROLE"

COMMITTERS = ("turn", "keeper", "local", "pool", "caller")

# What may happen where. `kill` ends the process. `refuse` breaks the connection before the commit, `lose`
# after it: who commits gets an error and cannot know. `fail` is an error in the middle of a transaction.
POINTS: dict[str, tuple[str, ...]] = {
    **{f"before-commit:{who}": ("kill", "refuse") for who in COMMITTERS},
    **{f"after-commit:{who}": ("kill", "lose") for who in COMMITTERS},
    "turn-written": ("fail",),  # a deadlock, or a serialization failure
    "claim": ("lose",),  # an attempt is begun, and its worker gets an error in place of it
    "claimed": ("kill",),  # an attempt is begun, its function has not run
    "effect-done": ("kill",),  # the function has returned, its outcome is nowhere
    "local-done": ("kill",),  # the same of a local activity
    "publish": ("kill", "lose", "double", "delay"),  # the message of an attempt
    "published": ("kill",),
}

_DELAY = 4.0


def arm(directory: Path, point: str, action: str) -> None:
    """Let the next process that reaches a point do something there."""
    path = directory / point
    fresh = path.with_suffix(".new")
    fresh.write_text(action)
    fresh.replace(path)


def disarm(directory: Path) -> int:
    """Take back what nobody has reached; give the number."""
    left = [path for path in directory.iterdir() if path.name in POINTS]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def fired(directory: Path) -> list[dict[str, Any]]:
    """List what has happened at points, in its order."""
    log = directory / "fired.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def install() -> None:
    """Wrap the places of the points in this process, if it is to be disturbed."""
    directory = os.environ.get(VARIABLE)
    if directory:
        _Points(Path(directory)).install()


class _Points:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def reached(self, point: str) -> str:
        """Give what is to happen at a point now; "" nearly always. What kills does so here."""
        path = self._directory / point
        try:
            action = path.read_text()
            path.unlink()
        except FileNotFoundError:
            return ""
        self._note(point, action)
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return action

    def _note(self, point: str, action: str) -> None:
        line = {"at": time.time(), "point": point, "action": action, "pid": os.getpid()}
        with (self._directory / "fired.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")

    def install(self) -> None:
        from django.db.backends.base.base import BaseDatabaseWrapper

        from aion_engine.runtime import dispatch, execution, local_activities, turns

        self._wrap_commits(BaseDatabaseWrapper)
        self._wrap_publishing(dispatch)
        self._fail_after(execution.activities, "claim_attempt", "claim")
        self._before(execution, "run", "claimed")
        self._after(execution, "call", "effect-done")
        self._before(local_activities.LocalActivities, "_put_outcome", "local-done")
        self._fail_after(turns.turns, "write", "turn-written")

    def _before(self, owner: Any, name: str, point: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.reached(point)
            return original(*args, **kwargs)

        setattr(owner, name, wrapped)

    def _after(self, owner: Any, name: str, point: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self.reached(point)
            return result

        setattr(owner, name, wrapped)

    def _fail_after(self, owner: Any, name: str, point: str) -> None:
        from django.db import OperationalError

        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if self.reached(point):
                raise OperationalError(f"made by the chaos harness at {point}")
            return result

        setattr(owner, name, wrapped)

    def _wrap_commits(self, wrapper: Any) -> None:
        commit: Callable[[Any], None] = wrapper._commit

        @functools.wraps(commit)
        def wrapped(connection: Any) -> None:
            who = committer()
            if connection.connection is not None and self.reached(f"before-commit:{who}"):
                connection.connection.pgconn.finish()
            commit(connection)
            if self.reached(f"after-commit:{who}"):
                with connection.wrap_database_errors:
                    connection.connection.pgconn.finish()
                    connection.connection.execute("SELECT 1")

        wrapper._commit = wrapped

    def _wrap_publishing(self, dispatch: Any) -> None:
        send: Callable[..., None] = dispatch.send

        @functools.wraps(send)
        def wrapped(handover: Any, producer: Any) -> None:
            match self.reached("publish"):
                case "lose":
                    return
                case "double":
                    send(handover, producer)
                case "delay":
                    later = threading.Timer(_DELAY, self._send_late, (send, handover))
                    later.daemon = True
                    later.start()
                    return
            send(handover, producer)
            self.reached("published")

        dispatch.send = wrapped

    def _send_late(self, send: Callable[..., None], handover: Any) -> None:
        from celery import current_app

        with current_app.producer_or_acquire() as producer:
            send(handover, producer)


def committer() -> str:
    """Say who commits here: a thread of a worker, a process of its pool, or a caller."""
    if os.environ.get(ROLE) == "caller":
        return "caller"
    name = threading.current_thread().name
    by_thread = {"aion-loop": "turn", "aion-keeper": "keeper", "aion-local": "local"}
    return by_thread.get(name, "pool")
