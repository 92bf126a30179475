"""The nodes that let time pass, or wait until something happens."""

from datetime import date, datetime, timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator

from finview import clock
from finview.plugins.contracts.node import CaseView, Go, Step, Wait, WorkflowNode
from finview.workflows.events import EVENTS, TIMER
from finview.workflows.facts import FACTS, FactType
from finview.workflows.forms import DAYS_MAX, HOURS_MAX, Form

SATURDAY = 5
_DATES = sorted(name for name, fact in FACTS.items() if fact.type == FactType.DATE)


class UntilDate(Form):
    """A day that the case knows, and how many days before (negative) or after it."""

    fact: str = Field(json_schema_extra={"enum": [*_DATES]})
    days: int = Field(0, ge=-DAYS_MAX, le=DAYS_MAX)

    @field_validator("fact")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in _DATES:
            raise ValueError(f"no date is called {name}")
        return name


class WaitSettings(Form):
    """How long the node waits: days, working days and hours add up, or until a day of the case."""

    days: int = Field(0, ge=0, le=DAYS_MAX)
    working_days: int = Field(0, ge=0, le=DAYS_MAX, description="Monday to Friday.")
    hours: int = Field(0, ge=0, le=HOURS_MAX)
    until: UntilDate | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.until is not None and (self.days or self.working_days or self.hours):
            raise ValueError("either a length or a day")
        return self


class WaitNode(WorkflowNode[WaitSettings]):
    """Waits some time, or until a day; one that has passed or is unknown is not waited for."""

    name = "wait"
    title = "Wait"
    Settings = WaitSettings
    ports = ("done",)

    def waits(self, config: WaitSettings) -> bool:
        """Tell whether it is an hour at least; a day of the case may have passed."""
        return bool(config.days or config.working_days or config.hours)

    def run(self, case: CaseView, config: WaitSettings) -> Step:
        """Wait from the instant the node was entered."""
        until = _day(case, config.until) if config.until is not None else _length(case, config)
        return Go(port="done") if until is None or case.now >= until else Wait(until=until)


def _day(case: CaseView, wanted: UntilDate) -> datetime | None:
    found: date | None = FACTS[wanted.fact].read(case)
    if found is None:
        return None
    return clock.start_of(found + timedelta(days=wanted.days), case.zone)


def _length(case: CaseView, config: WaitSettings) -> datetime:
    since = case.entered_at or case.now
    plain = since + timedelta(days=config.days, hours=config.hours)
    if not config.working_days:
        return plain
    day = clock.day_in(plain, case.zone)
    left, end = config.working_days, day
    while left:
        end += timedelta(days=1)
        left -= end.weekday() < SATURDAY
    return plain + (end - day)


class WaitEventSettings(Form):
    """Which events the node waits for, and how long."""

    types: list[str] = Field(
        min_length=1, max_length=len(EVENTS), json_schema_extra={"items": {"enum": [*EVENTS]}}
    )
    days: int = Field(0, ge=0, le=DAYS_MAX)
    hours: int = Field(0, ge=0, le=HOURS_MAX)

    @field_validator("types")
    @classmethod
    def _known(cls, types: list[str]) -> list[str]:
        if unknown := [name for name in types if name not in EVENTS]:
            raise ValueError(f"there is no event {unknown[0]}")
        if len(set(types)) < len(types):
            raise ValueError("each event once")
        return types

    @property
    def timeout(self) -> timedelta:
        """Return how long the node waits; zero is for ever."""
        return timedelta(days=self.days, hours=self.hours)


class WaitEventNode(WorkflowNode[WaitEventSettings]):
    """Waits until one of some events happens; each has a port, and so has the timeout."""

    name = "wait_event"
    title = "Wait for an event"
    Settings = WaitEventSettings
    ports = ("timeout",)

    def ports_of(self, config: WaitEventSettings) -> tuple[str, ...]:
        """Return a port for each event, and `timeout` if there is one."""
        return (*config.types, *(("timeout",) if config.timeout else ()))

    def waits(self, config: WaitEventSettings) -> bool:
        """Tell whether there is a timeout."""
        return bool(config.timeout)

    def run(self, case: CaseView, config: WaitEventSettings) -> Step:
        """Leave by the event that came, or when the time is up."""
        if case.event is not None and case.event.type in config.types:
            return Go(port=case.event.type)
        if not config.timeout:
            return Wait(events=tuple(config.types))
        until = (case.entered_at or case.now) + config.timeout
        over = case.event is not None and case.event.type == TIMER and case.now >= until
        return Go(port="timeout") if over else Wait(until=until, events=tuple(config.types))
