"""The demo's months: the clock goes on day by day, a call centre calls, addresses are traced.

Both partners run on this machine, as the sandboxes of two plugins; whoever has not installed these
sees the rest of the demo.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from threading import Thread
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, TimelineEntry
from finview.cases.timeline import entry_text
from finview.cli import show
from finview.cli.cases import case_document
from finview.communications.models import Channel, Outreach, OutreachState
from finview.customers import preferences
from finview.customers.customers import grant_enrichment
from finview.customers.models import Customer
from finview.db import testclock
from finview.db.cascade import ScopeRef
from finview.db.jobs import Progress
from finview.db.runtime import Services
from finview.enrichment.models import EnrichmentAttempt
from finview.i18n import N_, sentence, sentences
from finview.jobs.runner import drain
from finview.money import Money
from finview.plugins.bindings import bind
from finview.plugins.manager import Plugins
from finview.plugins.webhooks import path_of
from finview.web import server
from finview.workflows import definitions
from finview.workflows.models import WorkflowKind

sentences(
    {
        "PHASE_DAYS": N_("Days"),
        "DEMO_EMAIL": N_("e-mails"),
        "DEMO_LETTER": N_("letters"),
        "DEMO_SMS": N_("text messages"),
        "DEMO_CALL": N_("calls"),
        "DEMO_REACHED": N_("reached"),
        "DEMO_NOT_REACHED": N_("not reached"),
        "DEMO_WRONG_NUMBER": N_("wrong number"),
        "DEMO_CALL_BACK": N_("to be called back"),
        "DEMO_PROMISE": N_("promised to pay"),
        "DEMO_TECHNICAL": N_("did not take place"),
        "DEMO_PLANNED": N_("still to come"),
        "DEMO_QUEUED": N_("under way"),
        "DEMO_SENDING": N_("under way"),
        "DEMO_PENDING": N_("answer to come"),
        "DEMO_FOUND": N_("found"),
        "DEMO_NOT_FOUND": N_("not found"),
        "DEMO_REFUSED": N_("refused"),
        "DEMO_FAILED": N_("failed"),
        "DEMO_UNKNOWN": N_("unclear"),
        "DEMO_SKIPPED": N_("left out"),
    }
)

CENTRE, TRACER = "finview_call_webhook.simulator", "finview_trace_http.sandbox"
API_KEY = "sandbox"
SECRET = "a secret of the demo alone"  # noqa: S105  # it guards a simulator on this machine
COST = "1.20"
SETTINGS: Mapping[str, Any] = {"enabled": True, "interval_days": 20, "attempts": 2}


def _then(target: str, *ports: str) -> dict[str, str]:
    return dict.fromkeys(ports, target)


_MAIL = ("sent", "bounced", "no_address", "not_allowed", "failed")
_POST = ("sent", "returned", "no_address", "not_allowed", "failed")
GRAPH: Mapping[str, Any] = {
    "start": "first_demand",
    "nodes": [
        {
            "id": "first_demand",
            "type": "email",
            "config": {"template": "first_demand"},
            "ports": {**_then("first_letter", *_MAIL), "sent": "two_weeks"},
        },
        {
            "id": "first_letter",
            "type": "letter",
            "config": {"template": "first_demand"},
            "ports": {**_then("end", *_POST), "sent": "two_weeks"},
        },
        {
            "id": "two_weeks",
            "type": "wait",
            "config": {"days": 14},
            "ports": {"done": "reminder"},
        },
        {
            "id": "reminder",
            "type": "email",
            "config": {"template": "reminder"},
            "ports": _then("one_week", *_MAIL),
        },
        {"id": "one_week", "type": "wait", "config": {"days": 7}, "ports": {"done": "call"}},
        {
            "id": "call",
            "type": "phone_call",
            "config": {"gap_hours": 24},
            "ports": {
                **_then("last_letter", "wrong_number", "exhausted", "no_number", "not_allowed"),
                **_then("payment", "reached", "promise"),
            },
        },
        {
            "id": "payment",
            "type": "wait_event",
            "config": {"types": ["PAYMENT"], "days": 14},
            "ports": {"PAYMENT": "end", "timeout": "last_letter"},
        },
        {
            "id": "last_letter",
            "type": "letter",
            "config": {"template": "reminder"},
            "ports": _then("end", *_POST),
        },
        {"id": "end", "type": "end"},
    ],
}


@dataclass(frozen=True, slots=True)
class Partners:
    """The call centre and the tracing service, running beside the demo, and where they answer."""

    centre: Any
    centre_url: str
    tracer: Any
    tracer_url: str


@contextmanager
def partners() -> Iterator[Partners | None]:
    """Run both sandboxes inside the block; None where their plugins are not installed."""
    if not all(find_spec(name.partition(".")[0]) for name in (CENTRE, TRACER)):
        yield None
        return
    calls, traces = import_module(CENTRE), import_module(TRACER)
    centre = calls.Simulator(secret=SECRET, api_key=API_KEY)
    tracer = traces.Sandbox(api_key=API_KEY, cost=COST)
    with ExitStack() as stack:
        centre_url = stack.enter_context(calls.running(centre, delivers=False))
        tracer_url = stack.enter_context(traces.running(tracer))
        yield Partners(centre, centre_url, tracer, tracer_url)


def set_up(session: Session, services: Services, customer: Customer, found: Partners | None) -> str:
    """Publish the demo's main workflow and bind the partners; return the address of webhooks."""
    customer = session.get_one(Customer, customer.id)
    made = definitions.create(
        session,
        name=show.say(N_("Letters, reminders and calls")),
        kind=WorkflowKind.MAIN,
        graph=GRAPH,
        customer_id=customer.id,
        by=None,
    )
    plugins = services.get(Plugins)
    definitions.publish_draft(session, plugins, made, by=None)
    if found is None:
        return ""
    here = ScopeRef("CUSTOMER", customer.id)
    calls = {"url": found.centre_url, "api_key": API_KEY, "signing_secret": SECRET}
    bound = bind(session, plugins, here, "call_centre", "webhook", calls, by=None)
    traces = {"url": found.tracer_url, "api_key": API_KEY, "cost_per_attempt": COST}
    bind(session, plugins, here, "enricher", "trace-http", traces, by=None)
    grant_enrichment(session, customer, granted=True, by=None)
    chain = preferences.chain(customer)
    preferences.set_settings(session, chain, SETTINGS, granted=True, by=None)
    return path_of(plugins, bound.id, "call_centre", "webhook") or ""


