"""Money received, recorded once and for many cases at a time; everything that follows is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from finview import clock
from finview.cases import ledger
from finview.cases.agreements import follow_up_all
from finview.cases.allocation import payments_in, reallocate
from finview.cases.components import Breathing
from finview.cases.financials import undo_charges
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.cases.lifecycle import Owner, locked_all, owners_of
from finview.cases.models import Case, CaseStatus
from finview.cases.reading import read_claims
from finview.cases.received import check_amount
from finview.cases.timeline import note_each
from finview.db import audit, events
from finview.errors import FinviewError, IdempotencyMismatch, Invalid, NotFound, State
from finview.i18n import N_, sentences
from finview.money import Money, minor_text

CODES = sentences(
    {
        "PAYMENT_IN_FUTURE": N_("The day of receipt lies in the future."),
        "PAYMENT_REFERENCE": N_("A reference has at most {max} characters."),
    }
)

REFERENCE_CHARS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money received on a case, to be recorded; `key` names it, once for each user.

    `direct` money the debtor paid to the customer itself: it pays the same, but is no trust money.
    `line` is the key of the bank line it came with: that one is paid in once, whoever books it.
    """

    case_id: int
    amount: Money
    received_on: date
    key: str
    reference: str | None = None
    direct: bool = False
    line: str | None = None


def record_payments(
    session: Session, receipts: Sequence[Receipt], *, by: int | None
) -> list[int | FinviewError]:
    """Record receipts and return for each its payment's id, or why it was refused.

    One that is refused leaves the others as they are. Each is allocated as of its day of receipt,
    whenever it is entered: interest up to that day is posted first. When nothing is open any more
    the case closes. The same `key` of the same user has one effect. The reasons are `NotFound`,
    `State` (CASE_CLOSED), `Invalid` (AMOUNT_…, PAYMENT_…) and `IdempotencyMismatch`. The number of
    statements does not grow with the number of receipts.
    """
    cases = locked_all(session, {receipt.case_id for receipt in receipts})
    owners = owners_of(session, {case.customer_id for case in cases.values()})
    keys = [f"payment:{r.line or ledger.key_of(by, r.key)}" for r in receipts]
    known = ledger.known_digests(session, keys)
    answers: list[int | FinviewError] = []
    postings: dict[str, ledger.Posting] = {}
    new: dict[str, Receipt] = {}
    for receipt, key in zip(receipts, keys, strict=True):
        try:
            case = cases.get(receipt.case_id)
            if case is None:
                raise NotFound
            owner = owners[case.customer_id]
            posting = _posting(case, owner, receipt, key)
            digest = ledger.digest_of(posting)
            earlier = known.get(key)
            if earlier is None and key not in postings:
                _check(case, owner, receipt)
                postings[key], new[key] = posting, receipt
            elif digest != (earlier[1] if earlier else ledger.digest_of(postings[key])):
                raise IdempotencyMismatch(path=("input", "idempotencyKey"))
            answers.append(earlier[0] if earlier else 0)
        except FinviewError as refused:
            answers.append(refused)
    posted = ledger.post(session, list(postings.values()), by=by)
    ids = dict(zip(postings, posted, strict=True))
    _follow(session, cases, {ids[key]: receipt for key, receipt in new.items()}, by)
    return [answer if answer != 0 else ids[key] for answer, key in zip(answers, keys, strict=True)]


def record_payment(
    session: Session,
    case_id: int,
    amount: Money,
    *,
    received_on: date,
    key: str,
    reference: str | None = None,
    direct: bool = False,
    by: int | None,
) -> int:
    """Record one receipt and return its payment's id; raises what `record_payments` tells."""
    receipt = Receipt(
        case_id=case_id,
        amount=amount,
        received_on=received_on,
        key=key,
        reference=reference,
        direct=direct,
    )
    (answer,) = record_payments(session, [receipt], by=by)
    if isinstance(answer, FinviewError):
        raise answer
    return answer


