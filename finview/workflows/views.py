"""What nodes may know of a case: read once at the start of a step, as plain values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.holds import debtor_country
from finview.cases.models import Address as PostalAddress
from finview.cases.models import (
    Case,
    Debtor,
    DebtorKind,
    EmailPoint,
    Invoice,
    PhonePoint,
    PointState,
)
from finview.cases.received import received
from finview.cases.statement import Balance, balances
from finview.communications.facts import email_of, phone_of, postal_of
from finview.communications.models import Outreach, OutreachState
from finview.communications.outreach import views_of
from finview.customers.models import Bucket, BusinessUnit, Customer, Portfolio
from finview.customers.preferences import chain, effective
from finview.customers.units import zone_of
from finview.plugins.contracts.node import CaseView, OutreachView
from finview.workflows.facts import READ_APART
from finview.workflows.graph import Graph
from finview.workflows.models import Run
from finview.workflows.node_conditions import facts_of

_PLAIN = frozenset(
    {
        *("email", "letter", "sms", "apply_charges", "enrichment", "manual_task", "ticket"),
        *("close", "end", "wait", "wait_event", "condition"),
    }
)
"""Node types that never look at settings; `wait` and `condition` name the facts they need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the nodes of a graph look at beyond what every step reads."""

    settings: bool = True
    facts: frozenset[str] = READ_APART


def needs_of(graph: Graph) -> Needs:
    """Return what the nodes of a graph may look at; a node type of a plugin may look at all."""
    types = {node.type for node in graph.nodes.values()}
    if types - _PLAIN - {"phone_call"}:
        return Needs()
    asked: set[str] = set()
    for node in graph.nodes.values():
        if node.type == "condition":
            asked |= facts_of(node.config)
        elif node.type == "wait" and node.config.get("until"):
            asked.add(str(node.config["until"].get("fact")))
    wanted = asked | {_DAY_BEHIND[name] for name in asked & _DAY_BEHIND.keys()}
    return Needs(settings="phone_call" in types, facts=frozenset(wanted & READ_APART))


_DAY_BEHIND: Mapping[str, str] = {
    "days_since_payment": "last_payment_on",
    "days_since_contact": "last_contact_on",
    "overdue_days": "due_on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A case as nodes see it, and where each of its settings comes from."""

    view: CaseView
    sources: Mapping[str, str] = field(default_factory=dict)

    def at(self, now: datetime) -> "Seen":
        """Return the same as it would be read at another instant."""
        return replace(self, view=replace(self.view, now=now))


def view_of(
    session: Session, case: Case, run: Run | None = None, needs: Needs | None = None
) -> Seen:
    """Return what nodes may know of a case now, with what the run's present node has planned."""
    needs = needs or Needs()
    debtor = session.get_one(Debtor, case.debtor_id)
    customer = session.get_one(Customer, case.customer_id)
    zone = zone_of(session.get_one(BusinessUnit, customer.business_unit_id))
    balance = balances(session, [case.id], clock.today(zone))[case.id]
    outreach: tuple[OutreachView, ...] = ()
    if run is not None and run.node_id is not None:
        outreach = views_of(session, run.id, run.node_id, run.visits.get(run.node_id, 1))
    settings = {}
    if needs.settings:
        bucket = session.get(Bucket, case.bucket_id) if case.bucket_id else None
        settings = effective(session, chain(customer, bucket))
    view = CaseView(
        id=case.id,
        number=case.number,
        now=clock.now(),
        currency=case.currency,
        open_minor=balance.open.minor,
        status=case.status,
        debtor_kind="BUSINESS" if debtor.kind == DebtorKind.BUSINESS else "CONSUMER",
        locale=debtor.locale,
        zone=zone,
        opened_on=clock.day_in(case.opened_at, zone),
        has_email=email_of(session, debtor.id) is not None,
        has_phone=phone_of(session, debtor.id) is not None,
        has_address=postal_of(session, debtor.id) is not None,
        facts=_facts(session, case, debtor, zone, needs.facts),
        settings={name: found.value for name, found in settings.items()},
        outreach=outreach,
    )
    sources = {name: found.source for name, found in settings.items()}
    return Seen(view=with_balance(view, balance), sources=sources)


def with_balance(view: CaseView, balance: Balance) -> CaseView:
    """Return a view with what is open as a balance has it."""
    return replace(
        view,
        open_minor=balance.open.minor,
        balances={
            "PRINCIPAL": balance.principal_minor,
            "COST": balance.costs_minor,
            "INTEREST": balance.interest_minor,
        },
    )


def _facts(
    session: Session, case: Case, debtor: Debtor, zone: str, names: frozenset[str]
) -> dict[str, Any]:
    """Read the facts that were asked for; whatever shares a statement comes together."""
    found: dict[str, Any] = {}
    if names & {"payments", "paid_amount", "last_payment_on"}:
        money = received(session, [case.id]).get(case.id, [])
        found["payments"] = len(money)
        found["paid_amount"] = sum(payment.minor for payment in money)
        found["last_payment_on"] = max((payment.on for payment in money), default=None)
    if names & {"contacts", "last_contact_on"}:
        count, last = session.execute(
            select(func.count(), func.max(Outreach.sent_at)).where(
                Outreach.case_id == case.id, Outreach.sent_at.is_not(None)
            )
        ).one()
        found["contacts"], found["last_contact_on"] = count, last and clock.day_in(last, zone)
    single: Mapping[str, Callable[[], Any]] = {
        "country": lambda: debtor_country(session, debtor.id),
        "customer": lambda: session.get_one(Customer, case.customer_id).number,
        "portfolio": lambda: session.get_one(Portfolio, case.portfolio_id).name,
        "bucket": lambda: _bucket(session, case),
        "email_state": lambda: _best(session, EmailPoint, debtor.id),
        "phone_state": lambda: _best(session, PhonePoint, debtor.id),
        "address_state": lambda: _best(session, PostalAddress, debtor.id),
        "due_on": lambda: session.scalar(
            select(func.min(Invoice.due_on)).where(Invoice.case_id == case.id)
        ),
        "promised_on": lambda: _promised(session, case.id),
    }
    return found | {name: read() for name, read in single.items() if name in names}


def _bucket(session: Session, case: Case) -> str | None:
    found = session.get(Bucket, case.bucket_id) if case.bucket_id else None
    return found.name if found is not None else None


_RANK = {
    PointState.CONFIRMED: 0,
    PointState.VALID: 1,
    PointState.NOT_CONFIRMED: 2,
    PointState.NON_RESPONSIVE: 3,
    PointState.INVALID: 4,
}


def _best(session: Session, kind: Any, debtor_id: int) -> str | None:
    states = session.scalars(select(kind.state).where(kind.debtor_id == debtor_id)).all()
    return min(states, key=lambda state: _RANK[PointState(state)], default=None)


def _promised(session: Session, case_id: int) -> date | None:
    detail = session.scalar(
        select(Outreach.detail)
        .where(Outreach.case_id == case_id, Outreach.outcome == "PROMISE")
        .where(Outreach.state == OutreachState.ACCEPTED)
        .order_by(Outreach.id.desc())
        .limit(1)
    )
    promise = (detail or {}).get("promise") or {}
    return date.fromisoformat(promise["on"]) if promise.get("on") else None
