"""The contact policy gate: may this debtor be contacted this way now, later, or never, and why."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.holds import HELD, open_hold
from finview.cases.models import Case, CaseStatus, Debtor
from finview.cases.timeline import note
from finview.communications import first_demand
from finview.communications.facts import postal_of
from finview.communications.history import call_cap
from finview.communications.holds import stopped
from finview.communications.instalments import is_settled
from finview.communications.models import Channel, Outreach
from finview.communications.places import Place, place_of
from finview.communications.policy_models import (
    ContactDecision,
    ContactOutcome,
    ContactPreference,
)
from finview.communications.rules import Rules, rules_for
from finview.communications.windows import Clock, Window, spread
from finview.communications.wording import MESSAGES, MessageType
from finview.customers.models import Bucket, BusinessUnit, Customer
from finview.customers.preferences import chain, effective
from finview.customers.units import zone_of
from finview.i18n import N_, sentences

__all__ = ["ContactOutcome", "Verdict", "decide", "look"]

sentences(
    {
        "TIMELINE_CONTACT_DELAYED": N_("Contact by {channel} not before {until}: {reasons}"),
        "TIMELINE_CONTACT_HELD": N_("Contact by {channel} waits: {reasons}"),
        "TIMELINE_CONTACT_DENIED": N_("No contact by {channel}: {reasons}"),
        "CHANNEL_EMAIL": N_("e-mail"),
        "CHANNEL_LETTER": N_("letter"),
        "CHANNEL_SMS": N_("text message"),
        "CHANNEL_CALL": N_("phone"),
        "AGREEMENT_KEPT": N_("the debtor keeps an agreement"),
        "INSTALMENT_SETTLED": N_("the instalment is paid, or its plan is over"),
        "OUTBOUND_HOLD": N_("everything outgoing is stopped"),
        "RUN_HELD": N_("the workflow is paused"),
        "OPTED_OUT": N_("the debtor does not want this channel"),
        "OUTSIDE_HOURS": N_("outside the hours of the debtor's place"),
        "DAY_OF_REST": N_("a day of rest at the debtor's place"),
        "PUBLIC_HOLIDAY": N_("a public holiday at the debtor's place"),
        "SEVEN_ATTEMPTS_IN_7_DAYS": N_("as many calls as are allowed in seven days"),
        "TALKED_WITHIN_7_DAYS": N_("somebody spoke to the debtor within the last days"),
        "STRICTEST_DEFAULT": N_("no law pack for this country, so the strictest rules hold"),
    }
)

AGREED = (CaseStatus.PAYMENT_PLAN, CaseStatus.SETTLEMENT)
"""While a debtor keeps an agreement only messages about it are sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's answer; `until` is when a DELAY ends, None while nobody knows.

    `final` says that the contact is moot rather than forbidden: a closed case, an ended run.
    `instead` is the channel a legally required notice takes. `send_at` spreads what waits for one
    opening over the hours that follow; `window` are the hours now.
    """

    outcome: ContactOutcome
    reasons: tuple[str, ...] = ()
    until: datetime | None = None
    final: bool = False
    instead: Channel | None = None
    send_at: datetime | None = None
    window: Window | None = None
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    outcome: ContactOutcome
    reason: str
    until: datetime | None = None
    final: bool = False
    instead: Channel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is asked of the gate, and what every check reads."""

    session: Session
    row: Outreach
    case: Case
    debtor: Debtor
    unit: BusinessUnit
    message: MessageType | None
    place: Place
    country: str
    rules: Rules
    hours: Clock | None
    now: datetime


def decide(session: Session, row: Outreach, case: Case) -> Verdict:
    """Answer for one planned contact now, and store the answer.

    The timeline tells of an answer that is no plain yes, once while it stays the same. The caller
    holds the case's row.
    """
    said = look(session, row, case)
    store(session, row, case, said)
    return said


