"""Changes of a claim by hand: costs and interest added or taken away, the invoice corrected."""

from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases import ledger
from finview.cases.agreements import follow_up
from finview.cases.allocation import CATEGORY, COSTS, INTEREST, recompute
from finview.cases.claims import ADJUSTED_INTEREST, CaseClaims
from finview.cases.ledger_models import AccountKind, LedgerTxn, TxnKind
from finview.cases.lifecycle import locked, zone
from finview.cases.models import Case, CaseStatus, Invoice
from finview.cases.postings import account
from finview.cases.reading import read_claims
from finview.cases.reasons import given_reason
from finview.cases.received import check_sum
from finview.cases.timeline import note
from finview.cases.waivers import Place, give_up, open_places
from finview.db import audit, events
from finview.errors import Invalid, NotFound, State
from finview.i18n import N_, sentences
from finview.money import Money, minor_text

CODES = sentences(
    {
        "CHARGE_NOTHING": N_("The amount must not be zero."),
        "CHARGE_ABOVE_OPEN": N_("Not more than what is open can be taken away: {open}."),
        "CHARGES_NOT_YET": N_("Costs and interest don't apply to this case yet."),
        "INVOICE_BELOW_PAID": N_("{paid} of this invoice were paid before it was handed over."),
        "INVOICE_SUBJECT": N_("A subject has at most {max} characters."),
    }
)

ADJUSTED_COSTS = "adjust.costs"
CHANGED = "claim.changed"
SUBJECT_CHARS_MAX = 500
AMOUNT = ("input", "amount", "amount")
_TAKEN_FIRST = (AccountKind.COSTS_OWN, AccountKind.VAT, AccountKind.COSTS_PRE)


def adjust_charge(
    session: Session,
    case_id: int,
    what: str,
    amount: Money,
    reason: str,
    *,
    key: str,
    by: int | None,
) -> None:
    """Add costs or interest to an open case as of today, or take away some of what is open.

    `what` is "costs" or "interest"; a negative amount takes away. Interest is added to the oldest
    claim. The same key has one effect. Raises `Invalid` (AMOUNT_CURRENCY, CHARGE_…, SUM_TOO_LARGE),
    `Required` without a reason, `State` (CASE_CLOSED, CHARGES_NOT_YET, CASE_MORATORIUM).
    """
    reason = given_reason(reason, ("input", "reason"))
    case = locked(session, case_id)
    if case.status == CaseStatus.CLOSED:
        raise State("CASE_CLOSED", path=("input", "caseId"))
    if amount.currency != case.currency:
        path = ("input", "amount", "currency")
        raise Invalid("AMOUNT_CURRENCY", path=path, currency=case.currency)
    if not amount:
        raise Invalid("CHARGE_NOTHING", path=AMOUNT)
    check_sum(amount if amount.minor > 0 else -amount, AMOUNT)
    if case.charges_from is None:
        # During a breathing space no balance shows costs or interest, whoever adds them.
        raise State("CHARGES_NOT_YET", path=("input", "caseId"))
    name = f"adjust:{ledger.key_of(by, key)}"
    if ledger.known(session, name):
        return
    today = clock.today(zone(session, case))
    claims = read_claims(session, [case_id], as_of=date.max)[case_id]
    for first, end in claims.windows if amount.minor > 0 else ():
        if first <= today < end:
            raise State("CASE_MORATORIUM", path=("input", "caseId"), until=end - timedelta(days=1))
    if amount.minor > 0:
        _add(session, claims, what, amount.minor, today, reason, name, by)
    else:
        _take(session, case, claims, what, -amount.minor, today, reason, name, by)
    told = {"minor": abs(amount.minor), "currency": amount.currency}
    code = f"TIMELINE_{what.upper()}_{'ADDED' if amount.minor > 0 else 'TAKEN'}"
    note(session, code, [case_id], by=by, params={"amount": told, "reason": reason})
    audit.record(session, "charge.adjust", actor_id=by, subject=("case", case_id), what=what)
    events.emit(session, "charges.changed", case_id=case_id)
    follow_up(session, case_id, by=by)


def _add(
    session: Session,
    claims: CaseClaims,
    what: str,
    minor: int,
    on: date,
    reason: str,
    key: str,
    by: int | None,
) -> None:
    place: Place = (AccountKind.COSTS_OWN, None)
    if what == INTEREST:
        place = (AccountKind.INTEREST, next(iter(claims.claims)))
    posting = ledger.Posting(
        case_id=claims.id,
        kind=TxnKind.COST if what == COSTS else TxnKind.INTEREST,
        effective_on=on,
        idem_key=key,
        lines=ledger.claim_lines(
            account(claims, *place), account(claims, AccountKind.CLAIM_CONTRA), minor
        ),
        rule=ADJUSTED_COSTS if what == COSTS else ADJUSTED_INTEREST,
        reason=reason,
    )
    ledger.post(session, [posting], by=by)
    recompute(session, [claims.id], by=by)


