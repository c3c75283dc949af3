"""Release a held run."""

from __future__ import annotations

from typing import Any

from aion.client import WorkflowHandle
from aion.management.run_command import RunCommand


class Command(RunCommand):
    """`manage.py release_workflow order-42`."""

    help = "Lets a held run try again now, with the code that the workers have."
    done = "released"

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """Release it."""
        handle.release()
