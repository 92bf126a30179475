"""The world around a simulated run: its contacts, its account and its clock, none of them real."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from finview import clock
from finview.cases.imagined import ImaginedAccount
from finview.cases.models import Case, CaseStatus
from finview.cases.reading import read_claims
from finview.cases.statement import Balance
from finview.communications.models import Channel, Outreach, OutreachState
from finview.communications.outreach import OUTCOME_DAYS, WITHDRAWN
from finview.communications.policy import ContactOutcome, Verdict, look
from finview.money import Money
from finview.plugins.contracts.node import CaseView, EventView, OutreachView, PlanOutreach
from finview.workflows.views import Seen, with_balance

NO_OUTCOME = "NO_OUTCOME"
_OPEN = ("PLANNED", "SENDING", "ACCEPTED", "UNKNOWN")


@dataclass(slots=True, kw_only=True)
class Contact:
    """One contact that only exists here; `view` is how nodes see it."""

    view: OutreachView
    node: str
    visit: int
    template: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something that happens at an instant: an event, or (with a `contact`) what becomes of one."""

    at: datetime
    event: EventView | None = None
    contact: Contact | None = None
    token: int | None = None
    assumed: bool = False


class World:
    """What a run would meet from now on. Only reads: a reader session is enough."""

    def __init__(self, session: Session, case: Case, seen: Seen) -> None:
        self.session = session
        self.case = case
        self.now = seen.view.now
        self.closed = False
        self.contacts: list[Contact] = []
        self._base = seen.view
        self._queue: list[tuple[datetime, bool, int, Due]] = []
        self._count = 0
        self._paid = 0
        self._payments: list[date] = []
        claims = read_claims(session, [case.id], as_of=clock.day_in(self.now, seen.view.zone))
        self._account = ImaginedAccount(claims[case.id])
        rest = seen.view.settings.get("small_balance", 0)
        self._small = Money.floor(rest, case.currency).minor

    @property
    def today(self) -> date:
        """Return the day it is, where the agency is."""
        return clock.day_in(self.now, self._base.zone)

    def balance(self) -> Balance:
        """Return what is owed now."""
        return self._account.balance(self.today)

    def view(self, node: str | None, visit: int) -> CaseView:
        """Return the case as nodes see it now."""
        sent = [c.view.at for c in self.contacts if c.done_at is not None]
        facts = dict(self._base.facts)
        if "payments" in facts:
            facts["payments"] += len(self._payments)
            facts["paid_amount"] += self._paid
            facts["last_payment_on"] = max(self._payments, default=facts["last_payment_on"])
        if "contacts" in facts:
            facts["contacts"] += len(sent)
            last = [clock.day_in(at, self._base.zone) for at in sent]
            facts["last_contact_on"] = max(last, default=facts["last_contact_on"])
        mine = tuple(c.view for c in self.contacts if (c.node, c.visit) == (node, visit))
        return with_balance(
            replace(self._base, now=self.now, facts=facts, outreach=mine), self.balance()
        )

    def at(self, due: Due) -> None:
        """Let something happen at its instant; what is assumed comes after what is due by itself."""
        self._count += 1
        heapq.heappush(self._queue, (due.at, due.assumed, self._count, due))

    def next(self, until: datetime) -> Due | None:
        """Return what happens next and move the clock there; None when nothing does in time."""
        if not self._queue or self._queue[0][0] > until:
            return None
        due = heapq.heappop(self._queue)[3]
        self.now = max(self.now, due.at)
        return due

    def plan(self, node: str, visit: int, effect: PlanOutreach) -> tuple[Contact, Verdict]:
        """Plan a contact and return it with what the contact policy says of it now."""
        attempt = 1 + sum(1 for c in self.contacts if (c.node, c.visit) == (node, visit))
        planned = OutreachView(
            attempt=attempt, channel=effect.channel, state="PLANNED", at=self.now
        )
        contact = Contact(
            view=planned, node=node, visit=visit, template=effect.template, params=effect.params
        )
        self.contacts.append(contact)
        return contact, self.send(contact)

    def send(self, contact: Contact) -> Verdict:
        """Ask the contact policy about a contact and let follow what would: sent, later, or never."""
        said = self._asked(contact)
        if said.outcome == ContactOutcome.ALLOW:
            contact.done_at = self.now
            self._becomes(contact, "ACCEPTED", at=self.now)
            if contact.view.channel == Channel.CALL:
                days = int(contact.params.get("outcome_days") or OUTCOME_DAYS)
                self.at(Due(at=self.now + timedelta(days=days), contact=contact))
        elif said.outcome == ContactOutcome.DENY:
            state = "CANCELLED" if said.final else "BLOCKED"
            self._becomes(contact, state, reason=said.reasons[0] if said.reasons else "")
        elif said.send_at is not None:
            self.at(Due(at=said.send_at, contact=contact))
        return said

    def _asked(self, contact: Contact) -> Verdict:
        row = Outreach(
            case_id=self.case.id,
            run_id=0,
            node_id=contact.node,
            channel=contact.view.channel,
            template=contact.template,
            params=dict(contact.params),
            state=OutreachState.PLANNED,
            held=False,
        )
        return look(self.session, row, self.case, at=self.now, keep=False)

    def _becomes(self, contact: Contact, state: str, **changes: Any) -> None:
        contact.view = replace(contact.view, state=state, **changes)
        told = {"node_id": contact.node, "visit": contact.visit, "state": state}
        self.at(Due(at=self.now, event=EventView(type="OUTREACH", at=self.now, payload=told)))

    def silent(self, contact: Contact) -> bool:
        """Count a call without an outcome as not reached; return whether it still had none."""
        if contact.view.outcome is not None or contact.view.state not in ("ACCEPTED", "UNKNOWN"):
            return False
        self.answer(contact, "NOT_REACHED", reason=NO_OUTCOME)
        return True

    def answer(
        self,
        contact: Contact,
        result: str,
        *,
        until: datetime | None = None,
        reason: str | None = None,
    ) -> None:
        """Let a call have an outcome."""
        contact.view = replace(
            contact.view, outcome=result, outcome_at=self.now, until=until, reason=reason
        )
        told = {"node_id": contact.node, "visit": contact.visit, "result": result}
        self.at(Due(at=self.now, event=EventView(type="CALL_OUTCOME", at=self.now, payload=told)))

    def open_call(self) -> Contact | None:
        """Return the call that waits for its outcome."""
        asked = [
            c
            for c in self.contacts
            if c.view.channel == Channel.CALL and c.view.state == "ACCEPTED" and not c.view.outcome
        ]
        return asked[-1] if asked else None

    def withdraw(self) -> None:
        """Take back what is planned, and calls without an outcome."""
        for contact in self.contacts:
            open_call = contact.view.channel == Channel.CALL and contact.view.state in _OPEN
            if contact.view.state == "PLANNED":
                contact.view = replace(contact.view, state="CANCELLED")
            elif open_call and contact.view.outcome is None:
                contact.view = replace(contact.view, state="CANCELLED", reason=WITHDRAWN)

    def pay(self, minor: int) -> None:
        """Let money be received; a case of which nothing is left is closed."""
        self._account.pay(minor, self.today)
        self._paid += minor
        self._payments.append(self.today)
        if self.balance().open.minor <= self._small:
            self.closed = True
        else:
            self.withdraw()

    def charge(self) -> int:
        """Charge the case; return minor units."""
        return self._account.charge(self.today)

    def begin(self, contacts: Sequence[tuple[str, int, OutreachView]]) -> None:
        """Take over the real contacts of the node a run stands in."""
        for node, visit, view in contacts:
            contact = Contact(view=view, node=node, visit=visit)
            self.contacts.append(contact)
            if view.state in ("PLANNED", "SENDING"):
                self.at(Due(at=self.now, contact=contact))
            elif view.channel == Channel.CALL and view.outcome is None:
                late = view.at + timedelta(days=OUTCOME_DAYS)
                self.at(Due(at=max(late, self.now), contact=contact))


def is_over(case: Case) -> bool:
    """Tell whether nothing more can happen to a case."""
    return case.status == CaseStatus.CLOSED
