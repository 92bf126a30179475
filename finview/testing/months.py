"""Months of an agency's cases for the battery: a workflow with all it can ask, partners that count."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any, Protocol

import orjson
from sqlalchemy import func, select

from finview import clock
from finview.api.engine.ids import encode, key_of
from finview.cases.models import Case
from finview.cases.payments import payments_of
from finview.cases.plans import plans_of
from finview.communications.models import Outreach
from finview.customers.customers import grant_enrichment
from finview.customers.models import Customer
from finview.db import testclock
from finview.db.cascade import ScopeRef
from finview.enrichment.models import EnrichmentAttempt
from finview.plugins.bindings import bind
from finview.plugins.manager import Plugins
from finview.plugins.webhooks import path_of
from finview.testing.client import Client
from finview.testing.factories import Agency, Row, stranger
from finview.workflows import definitions
from finview.workflows.models import Run, WorkflowKind
from finview.workflows.runs import OPEN

API_KEY = "sandbox"
SECRET = "a secret of the battery"  # noqa: S105  # it guards a simulator on this machine
RING = timedelta(minutes=1)
KINDS = 6
"""Debtors of so many kinds take turns: `RESULTS` says what becomes of the calls to each."""

RESULTS = (
    ("NOT_REACHED", "NOT_REACHED"),
    ("NOT_REACHED", "REACHED"),
    ("PROMISE", "NOT_REACHED"),
    ("WRONG_NUMBER", "NOT_REACHED"),
    ("CALL_BACK", "REACHED"),
    ("NOT_REACHED", "NOT_REACHED"),
)
PAYS, NO_MAIL, HAS_PLAN = 1, 3, 5
DAYS = (*([1] * 11), 15, 5)
"""By how much the clock is moved each time; then day by day until every run has ended."""

MORE_DAYS_MAX = 40

PLAN_DAY, PAYMENT_DAY, PARTS_DAYS = 4, 5, (8, 12)
ACT_DAYS = {PLAN_DAY, PAYMENT_DAY, *PARTS_DAYS}
"""At the end of which of these days something is done; a plan is agreed once the search is over."""


def _then(target: str, *ports: str) -> dict[str, str]:
    return dict.fromkeys(ports, target)


def _node(name: str, kind: str, ports: dict[str, str], **config: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "config": config, "ports": ports}


_MAIL = ("sent", "bounced", "no_address", "not_allowed", "failed")
_POST = ("sent", "returned", "no_address", "not_allowed", "failed")
_CALL = ("reached", "promise", "wrong_number", "exhausted", "no_number", "not_allowed")
GRAPH: dict[str, Any] = {
    "start": "demand",
    "nodes": [
        _node(
            "demand", "email", _then("post", *_MAIL) | {"sent": "pause"}, template="first_demand"
        ),
        _node("post", "letter", _then("pause", *_POST), template="first_demand"),
        _node("pause", "wait", {"done": "search"}, days=2),
        _node("search", "enrichment", _then("call", "hit", "no_hit", "not_granted", "failed")),
        _node(
            "call",
            "phone_call",
            _then("last", *_CALL) | _then("payment", "reached", "promise"),
            gap_hours=24,
        ),
        _node(
            "payment",
            "wait_event",
            {"PAYMENT": "end", "timeout": "last"},
            types=["PAYMENT"],
            days=3,
        ),
        _node("last", "letter", _then("end", *_POST), template="reminder"),
        {"id": "end", "type": "end"},
    ],
}


def debtors(count: int) -> list[Row]:
    """Return rows of a file; each kind of debtor takes its turn."""
    return [
        stranger(
            n,
            phone=None if n % KINDS == HAS_PLAN else f"+49406696{n:04}",
            **({"email": None} if n % KINDS == NO_MAIL else {}),
        )
        for n in range(count)
    ]


class Hands(Protocol):
    """Who does what is asked for: in this process, or in others that are killed meanwhile."""

    client: Client

    def tell(self, path: str, told: list[bytes]) -> None:
        """Bring bodies of webhooks to the web, each at least once."""

    def work(self) -> None:
        """Run every job that is due."""


@dataclass(slots=True, kw_only=True)
class Months:
    """An agency with partners, seen over months; `told` is every outcome that was posted."""

    agency: Agency
    centre: Any
    tracer: Any
    path: str
    told: list[bytes] = field(default_factory=list)
    _fresh: list[bytes] = field(default_factory=list)

    def launched(self, hands: Hands) -> None:
        """Let all be done that a launch brings."""
        hands.work()
        self._bring(hands)

    def go(self, hands: Hands) -> None:
        """Let the days pass: plans are agreed, money comes in, outcomes of calls are told."""
        for day, step in enumerate(DAYS):
            # Before the clock goes on: else what is done would race with what is due.
            if day in ACT_DAYS:
                self._act(hands, day)
                hands.work()
            self._pass(step)
            hands.work()
            self._bring(hands)
        for _ in range(MORE_DAYS_MAX):
            if not self._runs_left():
                break
            self._pass(1)
            hands.work()
            self._bring(hands)

    def _pass(self, days: int) -> None:
        with self.agency.services.db.unit() as session:
            testclock.advance(session, timedelta(days=days))

    def _runs_left(self) -> bool:
        with self.agency.services.db.reading() as session:
            left = select(func.count()).where(Run.status.in_(OPEN))
            return bool(session.scalar(left))

    def _bring(self, hands: Hands) -> None:
        while self.centre.deliver():
            fresh, self._fresh = self._fresh, []
            hands.tell(self.path, fresh)
            hands.work()

    def took(self, body: bytes) -> int:
        """Keep what the call centre posts, with the result that this debtor's kind has."""
        (one,) = orjson.loads(body)["outcomes"]
        call = self.centre.calls[one["key"]]
        kind = int(call.phone[-4:]) % KINDS
        result = RESULTS[kind][call.attempt - 1]
        more: dict[str, Any] = {"result": result}
        if result == "CALL_BACK":
            more["callBackAt"] = (clock.now() + timedelta(days=1)).isoformat()
        if result == "PROMISE":
            on = (clock.now() + timedelta(days=2)).date().isoformat()
            more["promise"] = {"amountMinor": 5_000, "currency": "EUR", "on": on}
        given = {name: one[name] for name in ("key", "id", "at", "note")}
        body = orjson.dumps({"outcomes": [given | more]})
        self._fresh.append(body)
        self.told.append(body)
        return 200

    def _act(self, hands: Hands, day: int) -> None:
        if day == PLAN_DAY:
            given = {"instalments": 2, "firstDueOn": self._in(5)}
            for case in self._of_kind(HAS_PLAN):
                key = f"plan {case}"
                hands.client.do(
                    "paymentPlanCreate", "case { id }", caseId=case, idempotencyKey=key, **given
                )
        if day == PAYMENT_DAY:
            for case in self._of_kind(PAYS):
                self._pay(hands, case, f"some {case}", "10.00")
        if day in PARTS_DAYS:
            n = PARTS_DAYS.index(day)
            for case in self._of_kind(HAS_PLAN):
                with self.agency.services.db.reading() as session:
                    case_id = key_of(case, "cas")
                    amount = plans_of(session, [case_id])[case_id].parts[n].amount
                self._pay(hands, case, f"part {n} of {case}", amount.text)

    def _pay(self, hands: Hands, case: str, key: str, amount: str) -> None:
        hands.client.do(
            "paymentRecord",
            "case { id }",
            caseId=case,
            amount={"amount": amount, "currency": "EUR"},
            receivedOn=self._in(0),
            idempotencyKey=key,
        )

    def _in(self, days: int) -> str:
        with self.agency.services.db.reading():
            return (clock.today("Europe/Berlin") + timedelta(days=days)).isoformat()

    def _of_kind(self, kind: int) -> list[str]:
        with self.agency.services.db.reading() as session:
            found = session.scalars(select(Case).order_by(Case.id)).all()
            return [encode("cas", c.id) for c in found if _number(c) % KINDS == kind]

    def facts(self) -> dict[str, dict[str, Any]]:
        """Return what became of each case, by the number its customer gave it."""
        with self.agency.services.db.reading() as session:
            cases = {c.id: c for c in session.scalars(select(Case))}
            names = {key: str(c.customer_case_number) for key, c in cases.items()}
            found: dict[str, dict[str, Any]] = {
                names[key]: {"status": c.status, "reason": c.close_reason}
                for key, c in cases.items()
            }
            for name, wanted in _COUNTED.items():
                for row in session.execute(wanted):
                    found[names[row[0]]].setdefault(name, Counter())[tuple(row[1:])] += 1
            for case, payments in payments_of(session, list(cases)).items():
                found[names[case]]["payments"] = [(p.amount.text, p.received_on) for p in payments]
        return found


