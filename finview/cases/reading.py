"""Reads many cases with their claims and sealed ledger lines in one statement for each thousand."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    Date,
    Select,
    String,
    bindparam,
    cast,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from finview import clock
from finview.cases import law
from finview.cases.claims import CaseClaims, Claim, gather
from finview.cases.components import Breathing, Snapshot
from finview.cases.ledger_models import AccountKind, LedgerAccount, LedgerEntry, LedgerTxn
from finview.cases.models import Case, Debtor, DebtorKind, Invoice
from finview.cases.timeline import chunks
from finview.customers.units import ZONE
from finview.db.base import Json, UtcDateTime
from finview.db.lists import one_of

_CASE, _CLAIM, _LINE = 0, 1, 2


class Line(NamedTuple):
    """One sealed line of a claim account, with what its transaction says."""

    case_id: int
    invoice_id: int | None
    account: str
    amount: int
    line: int
    txn_id: int
    kind: str
    effective_on: date
    reverses_id: int | None
    rule: str


def read_claims(
    session: Session, case_ids: Sequence[int], *, as_of: date, lock: bool = False
) -> dict[int, CaseClaims]:
    """Read cases with every sealed line of their claim accounts effective up to `as_of`.

    One statement for each thousand cases. `lock` holds the cases until the transaction ends, which
    takes one more.
    """
    found: dict[int, CaseClaims] = {}
    for chunk in chunks(case_ids):
        if lock:
            held = select(Case.id).where(one_of(Case.id, chunk)).order_by(Case.id)
            session.execute(held.with_for_update()).all()
        found |= _read(session, chunk, as_of)
    return found


def _read(session: Session, case_ids: Sequence[int], as_of: date) -> dict[int, CaseClaims]:
    packs = law.packs_of(session)
    cases: dict[int, CaseClaims] = {}
    claims: list[tuple[int, Claim]] = []
    lines: list[Line] = []
    for row in session.execute(_statement(), {"case_ids": case_ids, "as_of": as_of}):
        if row.tag == _LINE:
            lines.append(
                Line(
                    case_id=row.case_id,
                    invoice_id=row.invoice_id,
                    account=row.text1,
                    amount=row.amount,
                    line=row.n3,
                    txn_id=row.n4,
                    kind=row.text2,
                    effective_on=row.day1,
                    reverses_id=row.n1,
                    rule=row.text3,
                )
            )
        elif row.tag == _CLAIM:
            claims.append((row.case_id, _claim(row)))
        else:
            cases[row.case_id] = _case(row, packs)
    for case_id, claim in sorted(claims, key=_due_first):
        cases[case_id].claims[claim.invoice_id] = claim
    gather(lines, cases)
    return dict(sorted(cases.items()))


@cache
def _statement() -> CompoundSelect[Any]:
    """Return the one statement, built once: building it costs more than a page's rows."""
    return union_all(_cases(), _claims(), _lines())


def _due_first(item: tuple[int, Claim]) -> tuple[bool, date, int]:
    claim = item[1]
    return claim.due_on is None, claim.due_on or date.max, claim.invoice_id


def _case(row: Any, packs: law.Packs) -> CaseClaims:
    terms = _financials(row.json1)
    zone = terms.zone if terms is not None else ZONE
    return CaseClaims(
        id=row.case_id,
        currency=row.text1,
        status=row.text2,
        business=row.text3 == DebtorKind.BUSINESS,
        customer_id=row.n2,
        financials=terms,
        breathing=_breathing(row.json2),
        charges_from=row.day1,
        charge_round=row.n1,
        pack=law.pack_for(packs, terms.law) if terms is not None else None,
        opened_on=clock.day_in(row.at, zone),
        windows=tuple((date.fromisoformat(a), date.fromisoformat(b)) for a, b in row.json3 or ()),
    )


def _claim(row: Any) -> Claim:
    return Claim(
        invoice_id=row.invoice_id,
        number=row.text1,
        issued_on=row.day1,
        due_on=row.day2,
        costs_minor=row.n1,
        interest_minor=row.n2,
        amount_minor=row.amount,
    )


def _columns(**given: Any) -> list[Any]:
    """Return the columns of one branch: what it has, and typed nothing for the rest."""
    return [given.get(name, cast(null(), kind)).label(name) for name, kind in _SHAPE.items()]


_SHAPE: Mapping[str, Any] = {
    "case_id": BigInteger(),
    "invoice_id": BigInteger(),
    "amount": BigInteger(),
    "day1": Date(),
    "day2": Date(),
    "text1": String(),
    "text2": String(),
    "text3": String(),
    "at": UtcDateTime(),
    "json1": Json(),
    "json2": Json(),
    "json3": Json(),
    "n1": BigInteger(),
    "n2": BigInteger(),
    "n3": BigInteger(),
    "n4": BigInteger(),
}


def _cases() -> Select[Any]:
    return (
        select(
            literal(_CASE).label("tag"),
            *_columns(
                case_id=Case.id,
                day1=Case.charges_from,
                text1=Case.currency,
                text2=Case.status,
                text3=Debtor.kind,
                at=Case.opened_at,
                json1=Case.financials,
                json2=Case.breathing,
                json3=Case.interest_free,
                n1=Case.charge_round,
                n2=Case.customer_id,
            ),
        )
        .join(Debtor, Debtor.id == Case.debtor_id)
        .where(one_of(Case.id, "case_ids"))
    )


def _claims() -> Select[Any]:
    return select(
        literal(_CLAIM).label("tag"),
        *_columns(
            case_id=Invoice.case_id,
            invoice_id=Invoice.id,
            amount=Invoice.amount_minor,
            day1=Invoice.issued_on,
            day2=Invoice.due_on,
            text1=Invoice.number,
            n1=Invoice.costs_minor,
            n2=Invoice.interest_minor,
        ),
    ).where(one_of(Invoice.case_id, "case_ids"))


def _lines() -> Select[Any]:
    return (
        select(
            literal(_LINE).label("tag"),
            *_columns(
                case_id=LedgerAccount.case_id,
                invoice_id=LedgerAccount.invoice_id,
                amount=LedgerEntry.amount,
                day1=LedgerTxn.effective_on,
                text1=LedgerAccount.kind,
                text2=LedgerTxn.kind,
                text3=LedgerTxn.rule,
                n1=LedgerTxn.reverses_id,
                n3=LedgerEntry.line,
                n4=LedgerTxn.id,
            ),
        )
        .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
        .join(LedgerTxn, LedgerTxn.id == LedgerEntry.txn_id)
        .where(
            one_of(LedgerAccount.case_id, "case_ids"),
            LedgerAccount.kind != AccountKind.CLAIM_CONTRA,
            LedgerTxn.sealed == 1,
            LedgerTxn.effective_on <= bindparam("as_of", type_=Date()),
        )
    )


def _financials(value: Mapping[str, Any] | None) -> Snapshot | None:
    return None if value is None else _parsed_financials(orjson.dumps(value))


def _breathing(value: Mapping[str, Any] | None) -> Breathing:
    return _parsed_breathing(orjson.dumps(value or {}))


# The cases of a bucket share their snapshot: ten thousand of them are parsed once.
@lru_cache(maxsize=256)
def _parsed_financials(value: bytes) -> Snapshot:
    return Snapshot.model_validate_json(value)


@lru_cache(maxsize=256)
def _parsed_breathing(value: bytes) -> Breathing:
    return Breathing.model_validate_json(value)
