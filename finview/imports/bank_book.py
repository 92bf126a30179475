"""Books a chunk of bank lines: payments on cases, the rest into suspense, each line once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.lifecycle import locked_all
from finview.cases.receipts import REFERENCE_CHARS_MAX, Receipt, record_payments
from finview.cases.reversal import reverse_payment
from finview.cases.suspense import Unclear, hold_unclear
from finview.customers.models import BusinessUnit
from finview.db.base import table_of
from finview.db.bulk import bulk_insert
from finview.db.lists import one_of
from finview.errors import FinviewError
from finview.i18n import N_, sentences
from finview.imports.bank_match import Desk, Verdict
from finview.imports.bank_models import BankLine as LineRow
from finview.imports.bank_models import BankLineState, BankStatement
from finview.imports.bank_proposals import by_amount, proposals
from finview.money import Money
from finview.plugins.contracts.statement import BankLine

WHY = sentences(
    {
        "BANK_CASE_NUMBER": N_("Booked by the case number in the reference."),
        "BANK_DEBTOR_AND_AMOUNT": N_("Booked by the debtor number and the amount."),
        "BANK_ASSIGNED": N_("Assigned by hand."),
        "BANK_RETURNED": N_("A payment went back and was reversed."),
        "BANK_OUTGOING": N_("Money that left the account; nothing is booked on a case."),
        "BANK_ZERO": N_("A line without an amount."),
        "BANK_UNKNOWN": N_("No case was found in the reference."),
        "BANK_SEVERAL": N_("The reference fits several cases."),
        "BANK_OTHER_UNIT": N_("The case belongs to another business unit."),
        "BANK_CURRENCY": N_("The case is kept in another currency."),
        "BANK_CLOSED": N_("The case is closed."),
        "BANK_BEFORE_CASE": N_("The value date lies before the case was opened."),
        "BANK_FUTURE": N_("The value date lies in the future."),
        "BANK_RETURNED_CREDIT": N_("Money came back that had been paid out."),
        "BANK_RETURN_UNKNOWN": N_("A payment went back, but it is not clear which one."),
        "BANK_RETURN_SEVERAL": N_("A payment went back; several would fit."),
        "BANK_REFUSED": N_("The payment could not be booked on the case."),
    }
)
RETURNED = sentences({"RETURNED_DEBIT": N_("returned by the bank")})
"""The reason with which a returned payment is reversed."""

COUNTED = ("booked", "suspense", "ignored", "duplicates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A line with its place in the file and the keys it is known by; its currency is settled."""

    no: int
    line: BankLine
    line_key: str
    content_key: str


class Numbering:
    """Gives the lines of one file their keys, in order of the file.

    Lines that say the same are counted, so two equal payments of a day are two, and they are the
    same two in the next export.
    """

    def __init__(self, unit_id: int, currency: str) -> None:
        self._unit_id = unit_id
        self._currency = currency
        self._times: dict[bytes, int] = {}
        self._no = 0

    def number(self, line: BankLine) -> Numbered:
        """Return the next line with its keys."""
        line = line if line.currency else replace(line, currency=self._currency)
        said = [
            line.value_on.isoformat(),
            line.amount_minor,
            line.currency,
            _squashed(line.name),
            _squashed(line.reference),
        ]
        digest = hashlib.sha256(orjson.dumps(said)).digest()[:16]
        times = self._times[digest] = self._times.get(digest, 0) + 1
        content = self._hashed("content", *said, times)
        self._no += 1
        return Numbered(
            no=self._no,
            line=line,
            line_key=self._hashed("key", line.key) if line.key else content,
            content_key=content,
        )

    def _hashed(self, *parts: Any) -> str:
        return hashlib.sha256(orjson.dumps([self._unit_id, *parts])).hexdigest()