_COUNTED: dict[str, Any] = {
    "runs": select(Run.case_id, Run.kind, Run.status, Run.outcome),
    "contacts": select(
        *(Outreach.case_id, Outreach.node_id, Outreach.visit, Outreach.attempt),
        *(Outreach.channel, Outreach.template, Outreach.state, Outreach.outcome),
    ),
    "traces": select(
        *(EnrichmentAttempt.case_id, EnrichmentAttempt.n, EnrichmentAttempt.state),
        EnrichmentAttempt.cost_minor,
    ),
}


@contextmanager
def months(agency: Agency) -> Iterator[Months]:
    """Set up an agency with the workflow and both partners, which run inside the block.

    The partners are the sandboxes of two plugins; raises ModuleNotFoundError without these.
    """
    calls = import_module("finview_call_webhook.simulator")
    traces = import_module("finview_trace_http.sandbox")
    told: list[Months] = []
    centre = calls.Simulator(
        secret=SECRET,
        api_key=API_KEY,
        callback="by hand",
        post=lambda _url, body, _headers: told[0].took(body),
    )
    tracer = traces.Sandbox(api_key=API_KEY)
    with ExitStack() as stack:
        centre_url = stack.enter_context(calls.running(centre, delivers=False))
        tracer_url = stack.enter_context(traces.running(tracer))
        path = _set_up(agency, centre_url, tracer_url)
        told.append(Months(agency=agency, centre=centre, tracer=tracer, path=path))
        yield told[0]


