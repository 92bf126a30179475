"""A case that stands in no database: what a preview and the worked examples compute with (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from finview.cases.charges import own_costs
from finview.cases.claims import FIRST_STEP, CaseClaims, Claim, gather
from finview.cases.components import Breathing, Snapshot
from finview.cases.ledger import Posting
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.cases.models import CaseStatus, DebtorKind
from finview.cases.reading import Line
from finview.cases.statement import Balance, StatementLine, balance_of, lines_of
from finview.money import Money
from finview.plugins.contracts.jurisdiction import Jurisdiction

CASE_ID = INVOICE_ID = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a transaction of a sample says of itself, as a row of the ledger does."""

    rule_version: str = "1"
    citation: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    provisional: bool = False
    reason: str | None = None


def sample_case(
    terms: Snapshot,
    pack: Jurisdiction[Any],
    principal: Money,
    *,
    kind: DebtorKind,
    issued_on: date | None,
    due_on: date | None,
    opened_on: date,
    charges_from: date | None,
    breathing: Breathing | None = None,
    number: str = "–",
) -> CaseClaims:
    """Return a case with one invoice, its claim opened on the day of the invoice or due date."""
    claim = Claim(
        invoice_id=INVOICE_ID,
        number=number,
        issued_on=issued_on,
        due_on=due_on,
        costs_minor=0,
        interest_minor=0,
        amount_minor=principal.minor,
    )
    case = CaseClaims(
        id=CASE_ID,
        currency=principal.currency,
        status=CaseStatus.ACTIVE,
        business=kind == DebtorKind.BUSINESS,
        customer_id=1,
        financials=terms,
        breathing=breathing or Breathing(),
        charges_from=charges_from,
        charge_round=0,
        pack=pack,
        opened_on=opened_on,
        claims={INVOICE_ID: claim},
    )
    day = issued_on or due_on or opened_on
    opened = fact(TxnKind.OPEN, AccountKind.PRINCIPAL, day, principal.minor, invoice_id=INVOICE_ID)
    return with_lines(case, [opened])


def fact(kind: TxnKind, account: AccountKind, on: date, minor: int, **more: Any) -> Line:
    """Return one line of a sample's account."""
    given = {"txn_id": 0, "line": 1, "invoice_id": None, "reverses_id": None, "rule": "", **more}
    return Line(case_id=CASE_ID, kind=kind, account=account, effective_on=on, amount=minor, **given)


def with_lines(case: CaseClaims, lines: Sequence[Line], as_of: date = date.max) -> CaseClaims:
    """Return the case with further lines, as it is read up to a day."""
    claims = {key: replace(one, changes=[], posted=[]) for key, one in case.claims.items()}
    fresh = replace(case, claims=claims, lines=[], stretch_from=FIRST_STEP)
    known = [row for row in (*case.lines, *lines) if row.effective_on <= as_of]
    gather(known, {case.id: fresh})
    return fresh


def lines_from(postings: Sequence[Posting], first_id: int) -> tuple[list[Line], dict[int, Told]]:
    """Return the lines of postings on the claim account, with what explains each transaction."""
    lines: list[Line] = []
    told: dict[int, Told] = {}
    for txn_id, p in enumerate(postings, first_id):
        told[txn_id] = Told(
            rule_version=p.rule_version,
            citation=p.citation,
            inputs=dict(p.inputs),
            provisional=p.provisional,
            reason=p.reason,
        )
        for number, (account, minor) in enumerate(p.lines, 1):
            if account.case_id == CASE_ID and account.kind != AccountKind.CLAIM_CONTRA:
                lines.append(
                    fact(
                        TxnKind(p.kind),
                        AccountKind(account.kind),
                        p.effective_on,
                        minor,
                        txn_id=txn_id,
                        line=number,
                        invoice_id=account.invoice_id,
                        rule=p.rule,
                    )
                )
    return lines, told


def previewed(case: CaseClaims, as_of: date) -> tuple[Balance, list[StatementLine]]:
    """Return balance and statement of a sample that is charged today, at the end of a day."""
    assert case.charges_from is not None
    lines, told = lines_from(own_costs(case, case.charges_from), 1)
    told[0] = Told()
    charged = with_lines(case, lines, as_of)
    return balance_of(charged, as_of), lines_of(charged, told, as_of)