def _follow(
    session: Session, cases: Mapping[int, Case], made: Mapping[int, Receipt], by: int | None
) -> None:
    """Do what follows from new payments: allocation, notes, events, closing."""
    if not made:
        return
    paid = sorted({receipt.case_id for receipt in made.values()})
    for case_id in paid:
        case = cases[case_id]
        if case.charges_from is not None and _breathing(case).enabled:
            _undo_charges_never_due(session, case_id, by)
    reallocate(session, paid, by=by)
    for direct in (False, True):
        code = "TIMELINE_PAYMENT_DIRECT" if direct else "TIMELINE_PAYMENT_RECORDED"
        told = [
            (cases[r.case_id], {"amount": _told(r.amount), "on": r.received_on.isoformat()})
            for r in made.values()
            if r.direct is direct
        ]
        note_each(session, code, told, by=by)
    audit.record_each(
        session,
        "payment.record",
        [(("case", r.case_id), {"payment": payment_id}) for payment_id, r in made.items()],
        actor_id=by,
    )
    events.emit_each(
        session,
        "PAYMENT",
        [
            events.Happening(
                case_id=r.case_id,
                payload={"payment_id": payment_id, **_told(r.amount)},
                dedupe=f"payment:{payment_id}",
            )
            for payment_id, r in made.items()
        ],
    )
    follow_up_all(session, paid, by=by)


def _told(amount: Money) -> dict[str, int | str]:
    return {"minor": amount.minor, "currency": amount.currency}


def _breathing(case: Case) -> Breathing:
    return Breathing.model_validate(case.breathing or {})


def _check(case: Case, owner: Owner, receipt: Receipt) -> None:
    if case.status == CaseStatus.CLOSED:
        raise State("CASE_CLOSED", path=("input", "caseId"))
    check_amount(case, receipt.amount)
    if receipt.received_on > clock.today(owner.zone):
        raise Invalid("PAYMENT_IN_FUTURE", path=("input", "receivedOn"))
    if len(receipt.reference or "") > REFERENCE_CHARS_MAX:
        path = ("input", "reference")
        raise Invalid("PAYMENT_REFERENCE", path=path, max=REFERENCE_CHARS_MAX)


def _posting(case: Case, owner: Owner, receipt: Receipt, idem_key: str) -> ledger.Posting:
    amount, currency = receipt.amount, case.currency
    bank = ledger.Account(
        kind=AccountKind.BANK_TRUST, currency=currency, business_unit_id=owner.business_unit_id
    )
    if receipt.direct:
        bank = ledger.Account(
            kind=AccountKind.DIRECT_RECEIVED, currency=currency, customer_id=case.customer_id
        )
    waiting = ledger.Account(kind=AccountKind.UNALLOCATED, currency=currency, case_id=case.id)
    return ledger.Posting(
        case_id=case.id,
        kind=TxnKind.PAYMENT,
        effective_on=receipt.received_on,
        idem_key=idem_key,
        lines=((bank, amount.minor), (waiting, -amount.minor)),
        rule="payment.direct" if receipt.direct else "payment.recorded",
        inputs={
            "amount": minor_text(amount.minor, amount.currency),
            "currency": amount.currency,
            **({"reference": receipt.reference} if receipt.reference else {}),
        },
    )


def _undo_charges_never_due(session: Session, case_id: int, by: int | None) -> None:
    """Take the charges back when the principal was paid inside the breathing space.

    The payment may be entered after its end; then nothing is ever added.
    """
    case = read_claims(session, [case_id], as_of=date.max)[case_id]
    charged = case.charges_from
    assert charged is not None, "the caller has seen that the case is charged"
    paid = sum(payment.minor for payment in payments_in(case) if payment.on < charged)
    principal = sum(
        row.amount
        for row in case.lines
        if row.kind == TxnKind.OPEN and row.account == AccountKind.PRINCIPAL
    )
    if 0 < principal <= paid:
        undo_charges(session, case_id, by=by)
