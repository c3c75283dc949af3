"""Who this process is among the workers."""

from __future__ import annotations

import os
import socket

import aion
from aion.core.ids import uuid7
from aion.store.workers import WorkerIdentity


def new_worker(kind: str, queues: tuple[str, ...] = ()) -> WorkerIdentity:
    """Make the identity of a worker that begins now."""
    host, pid = socket.gethostname(), os.getpid()
    return WorkerIdentity(
        id=uuid7(),
        name=f"{kind}-{pid}@{host}",
        host=host,
        pid=pid,
        queues=queues,
        version=aion.__version__,
    )
