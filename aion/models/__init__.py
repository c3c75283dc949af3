"""The tables. They hold facts and know no verbs: `aion.store` is their only writer."""

from aion.models.activities import ActivityLimit, ActivityTask
from aion.models.runs import Event, Message, Request, Run, Timer, Update
from aion.models.schedules import Firing, Schedule, ScheduleEvent
from aion.models.search import SearchAttribute, SearchValue
from aion.models.workers import Suspect, Tick, Worker

__all__ = [
    "ActivityLimit",
    "ActivityTask",
    "Event",
    "Firing",
    "Message",
    "Request",
    "Run",
    "Schedule",
    "ScheduleEvent",
    "SearchAttribute",
    "SearchValue",
    "Suspect",
    "Tick",
    "Timer",
    "Update",
    "Worker",
]