def _set_up(agency: Agency, centre_url: str, tracer_url: str) -> str:
    services = agency.services
    plugins = services.get(Plugins)
    with services.db.unit() as session:
        customer = session.get_one(Customer, key_of(agency.customer, "cus"))
        given: Any = {"name": "Months", "kind": WorkflowKind.MAIN, "graph": GRAPH, "by": None}
        made = definitions.create(session, customer_id=customer.id, **given)
        definitions.publish_draft(session, plugins, made, by=None)
        here = ScopeRef("CUSTOMER", customer.id)
        settings = {"url": centre_url, "api_key": API_KEY, "signing_secret": SECRET}
        bound = bind(session, plugins, here, "call_centre", "webhook", settings, by=None)
        settings = {"url": tracer_url, "api_key": API_KEY, "cost_per_attempt": "1.20"}
        bind(session, plugins, here, "enricher", "trace-http", settings, by=None)
        grant_enrichment(session, customer, granted=True, by=None)
        path = path_of(plugins, bound.id, "call_centre", "webhook") or ""
    # The day after a node asks for it: on the same day either order would be right.
    agency.set("enrichment", enabled=True, intervalDays=3, attempts=1)
    agency.set("workflow", paymentPlanReminderDays=2, maxCallAttempts=2)
    agency.client.drain()
    return path


def _number(case: Case) -> int:
    return int(str(case.customer_case_number).partition("-")[2])