def pass_by(
    services: Services,
    found: Partners | None,
    hook: str,
    days: int,
    on_progress: Callable[[Progress], None],
) -> None:
    """Let the days pass, each with all that is due; outcomes of calls come back over HTTP."""
    with ExitStack() as stack:
        if found is not None:
            found.centre.callback = stack.enter_context(server.beside(services)) + hook
        for day in range(1, days + 1):
            with services.db.unit() as session:
                testclock.advance(session, timedelta(days=1))
            drain(services)
            while found is not None and found.centre.deliver():
                drain(services)
            on_progress(Progress(job_id=0, kind="", done=day, total=days, phase="DAYS"))


@contextmanager
def answering(found: Partners | None, callback: str) -> Iterator[None]:
    """Let the call centre tell its outcomes to an address by itself inside the block."""
    if found is None:
        yield
        return
    found.centre.callback = callback
    thread = Thread(target=found.centre.keep_delivering, name="call-centre", daemon=True)
    thread.start()
    try:
        yield
    finally:
        found.centre.end()
        thread.join()


def told(services: Services, found: Partners | None) -> dict[str, Any]:
    """Return what happened in these months, and the story of the case that saw most of it."""
    with services.db.reading() as session:
        sent = _counts(session, Outreach.channel, Outreach.state == OutreachState.ACCEPTED)
        called = Outreach.channel == Channel.CALL
        calls = _counts(session, Outreach.outcome, called & Outreach.outcome.is_not(None))
        traces = _counts(session, EnrichmentAttempt.state, EnrichmentAttempt.id > 0)
        costs = session.scalar(select(func.coalesce(func.sum(EnrichmentAttempt.cost_minor), 0)))
        case = _busiest(session)
        document = case_document(session, case) if case is not None else None
        story = _story(session, case.id) if case is not None else []
    answer: dict[str, Any] = {
        "sent": {channel.value: sent.get(channel.value, 0) for channel in Channel},
        "calls": calls,
        "traces": traces,
        "trace_costs": Money(int(costs or 0), "EUR").text,
        "case": document,
        "timeline": story,
    }
    if found is not None:
        answer["call_centre"] = {
            "keys": len(found.centre.calls),
            "rang": sum(call.times for call in found.centre.calls.values()),
        }
        log = found.tracer.log()
        answer["tracing_service"] = {"asked": log["asked"], "charged": log["charged"]}
    return answer


def _counts(session: Session, by: Any, where: Any) -> dict[str, int]:
    rows = session.execute(select(by, func.count()).where(where).group_by(by))
    return {str(name): count for name, count in rows}


def show_months(found: Mapping[str, Any]) -> None:
    """Print what `told` returns."""
    for title, counts in (
        (N_("Handed over"), found["sent"]),
        (N_("Results of calls"), found["calls"]),
        (N_("Tracing"), found["traces"]),
    ):
        words = [f"{sentence(f'DEMO_{name}', show.locale(), {})} {n}" for name, n in counts.items()]
        if words:
            show.line(f"  {show.say(title)}: {' · '.join(words)}")
    if "call_centre" in found:
        show.line(
            "  "
            + show.say(
                N_(
                    "The call centre was asked {keys} times, each time with a key of its own; the "
                    "tracing service charged {charged} searches, {costs} EUR in all."
                ),
                keys=found["call_centre"]["keys"],
                charged=found["tracing_service"]["charged"],
                costs=found["trace_costs"],
            )
        )
    if found["case"] is not None:
        title = N_("Case {number}: what happened, day by day")
        show.heading(show.say(title, number=found["case"]["number"]))
        rows = [(entry["on"], entry["text"]) for entry in found["timeline"]]
        show.table([show.say(N_("Day")), show.say(N_("What"))], rows)


def _busiest(session: Session) -> Case | None:
    """Return the case with the most entries about calls, then of any kind."""
    calls = func.count().filter(TimelineEntry.code.startswith("TIMELINE_CALL_"))
    wanted = (
        select(TimelineEntry.case_id)
        .where(TimelineEntry.case_id.is_not(None))
        .group_by(TimelineEntry.case_id)
        .order_by(calls.desc(), func.count().desc(), TimelineEntry.case_id)
        .limit(1)
    )
    case_id = session.scalar(wanted)
    return session.get(Case, case_id) if case_id is not None else None


def _story(session: Session, case_id: int) -> list[dict[str, str]]:
    entries = session.scalars(
        select(TimelineEntry)
        .where(TimelineEntry.case_id == case_id)
        .order_by(TimelineEntry.at, TimelineEntry.id)
    )
    return [
        {
            "on": clock.day_in(entry.at, "Europe/Berlin").isoformat(),
            "text": entry_text(entry.code, entry.params, show.locale()),
        }
        for entry in entries
    ]