def look(
    session: Session,
    row: Outreach,
    case: Case,
    *,
    at: datetime | None = None,
    keep: bool = True,
) -> Verdict:
    """Return what the gate says of one planned contact at an instant, and store no answer.

    With `keep=False` nothing at all is written, for simulations. The checks come in the order of
    their weight; the first DENY or the latest DELAY wins, and every reason is kept.
    """
    asked = _asked(session, row, case, at or clock.now(), keep=keep)
    found = [one for check in _CHECKS for one in check(asked)]
    reasons = tuple(one.reason for one in found)
    if asked.rules.strictest and asked.hours is not None:
        reasons = (*reasons, "STRICTEST_DEFAULT")
    return replace(_weighed(asked, found), reasons=reasons, version=asked.rules.version)


def store(session: Session, row: Outreach, case: Case, said: Verdict) -> None:
    """Store an answer, and tell the timeline what is new of it."""
    before = session.scalars(
        select(ContactDecision)
        .where(ContactDecision.outreach_id == row.id)
        .order_by(ContactDecision.id.desc())
        .limit(1)
    ).one_or_none()
    known = (before.outcome, before.reasons, before.until) if before is not None else None
    if said.outcome == ContactOutcome.DELAY and known == (
        said.outcome,
        list(said.reasons),
        said.until,
    ):
        # Asked again and again while it waits: one answer, not a row for each time.
        return
    session.add(
        ContactDecision(
            case_id=case.id,
            customer_id=case.customer_id,
            portfolio_id=case.portfolio_id,
            debtor_id=case.debtor_id,
            outreach_id=row.id,
            channel=row.channel,
            outcome=said.outcome,
            reasons=list(said.reasons),
            until=said.until,
            policy_version=said.version,
            at=clock.now(),
        )
    )
    session.flush()
    if said.outcome == ContactOutcome.ALLOW or said.final:
        return
    if known is not None and known[:2] == (said.outcome, list(said.reasons)):
        return
    code = "TIMELINE_CONTACT_DENIED"
    params = {"channel": f"CHANNEL_{row.channel}", "reasons": list(said.reasons)}
    if said.outcome == ContactOutcome.DELAY:
        code = "TIMELINE_CONTACT_HELD" if said.until is None else "TIMELINE_CONTACT_DELAYED"
    if said.until is not None:
        params["until"] = said.until.date().isoformat()
    note(session, code, [case.id], by=None, params=params)


def _asked(session: Session, row: Outreach, case: Case, now: datetime, *, keep: bool) -> _Asked:
    debtor = session.get_one(Debtor, case.debtor_id)
    customer = session.get_one(Customer, case.customer_id)
    unit = session.get_one(BusinessUnit, customer.business_unit_id)
    place = place_of(session, debtor.id)
    own = str(unit.company.get("country") or "DE").upper()
    country = place.country or own
    rules = rules_for(session, country, debtor.kind, keep=keep)
    return _Asked(
        session=session,
        row=row,
        case=case,
        debtor=debtor,
        unit=unit,
        message=MESSAGES.get(row.template),
        place=place,
        country=country,
        rules=rules,
        hours=rules.clock(row.channel, place, zone_of(unit), country),
        now=now,
    )


def _weighed(asked: _Asked, found: list[_Finding]) -> Verdict:
    denied = next((one for one in found if one.outcome == ContactOutcome.DENY), None)
    if denied is not None:
        return Verdict(
            outcome=ContactOutcome.DENY,
            final=denied.final,
            instead=denied.instead,
        )
    delays = [one.until for one in found if one.outcome == ContactOutcome.DELAY]
    if not delays:
        window = asked.hours.next(asked.now) if asked.hours is not None else None
        return Verdict(outcome=ContactOutcome.ALLOW, window=window)
    known = [until for until in delays if until is not None]
    if len(known) < len(delays):
        return Verdict(outcome=ContactOutcome.DELAY)
    until = max(known)
    if asked.hours is None:
        return Verdict(outcome=ContactOutcome.DELAY, until=until, send_at=until)
    window = asked.hours.next(until)
    if window is None:
        return Verdict(outcome=ContactOutcome.DELAY)
    opens = replace(window, opens=max(until, window.opens))
    return Verdict(
        outcome=ContactOutcome.DELAY, until=opens.opens, send_at=spread(opens, asked.case.id)
    )


