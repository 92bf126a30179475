"""What counts towards the caps of calls: attempts at a person about a debt, and conversations."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case
from finview.cases.packs.us import call_refused
from finview.communications.models import Channel, Outreach, OutreachState
from finview.communications.policy_models import Conversation
from finview.plugins.contracts.call_centre import CallResult
from finview.plugins.contracts.jurisdiction import ContactRules

S = OutreachState
_ASKED = (S.SENDING, S.ACCEPTED, S.UNKNOWN, S.DELIVERED)
_BACK = timedelta(days=40)
"""Further back than any cap looks."""

CONSENT = timedelta(days=7)
"""How long a wish to be called back takes a call out of the caps (12 CFR § 1006.14(b)(3)(i))."""


def talked(
    session: Session,
    case_ids: Iterable[int],
    at: datetime,
    *,
    inbound: bool = False,
    outreach_id: int | None = None,
) -> None:
    """Store that a debtor was spoken to about debts, by a call of ours or by an `inbound` one."""
    for case in session.scalars(select(Case).where(Case.id.in_(sorted(set(case_ids))))):
        session.add(
            Conversation(
                case_id=case.id,
                customer_id=case.customer_id,
                portfolio_id=case.portfolio_id,
                debtor_id=case.debtor_id,
                at=at,
                inbound=inbound,
                outreach_id=outreach_id,
            )
        )
    session.flush()


def cases_named(session: Session, case_id: int, numbers: Sequence[str]) -> list[int]:
    """Return the cases with these numbers that are of the same debtor as a case."""
    if not numbers:
        return []
    debtor = select(Case.debtor_id).where(Case.id == case_id).scalar_subquery()
    wanted = select(Case.id).where(Case.number.in_(numbers), Case.debtor_id == debtor)
    return list(session.scalars(wanted))


def call_cap(
    session: Session, row: Outreach, limits: ContactRules, zone: str, now: datetime
) -> tuple[str, date] | None:
    """Return why a planned call may not be made yet, and the first local day on which it may.

    Days are those of the debtor's zone. A call the debtor asked for within the last seven days is
    free of the caps.
    """
    attempts = _attempts(session, row, now)
    if any(one.outcome == CallResult.CALL_BACK and _recent(one, row, now) for one in attempts):
        return None
    tried = [clock.day_in(_at(one), zone).toordinal() for one in attempts]
    found = session.scalars(
        select(Conversation.at).where(
            Conversation.case_id == row.case_id, Conversation.at > now - _BACK
        )
    )
    spoken = [clock.day_in(at, zone).toordinal() for at in found]
    today = clock.day_in(now, zone).toordinal()
    why = call_refused(tried, spoken, today, limits=limits)
    if why is None:
        return None
    day = today
    while call_refused(tried, spoken, day, limits=limits) is not None:
        day += 1
    return why, date.fromordinal(day)


def _attempts(session: Session, row: Outreach, now: datetime) -> list[Outreach]:
    """Return the calls about a debt, at any number; one that did not take place is none."""
    found = session.scalars(
        select(Outreach).where(
            Outreach.channel == Channel.CALL,
            Outreach.state.in_(_ASKED),
            Outreach.case_id == row.case_id,
            Outreach.id != row.id,
            Outreach.planned_at > now - _BACK,
        )
    )
    return [one for one in found if one.outcome != CallResult.TECHNICAL]


def _recent(one: Outreach, row: Outreach, now: datetime) -> bool:
    same = (one.run_id, one.node_id, one.visit) == (row.run_id, row.node_id, row.visit)
    return same and one.attempt == row.attempt - 1 and _at(one) > now - CONSENT


def _at(one: Outreach) -> datetime:
    """Return when a call took place: when it was told, else when it was handed over."""
    told = one.ended_at if one.outcome is not None else None
    return told or one.sending_at or one.planned_at
