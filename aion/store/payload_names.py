"""Which files of payloads the tables name.

The rows of a run name files of that run, and those of a schedule files of that schedule. Only what waits in
a mailbox may name another's: that of a signal's sender, until the receiver folds it. So these places are all
that must be looked at.
"""

from __future__ import annotations

import re
import uuid
from typing import Final

from aion.store.dialects import connection, dialect
from aion.store.payload_files import ROOT
from aion.store.rotation import EVENTS, OF_SCHEDULES, OTHERS

_NAME: Final = re.compile(r'"stored":\{"name":"([^"]+)"')


def named_by(run_id: uuid.UUID) -> set[str]:
    """Give the names of a run's files, or of a schedule's, that some row names."""
    sql = dialect()
    names: set[str] = set()
    folder = f"{ROOT}/{run_id}/"
    with connection().cursor() as cursor:
        for table in (EVENTS, *OTHERS, *OF_SCHEDULES):
            columns = ", ".join(f'"{column}"' for column in table.columns)
            cursor.execute(
                f"SELECT {columns} FROM {table.name} WHERE {table.rows}", [sql.uuid(run_id)]
            )
            for row in cursor.fetchall():
                for text in row:
                    names.update(_NAME.findall(text or ""))
        holds = "strpos" if sql.name == "postgresql" else "instr"
        cursor.execute(f"SELECT body FROM aion_message WHERE {holds}(body, %s) > 0", [folder])
        for (body,) in cursor.fetchall():
            names.update(_NAME.findall(body))
    return names