def _squashed(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def book_lines(
    session: Session, statement: BankStatement, numbered: Sequence[Numbered]
) -> dict[str, int]:
    """Book lines of a statement that are new, keep them, and return how many became what.

    The unit's row is locked, so that two imports of one account never book a line twice.
    """
    unit = session.scalars(
        select(BusinessUnit)
        .where(BusinessUnit.id == statement.business_unit_id)
        .with_for_update(key_share=True)
    ).one()
    new = _new(session, statement, numbered)
    lines = [one.line for one in new]
    desk = Desk(session, unit, lines)
    locked_all(session, {case.id for case in desk.by_number.values()})
    verdicts = [desk.judge(at) for at in range(len(new))]
    payments = _pay(session, new, verdicts)
    # What goes back may be a payment of these very lines.
    for at in desk.going_back:
        verdicts[at] = desk.judge_return(at)
    payments |= _give_back(session, new, verdicts)
    held = _hold(session, unit, new, verdicts)
    amounts = by_amount(session, unit, (x.line for x in new if x.no in held))
    rows = [
        _row(statement, one, verdict, txn_id=held.get(one.no), payment_id=payments.get(one.no))
        for one, verdict in zip(new, verdicts, strict=True)
    ]
    for one, verdict, row in zip(new, verdicts, rows, strict=True):
        if verdict.state == BankLineState.SUSPENSE:
            same = amounts.get((abs(one.line.amount_minor), one.line.currency), [])
            row["proposals"] = proposals(
                session, unit, one.line, near=verdict.near, same_amount=same
            )
    bulk_insert(session, table_of(LineRow), rows)
    counts = dict.fromkeys(COUNTED, 0)
    for verdict in verdicts:
        counts[verdict.state.lower()] += 1
    return counts | {"duplicates": len(numbered) - len(new)}


def _new(
    session: Session, statement: BankStatement, numbered: Sequence[Numbered]
) -> list[Numbered]:
    """Return the lines that are not kept yet: by their key, or from another format by what they say."""
    own = LineRow.business_unit_id == statement.business_unit_id
    keys = [one.line_key for one in numbered]
    known = set(
        session.scalars(select(LineRow.line_key).where(own, one_of(LineRow.line_key, keys)))
    )
    contents = [one.content_key for one in numbered]
    known |= set(
        session.scalars(
            select(LineRow.content_key)
            .join(BankStatement, BankStatement.id == LineRow.statement_id)
            .where(
                own,
                one_of(LineRow.content_key, contents),
                BankStatement.reader != statement.reader,
            )
        )
    )
    found: list[Numbered] = []
    for one in numbered:
        if known.isdisjoint((one.line_key, one.content_key)):
            found.append(one)
            known.add(one.line_key)
    return found


def _pay(session: Session, new: Sequence[Numbered], verdicts: list[Verdict]) -> dict[int, int]:
    """Book what is clear and return the payments by line; what is refused waits for a person."""
    booked = [
        (at, verdict.case_id)
        for at, verdict in enumerate(verdicts)
        if verdict.case_id is not None and verdict.payment_id is None
    ]
    answers = record_payments(
        session,
        [receipt_of(new[at].line, new[at].line_key, case_id) for at, case_id in booked],
        by=None,
    )
    found: dict[int, int] = {}
    for (at, case_id), answer in zip(booked, answers, strict=True):
        if isinstance(answer, FinviewError):
            verdicts[at] = Verdict(state=BankLineState.SUSPENSE, why="REFUSED", near=(case_id,))
        else:
            found[new[at].no] = answer
    return found


def _give_back(
    session: Session, new: Sequence[Numbered], verdicts: Sequence[Verdict]
) -> dict[int, int]:
    """Reverse the payments that went back and return them by line."""
    found: dict[int, int] = {}
    for one, verdict in zip(new, verdicts, strict=True):
        if verdict.payment_id is not None:
            reverse_payment(session, verdict.payment_id, "RETURNED_DEBIT", by=None)
            found[one.no] = verdict.payment_id
    return found


def receipt_of(line: BankLine | LineRow, line_key: str, case_id: int) -> Receipt:
    """Return a bank line as a receipt of a case: the value date is the day of receipt."""
    return Receipt(
        case_id=case_id,
        amount=Money(line.amount_minor, line.currency),
        received_on=line.value_on,
        key=line_key,
        line=line_key,
        reference=(line.reference or "")[:REFERENCE_CHARS_MAX] or None,
    )


def _hold(
    session: Session, unit: BusinessUnit, new: Sequence[Numbered], verdicts: Sequence[Verdict]
) -> dict[int, int]:
    """Post what waits into suspense and return the transactions by line."""
    waiting = [
        one
        for one, verdict in zip(new, verdicts, strict=True)
        if verdict.state == BankLineState.SUSPENSE
    ]
    ids = hold_unclear(
        session,
        [
            Unclear(
                business_unit_id=unit.id,
                amount=Money(one.line.amount_minor, one.line.currency),
                on=one.line.value_on,
                line=one.line_key,
                reference=one.line.reference,
            )
            for one in waiting
        ],
        by=None,
    )
    return {one.no: txn_id for one, txn_id in zip(waiting, ids, strict=True)}


def _row(
    statement: BankStatement,
    one: Numbered,
    verdict: Verdict,
    *,
    txn_id: int | None,
    payment_id: int | None,
) -> dict[str, Any]:
    line = one.line
    return {
        "statement_id": statement.id,
        "business_unit_id": statement.business_unit_id,
        "line_no": one.no,
        "line_key": one.line_key,
        "content_key": one.content_key,
        "booked_on": line.booked_on,
        "value_on": line.value_on,
        "amount_minor": line.amount_minor,
        "currency": line.currency,
        "name": line.name or None,
        "iban": line.iban or None,
        "reference": line.reference or None,
        "returned": line.returned,
        "state": verdict.state,
        "why": verdict.why,
        "case_id": verdict.case_id,
        "txn_id": txn_id,
        "payment_id": payment_id,
        "proposals": [],
        "assigned_by": None,
        "assigned_at": None,
        "created_at": clock.now(),
    }
