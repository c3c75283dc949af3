"""The doctor: what is stuck, why, and what to do about it, on one page.

`diagnose` collects facts (settings, database, broker, workers, what waits) and applies rules to them.
The rules are pure.
"""

from aion.operations.doctor.diagnosis import Diagnosis, diagnose
from aion.operations.doctor.findings import ADVICE, Finding, Level

__all__ = ["ADVICE", "Diagnosis", "Finding", "Level", "diagnose"]
