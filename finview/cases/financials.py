"""Charges of cases: the snapshot at the bucket link, costs and interest posted or withdrawn."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from finview.cases import ledger
from finview.cases.allocation import reallocate
from finview.cases.charges import own_costs
from finview.cases.claims import IMPORTED_INTEREST, CaseClaims
from finview.cases.components import Breathing, Financials
from finview.cases.ledger_models import AccountKind, LedgerTxn, TxnKind
from finview.cases.models import Case, CaseStatus
from finview.cases.postings import accrued_posting, cost_posting, interest_posting
from finview.cases.reading import read_claims
from finview.cases.snapshots import snapshot_of
from finview.cases.timeline import chunks, note
from finview.db.lists import one_of
from finview.errors import State
from finview.i18n import N_, sentences

CODES = sentences(
    {"CASES_LAUNCHED_LINK": N_("{count} case(s) were launched; their components stay.")}
)


def link(
    session: Session,
    case_ids: Sequence[int],
    *,
    bucket_id: int,
    financials: Financials,
    breathing: Breathing,
    on: date,
    by: int | None,
) -> int:
    """Link cases to a bucket: snapshot its components, and charge at once without breathing space.

    Cases linked before have their charges withdrawn first. Returns how many were charged. Raises
    `State` (CASES_LAUNCHED_LINK) when one was launched; then nothing changes.
    """
    snapshot(session, case_ids, bucket_id=bucket_id, financials=financials, breathing=breathing)
    note(session, "TIMELINE_CASE_LINKED", case_ids, by=by)
    return 0 if breathing.enabled else apply_charges(session, case_ids, on=on, by=by)


def snapshot(
    session: Session,
    case_ids: Sequence[int],
    *,
    bucket_id: int,
    financials: Financials,
    breathing: Breathing,
    by: int | None = None,
) -> None:
    """Copy a bucket's components and breathing space onto cases.

    Charges of an earlier link are withdrawn. Raises `State` (CASES_LAUNCHED_LINK) when a case was
    launched: after that only an explicit case action changes its components; `Invalid` for a
    component that the law pack of the business unit's country doesn't know.
    """
    launched = 0
    for chunk in chunks(case_ids):
        launched += session.execute(
            select(func.count()).where(one_of(Case.id, chunk), Case.launched_at.is_not(None))
        ).scalar_one()
    if launched:
        raise State("CASES_LAUNCHED_LINK", count=launched)
    kept = snapshot_of(session, bucket_id, financials)
    withdraw_charges(session, case_ids, by=by)
    for chunk in chunks(case_ids):
        session.execute(
            update(Case)
            .where(one_of(Case.id, chunk), Case.status != CaseStatus.CLOSED)
            .values(
                bucket_id=bucket_id,
                financials=kept.as_json(),
                breathing=breathing.as_json(),
                lock_version=Case.lock_version + 1,
            )
            .execution_options(synchronize_session=False)
        )


def apply_charges(
    session: Session, case_ids: Sequence[int], *, on: date, by: int | None = None
) -> int:
    """Let costs and interest show from `on`, and post what is due then; return how many cases.

    Posted: the component's costs, admin costs and lump sum; the costs and interest the customer had
    charged; after a breathing space also the interest accrued up to its end. Further
    interest accrues lazily. A case that is charged, closed, in a statutory moratorium or without components
    is left as it is: applying twice is applying once. `on` is the true end of the breathing space,
    also when the system wakes later.
    """
    charged = 0
    for chunk in chunks(sorted(case_ids)):
        due = [
            case
            for case in read_claims(session, chunk, as_of=on, lock=True).values()
            if case.charges_from is None
            and case.financials is not None
            and case.status != CaseStatus.CLOSED
            # A statutory moratorium forbids charges.
            and not any(first <= on < end for first, end in case.windows)
        ]
        ledger.post(session, [p for case in due for p in first_charges(case, on)], by=by)
        ids = [case.id for case in due]
        _set_charges_from(session, ids, on)
        note(session, "TIMELINE_CHARGES_APPLIED", ids, by=by, params={"on": on.isoformat()})
        reallocate(session, ids, by=by)
        charged += len(ids)
    return charged


def withdraw_charges(session: Session, case_ids: Sequence[int], *, by: int | None = None) -> int:
    """Reverse every charge of cases that show charges; return how many cases. For linking anew."""
    charged: list[int] = []
    for chunk in chunks(case_ids):
        charged += session.scalars(
            select(Case.id)
            .where(
                one_of(Case.id, chunk),
                Case.charges_from.is_not(None),
                Case.launched_at.is_(None),
                Case.status != CaseStatus.CLOSED,
            )
            .order_by(Case.id)
            .with_for_update()
        )
    _withdraw(session, charged, "RELINKED", by)
    return len(charged)


def undo_charges(session: Session, case_id: int, *, by: int | None) -> None:
    """Take back every charge of a case that turns out to be paid before its first charge."""
    _withdraw(session, [case_id], "PAID_BEFORE_CHARGES", by)


def _withdraw(session: Session, case_ids: Sequence[int], reason: str, by: int | None) -> None:
    posted: list[int] = []
    for chunk in chunks(case_ids):
        mirror = select(LedgerTxn.reverses_id).where(
            one_of(LedgerTxn.case_id, chunk), LedgerTxn.reverses_id.is_not(None)
        )
        posted += session.scalars(
            select(LedgerTxn.id).where(
                one_of(LedgerTxn.case_id, chunk),
                LedgerTxn.kind.in_((TxnKind.COST, TxnKind.INTEREST)),
                LedgerTxn.reverses_id.is_(None),
                LedgerTxn.id.not_in(mirror),
            )
        )
    ledger.reverse(session, posted, by=by, reason=reason)
    _set_charges_from(session, case_ids, None)
    note(session, "TIMELINE_CHARGES_WITHDRAWN", case_ids, by=by)
    reallocate(session, case_ids, by=by)


def _set_charges_from(session: Session, case_ids: Sequence[int], on: date | None) -> None:
    again = {"charge_round": Case.charge_round + 1} if on is None else {}
    for chunk in chunks(case_ids):
        session.execute(
            update(Case)
            .where(one_of(Case.id, chunk))
            .values(charges_from=on, lock_version=Case.lock_version + 1, **again)
            .execution_options(synchronize_session=False)
        )


def first_charges(case: CaseClaims, on: date) -> list[ledger.Posting]:
    """Return the postings of a case that is charged for the first time since its link."""
    made: list[ledger.Posting] = []
    for claim in case.claims.values():
        if claim.costs_minor > 0:
            key = f"cost-before:{claim.invoice_id}"
            made.append(
                cost_posting(
                    case, AccountKind.COSTS_PRE, claim.costs_minor, key, on, "import.costs"
                )
            )
        if claim.interest_minor > 0:
            inputs = {"invoice": claim.number}
            made.append(
                interest_posting(case, claim, claim.interest_minor, on, IMPORTED_INTEREST, inputs)
            )
    made += own_costs(case, on)
    if case.breathing.window is not None:
        for claim in case.claims.values():
            accrual = case.accrued(claim, on)
            if accrual is not None and accrual.minor:
                made.append(accrued_posting(case, claim, accrual.minor, on, accrual))
    return made
