"""An agency whose customer may trace, and a provider that answers as a test tells it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any, ClassVar

import pytest
from sqlalchemy import select, update

from finview import app
from finview.cases.models import Case
from finview.db import testclock
from finview.db.events import EventInbox
from finview.enrichment.models import EnrichmentAttempt
from finview.enrichment.prices import SAMPLE
from finview.jobs.runner import drain
from finview.money import Money
from finview.plugins.contracts.enricher import (
    NEVER,
    Enricher,
    Found,
    FoundContact,
    NotFound,
    Resend,
    TraceRequest,
    TraceResult,
)
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.hookspecs import hookimpl
from finview.testing.factories import Agency
from finview.testing.fixtures import agency, at, morning, opened, stages, watched
from finview.testing.story import Story
from finview.workflows.models import Timer, TimerState

__all__ = ["agency", "at", "morning", "opened", "stages", "watched"]

COST = Money(120, "EUR")
NOTHING = NotFound(cost=COST)


@dataclass
class Service:
    """What the provider was asked, and what it answers: one thing to everybody, or by key."""

    answer: TraceResult = NOTHING
    polled: TraceResult | None = None
    error: BaseException | None = None
    quote_error: BaseException | None = None
    known: bool = True
    resend: Resend = NEVER
    traced: list[TraceRequest] = field(default_factory=list)
    quoted: list[TraceRequest] = field(default_factory=list)
    polls: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    calls: int = 0

    @property
    def charged(self) -> set[str]:
        """The keys that somebody pays for: the same key is charged once."""
        return {request.key for request in self.traced}


SERVICE = Service()


class Fake(Enricher[NoSettings]):
    """Answers as `SERVICE` says."""

    name: ClassVar[str] = "fake"
    title: ClassVar[str] = "Fake"

    @property
    def resend(self) -> Resend:  # type: ignore[override]
        return SERVICE.resend

    def quote(self, requests: Sequence[TraceRequest]) -> Sequence[Money]:
        if SERVICE.quote_error is not None:
            raise SERVICE.quote_error
        SERVICE.quoted += [request for request in requests if request != SAMPLE]
        return [COST for _ in requests]

    def trace(self, requests: Sequence[TraceRequest]) -> Sequence[TraceResult]:
        SERVICE.calls += 1
        if SERVICE.error is not None:
            raise SERVICE.error
        SERVICE.traced += requests
        SERVICE.by += [self.name for _ in requests]
        return [SERVICE.answer for _ in requests]

    def poll(self, references: Sequence[str]) -> Sequence[TraceResult]:
        SERVICE.polls += references
        assert SERVICE.polled is not None
        return [SERVICE.polled for _ in references]

    def lookup(self, keys: Sequence[str]) -> Sequence[TraceResult | None]:
        SERVICE.looked_up += keys
        return [SERVICE.answer if SERVICE.known and k in SERVICE.charged else None for k in keys]


class Other(Fake):
    """A second provider."""

    name = "other"
    title = "Other"


def _module() -> ModuleType:
    @hookimpl
    def finview_enrichers() -> list[type[Enricher[Any]]]:
        return [Fake, Other]

    module = ModuleType("fake_enrichers")
    module.finview_enrichers = finview_enrichers  # type: ignore[attr-defined]
    return module


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Install the provider beside what ships, fresh for each test."""
    monkeypatch.setattr(app, "BUILTINS", (*app.BUILTINS, _module()))
    SERVICE.__dict__.update(Service().__dict__)
    yield SERVICE
    SERVICE.__dict__.update(Service().__dict__)


@dataclass(frozen=True)
class Tracing:
    """A launched import of two cases, whose customer may trace."""

    story: Story

    @property
    def agency(self) -> Agency:
        return self.story.agency

    def set(self, **values: Any) -> None:
        self.agency.set("enrichment", **values)

    def bind(self, provider: str = "fake", **more: Any) -> None:
        given = {"slot": "enricher", "provider": provider, "settings": {}, **more}
        self.agency.client.do("pluginBind", "plugin { name }", **given)

    def go(self, *steps: float, **delta: float) -> None:
        """Move the clock and run what is due by then; `steps` are days, one after the other."""
        for step in (*(timedelta(days=days) for days in steps), timedelta(**delta)):
            with self.agency.services.db.unit() as session:
                testclock.advance(session, step)
            drain(self.agency.services)

    def act(self, verb: Callable[..., Any], *values: Any, case: int = 0) -> Any:
        """Do something to a case by a verb of its room."""
        with self.agency.services.db.unit() as session:
            ids = list(session.scalars(select(Case.id).order_by(Case.id)))
            return verb(session, ids[case], *values, by=None)

    def attempts(self, case: int = 0) -> list[EnrichmentAttempt]:
        with self.agency.services.db.reading() as session:
            ids = list(session.scalars(select(Case.id).order_by(Case.id)))
            found = session.scalars(
                select(EnrichmentAttempt)
                .where(EnrichmentAttempt.case_id == ids[case])
                .order_by(EnrichmentAttempt.n)
            ).all()
            session.expunge_all()
            return list(found)

    def told(self) -> list[tuple[str, int]]:
        """What workflows heard, as (state, attempt number), oldest first."""
        with self.agency.services.db.reading() as session:
            found = session.scalars(
                select(EventInbox.payload)
                .where(EventInbox.type == "ENRICHMENT")
                .order_by(EventInbox.id)
            )
            return [(payload["state"], payload["n"]) for payload in found]

    def timeline(self, case: int = 0) -> list[str]:
        query = "id timeline { nodes { text } }"
        return [n["text"] for n in self.story.cases(query)[case]["timeline"]["nodes"]]

    def cases(self) -> list[dict[str, Any]]:
        return self.story.cases("id number status")


@pytest.fixture
def tracing(at: Callable[[str], Story]) -> Tracing:
    """Two launched cases; enrichment is granted and on, every 30 days, and a provider is bound."""
    made = Tracing(at("LAUNCHED"))
    with made.agency.services.db.unit() as session:
        # The main workflow sleeps for ever: its messages are not what is looked at here.
        session.execute(update(Timer).values(state=TimerState.DONE))
    made.set(granted=True, enabled=True, intervalDays=30, attempts=2)
    made.bind()
    return made


@pytest.fixture
def linked(at: Callable[[str], Story]) -> Tracing:
    """Two cases that wait for their launch; nothing is set, nobody bound."""
    return Tracing(at("LINKED"))


def found(*contacts: FoundContact, cost: Money = COST) -> Found:
    return Found(contacts=contacts, cost=cost)