def _take(
    session: Session,
    case: Case,
    claims: CaseClaims,
    what: str,
    minor: int,
    on: date,
    reason: str,
    key: str,
    by: int | None,
) -> None:
    open_now = {p: m for p, m in open_places(claims, on).items() if CATEGORY[p[0]] == what}
    if minor > sum(open_now.values()):
        unit = claims.currency
        there = f"{minor_text(sum(open_now.values()), unit)} {unit}"
        raise Invalid("CHARGE_ABOVE_OPEN", path=AMOUNT, open=there)
    order: list[str] = list(_TAKEN_FIRST)
    only: dict[Place, int] = {}
    for place in sorted(open_now, key=lambda p: order.index(p[0]) if p[0] in order else 0):
        only[place] = min(minor, open_now[place])
        minor -= only[place]
    give_up(
        session,
        case,
        kind=TxnKind.WAIVER,
        rule=ADJUSTED_COSTS if what == COSTS else ADJUSTED_INTEREST,
        key=key,
        on=on,
        reason=reason,
        by=by,
        only=only,
    )


def update_invoice(
    session: Session,
    invoice_id: int,
    *,
    amount: Money | None,
    subject: str | None,
    reason: str,
    by: int | None,
) -> Invoice:
    """Correct an invoice of an open case: the difference counts from its date, and all follows.

    What was paid beyond a lower amount is overpaid. Costs that were posted stay. Raises `Invalid`
    (AMOUNT_…, INVOICE_…), `Required` without a reason, `State` (CASE_CLOSED), `NotFound`.
    """
    reason = given_reason(reason, ("input", "reason"))
    found = session.get(Invoice, invoice_id)
    if found is None:
        raise NotFound
    case = locked(session, found.case_id)
    invoice = session.get_one(Invoice, invoice_id, populate_existing=True)
    if case.status == CaseStatus.CLOSED:
        raise State("CASE_CLOSED", path=("input", "invoiceId"))
    if len(subject or "") > SUBJECT_CHARS_MAX:
        path = ("input", "subject")
        raise Invalid("INVOICE_SUBJECT", path=path, max=SUBJECT_CHARS_MAX)
    if subject is not None and subject != invoice.description:
        invoice.description = subject.strip() or None
        params = {"invoice": invoice.number or "–", "reason": reason}
        note(session, "TIMELINE_INVOICE_SUBJECT", [case.id], by=by, params=params)
    if amount is not None and amount.minor != invoice.amount_minor:
        _change_amount(session, case, invoice, amount, reason, by)
    audit.record(session, "invoice.update", actor_id=by, subject=("invoice", invoice_id))
    session.flush()
    return invoice


def _change_amount(
    session: Session, case: Case, invoice: Invoice, amount: Money, reason: str, by: int | None
) -> None:
    if amount.currency != case.currency:
        path = ("input", "amount", "currency")
        raise Invalid("AMOUNT_CURRENCY", path=path, currency=case.currency)
    check_sum(amount, AMOUNT)
    if amount.minor < invoice.paid_minor:
        paid = f"{minor_text(invoice.paid_minor, case.currency)} {case.currency}"
        raise Invalid("INVOICE_BELOW_PAID", path=AMOUNT, paid=paid)
    before, invoice.amount_minor = invoice.amount_minor, amount.minor
    session.flush()
    # The day on which the claim was opened: that of the invoice, else of the hand-over.
    opened = select(func.min(LedgerTxn.effective_on)).where(
        LedgerTxn.case_id == case.id, LedgerTxn.idem_key == f"open:{invoice.id}"
    )
    on = session.scalar(opened) or invoice.issued_on or case.opened_at.date()
    claims = read_claims(session, [case.id], as_of=date.max)[case.id]
    times = len(ledger.standing(session, case.id, (CHANGED,)))
    posting = ledger.Posting(
        case_id=case.id,
        kind=TxnKind.OPEN,
        effective_on=on,
        idem_key=f"invoice:{invoice.id}:{times}",
        lines=ledger.claim_lines(
            account(claims, AccountKind.PRINCIPAL, invoice.id),
            account(claims, AccountKind.CLAIM_CONTRA),
            amount.minor - before,
        ),
        rule=CHANGED,
        inputs={
            "before": minor_text(before, case.currency),
            "after": minor_text(amount.minor, case.currency),
        },
        reason=reason,
    )
    ledger.post(session, [posting], by=by)
    recompute(session, [case.id], by=by)
    unit = case.currency
    params = {
        "invoice": invoice.number or "–",
        "before": {"minor": before, "currency": unit},
        "after": {"minor": amount.minor, "currency": unit},
        "reason": reason,
    }
    note(session, "TIMELINE_INVOICE_AMOUNT", [case.id], by=by, params=params)
    events.emit(session, "charges.changed", case_id=case.id)
    follow_up(session, case.id, by=by)
