"""Cases to propose for a bank line that waits: by numbers, payer, name and amount, likeliest first."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from finview.cases.models import BankAccount, Case, CaseStatus, Invoice
from finview.cases.numbers import normalised
from finview.cases.statement import balances
from finview.customers.models import BusinessUnit, Customer
from finview.db.lists import one_of
from finview.imports.bank_match import Found, alike, cases_where
from finview.imports.bank_models import BankLine as LineRow
from finview.matching.keys import party_keys
from finview.matching.normalise import RawParty, party
from finview.matching.search import candidates
from finview.plugins.contracts.statement import BankLine

PROPOSALS_MAX = 10
_AMOUNTS_MAX = 500
_TOKENS_MAX = 40
_WORD = re.compile(r"[^\s,;:()]{3,40}")
_NAMED, _CUSTOMERS_NUMBER, _PAYER, _OPEN, _INVOICE = 200, 80, 50, 40, 30


def by_amount(
    session: Session, unit: BusinessUnit, lines: Iterable[BankLine]
) -> dict[tuple[int, str], list[int]]:
    """Return open cases of a unit by the amount of one of their invoices, for many lines at once.

    One statement: an amount has no index, so the table is read once for a chunk, not for a line.
    """
    amounts = sorted({line.amount_minor for line in lines if line.amount_minor > 0})
    if not amounts:
        return {}
    rows = session.execute(
        select(Invoice.amount_minor, Case.currency, Case.id)
        .join(Case, Case.id == Invoice.case_id)
        .join(Customer, Customer.id == Case.customer_id)
        .where(
            one_of(Invoice.amount_minor, amounts),
            Customer.business_unit_id == unit.id,
            Case.status != CaseStatus.CLOSED,
        )
        .order_by(Case.id)
        .limit(_AMOUNTS_MAX)
    )
    found: dict[tuple[int, str], list[int]] = {}
    for row in rows:
        found.setdefault((row.amount_minor, row.currency), []).append(row.id)
    return found


def proposals(
    session: Session,
    unit: BusinessUnit,
    line: BankLine,
    *,
    near: Sequence[int],
    same_amount: Sequence[int],
) -> list[int]:
    """Return the ids of at most ten cases of the unit, the likeliest first.

    `near` are those whose numbers stand in the text; more by the customer's numbers, by who has
    paid from the account before, by the name, and by the amount.
    """
    points: Counter[int] = Counter()
    for case_id in near:
        points[case_id] += _NAMED
    for case_id in _by_customers_numbers(session, unit, line):
        points[case_id] += _CUSTOMERS_NUMBER
    for case_id in same_amount:
        points[case_id] += _INVOICE
    for case_id in _by_account(session, unit, line):
        points[case_id] += _PAYER
    found = {case.id: case for case in cases_where(session, unit, ids=_best(points, 100))}
    for case in cases_where(session, unit, debtor_ids=_by_name(session, line)):
        found[case.id] = case
    whole = {key: points[key] + alike(line.name, case.debtor) / 2 for key, case in found.items()}
    for case_id in _owing(session, line, found):
        whole[case_id] += _OPEN
    kept = [key for key in whole if found[key].status != CaseStatus.CLOSED or key in near]
    return sorted(kept, key=lambda key: (-whole[key], key))[:PROPOSALS_MAX]


def _best(points: Counter[int], most: int) -> list[int]:
    return [key for key, _ in points.most_common(most)]


def _owing(session: Session, line: BankLine, found: dict[int, Found]) -> list[int]:
    """Return the cases of which exactly this amount is open on the day of receipt."""
    same = [case.id for case in found.values() if case.currency == line.currency]
    if not same:
        return []
    left = balances(session, same, line.value_on)
    return [key for key in same if left[key].open.minor == line.amount_minor]


def _by_customers_numbers(session: Session, unit: BusinessUnit, line: BankLine) -> list[int]:
    """Return cases whose customer's number or invoice number stands in the text."""
    words = _WORD.findall(line.reference)
    pairs = [a + b for a, b in pairwise(words)]
    tokens = {normalised(word) for word in (*words, *pairs) if any(c.isdigit() for c in word)}
    wanted = sorted(token for token in tokens if token and len(token) >= 3)[:_TOKENS_MAX]
    if not wanted:
        return []
    customers = select(Customer.id).where(Customer.business_unit_id == unit.id)
    most = 2 * PROPOSALS_MAX
    own = select(Case.id).where(
        Case.customer_id.in_(customers), one_of(Case.customer_case_number_norm, wanted)
    )
    invoiced = select(Invoice.case_id).where(
        Invoice.customer_id.in_(customers), one_of(Invoice.number_norm, wanted)
    )
    # Two statements, each along its own index.
    found = [*session.scalars(own.limit(most)), *session.scalars(invoiced.limit(most))]
    return list(dict.fromkeys(found))


def _by_account(session: Session, unit: BusinessUnit, line: BankLine) -> list[int]:
    """Return cases that were paid from this account before, and those of whoever it belongs to."""
    if not line.iban:
        return []
    paid = select(LineRow.case_id).where(
        LineRow.iban == line.iban,
        LineRow.business_unit_id == unit.id,
        LineRow.case_id.is_not(None),
    )
    owners = select(BankAccount.debtor_id).where(BankAccount.iban == line.iban)
    rows = select(Case.id).where(or_(Case.id.in_(paid), Case.debtor_id.in_(owners)))
    return list(session.scalars(rows.order_by(Case.id).limit(2 * PROPOSALS_MAX)))


def _by_name(session: Session, line: BankLine) -> list[int]:
    """Return debtors whose name sounds like the payer's, by the index of matching."""
    if not line.name:
        return []
    keys: dict[int, int] = {}
    for raw in (
        RawParty(kind="person", name=line.name),
        RawParty(kind="company", company=line.name),
    ):
        keys.update(party_keys(party(raw)))
    found = candidates(session, [(0, sorted(keys.items()))], top=2 * PROPOSALS_MAX)
    return [debtor_id for debtor_id, _ in found.get(0, [])]