def _moot(asked: _Asked) -> Iterator[_Finding]:
    """A closed case, or an agreement that is kept."""
    message, status = asked.message, asked.case.status
    if status == CaseStatus.CLOSED and not (message is not None and message.completes):
        yield _Finding(outcome=ContactOutcome.DENY, reason="CASE_CLOSED", final=True)
    if status in AGREED and not (message is not None and message.in_agreement):
        yield _Finding(outcome=ContactOutcome.DENY, reason="AGREEMENT_KEPT", final=True)
    if is_settled(asked.session, asked.case, asked.row.params):
        yield _Finding(outcome=ContactOutcome.DENY, reason="INSTALMENT_SETTLED", final=True)


def _held(asked: _Asked) -> Iterator[_Finding]:
    """A general stop, or a run that is paused or suspended and has marked its contacts."""
    channel, workflow = Channel(asked.row.channel), asked.row.workflow_id
    if stopped(asked.session, asked.case, channel, workflow_id=workflow):
        yield _Finding(outcome=ContactOutcome.DELAY, reason="OUTBOUND_HOLD")
    if asked.row.held:
        yield _Finding(outcome=ContactOutcome.DELAY, reason="RUN_HELD")


def _resting(asked: _Asked) -> Iterator[_Finding]:
    """Hold, dispute, statutory moratorium, a debt adviser who acts."""
    if asked.case.status not in HELD:
        return
    found = open_hold(asked.session, asked.case.id)
    reason = found.reason if found is not None else asked.case.status
    until = found.ends_at if found is not None else None
    yield _Finding(outcome=ContactOutcome.DELAY, reason=f"HOLD_{reason}", until=until)


def _unwanted(asked: _Asked) -> Iterator[_Finding]:
    """An opt-out; a legally required notice goes by letter then, and is never silenced."""
    wanted = select(ContactPreference.id).where(
        ContactPreference.debtor_id == asked.debtor.id,
        ContactPreference.channel == asked.row.channel,
        ContactPreference.opt_out.is_(True),
    )
    if asked.session.scalar(wanted) is None:
        return
    instead = None
    if asked.message is not None and asked.message.required:
        if asked.row.channel == Channel.LETTER or not postal_of(asked.session, asked.debtor.id):
            return
        instead = Channel.LETTER
    yield _Finding(outcome=ContactOutcome.DENY, reason="OPTED_OUT", instead=instead)


def _incomplete(asked: _Asked) -> Iterator[_Finding]:
    """What asserts a claim waits, where the setting says so, until a first demand could say all."""
    claims = asked.message.asserts_claim if asked.message else asked.row.channel == Channel.CALL
    if claims and _is_strict(asked):
        lacking = first_demand.lacks(asked.session, asked.case, asked.debtor, asked.unit)
        for reason in first_demand.reasons(lacking):
            yield _Finding(outcome=ContactOutcome.DELAY, reason=reason)


def _is_strict(asked: _Asked) -> bool:
    session, case = asked.session, asked.case
    bucket = session.get(Bucket, case.bucket_id) if case.bucket_id else None
    scopes = chain(session.get_one(Customer, case.customer_id), bucket)
    return bool(effective(session, scopes, "communication")["hold_incomplete_demands"].value)


def _closed(asked: _Asked) -> Iterator[_Finding]:
    """Hours, days of rest, public holidays, at the debtor's place."""
    if asked.hours is None:
        return
    window = asked.hours.next(asked.now)
    if window is not None and window.opens <= asked.now:
        return
    yield _Finding(
        outcome=ContactOutcome.DELAY,
        reason=asked.hours.why_closed(asked.now),
        until=window.opens if window is not None else None,
    )


def _capped(asked: _Asked) -> Iterator[_Finding]:
    """How many calls, and how soon after a conversation."""
    if asked.row.channel != Channel.CALL:
        return
    zone = asked.place.zones[0] if asked.place.zones else zone_of(asked.unit)
    found = call_cap(asked.session, asked.row, asked.rules.limits, zone, asked.now)
    if found is not None:
        until = clock.start_of(found[1], zone)
        yield _Finding(outcome=ContactOutcome.DELAY, reason=found[0], until=until)


_Check = Callable[[_Asked], Iterator[_Finding]]
_CHECKS: tuple[_Check, ...] = (
    _moot,
    _held,
    _resting,
    _unwanted,
    _incomplete,
    _closed,
    _capped,
)
