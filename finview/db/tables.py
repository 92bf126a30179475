"""Imports every module of this room that has tables, so that the metadata knows them all."""

from finview.db.audit import AuditEvent, AuditValue
from finview.db.base import Base
from finview.db.events import EventInbox
from finview.db.files import StoredFile
from finview.db.idempotency import Idempotency
from finview.db.jobs import Job, Worker
from finview.db.schedule import Schedule
from finview.db.testclock import ClockOffset

__all__ = [
    "AuditEvent",
    "AuditValue",
    "Base",
    "ClockOffset",
    "EventInbox",
    "Idempotency",
    "Job",
    "Schedule",
    "StoredFile",
    "Worker",
]
