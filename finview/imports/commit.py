"""Decided parties become debtors, cases and invoices, each with its effect for the revert."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.cases.cases import open_cases
from finview.cases.debtors import add_contact_points, create_debtors, update_debtors
from finview.customers.models import Customer
from finview.db.bulk import bulk_insert, bulk_update
from finview.imports.meanings import OPEN, amount_is
from finview.imports.models import Import, ImportColumn, ImportEffect, ImportRow, MatchOutcome
from finview.imports.records import ReadyRow, completions, contacts, new_cases, new_debtor
from finview.imports.terms import terms_of
from finview.matching import index
from finview.matching.keys import party_keys
from finview.plugins.contracts.matcher import Party

Effect = tuple[str, int, str, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One debtor of the file and what was decided about it.

    `debtor_id` is set for MATCHED; `party` is the normalised debtor, for the index, with its
    `keys` where the matcher adds its own.
    """

    number: int
    rows: Sequence[ReadyRow]
    party: Party
    outcome: MatchOutcome
    debtor_id: int | None
    percent: float | None
    keys: Sequence[tuple[int, int]] | None
    by: str


def commit(
    session: Session, row: Import, decided: Sequence[Decided], *, by: int | None
) -> list[int]:
    """Create the records of decided parties in bulk and return the new cases' ids.

    Parties in REVIEW only get their number; their rows wait for a person. Runs in the caller's
    transaction; the import's row is locked by the caller.
    """
    customer = session.get_one(Customer, row.customer_id)
    effects: list[Effect] = []
    debtors = _debtors(session, row, customer, decided, effects, by)
    open_amounts = _open_amounts(session, row)
    planned = [
        (entry, numbers, party)
        for party in decided
        if party.number in debtors
        for entry, numbers in new_cases(
            party.rows,
            debtor_id=debtors[party.number],
            customer_id=row.customer_id,
            portfolio_id=row.portfolio_id,
            case_per_invoice=terms_of(row).case_per_invoice,
            open_amounts=open_amounts,
        )
    ]
    opened = open_cases(session, [entry for entry, _, _ in planned], by=by, import_id=row.id)
    case_of: dict[int, int] = {}
    for case, (_, numbers, _) in zip(opened, planned, strict=True):
        case_of.update(dict.fromkeys(numbers, case.id))
        effects.append(("case", case.id, "created", None))
    _mark_rows(session, row.id, decided, debtors, case_of)
    _write_effects(session, row.id, effects)
    return [case.id for case in opened]


def _open_amounts(session: Session, row: Import) -> bool:
    """Tell whether the amounts of an import are what is left to pay."""
    columns = session.execute(
        select(ImportColumn.header, ImportColumn.options).where(
            ImportColumn.import_id == row.id, ImportColumn.field == "amount"
        )
    )
    return any(amount_is(found.header or "", found.options or {}) == OPEN for found in columns)


def _debtors(
    session: Session,
    row: Import,
    customer: Customer,
    decided: Sequence[Decided],
    effects: list[Effect],
    by: int | None,
) -> dict[int, int]:
    """Create the new debtors and complete the matched ones; return debtor ids by party number."""
    new = [party for party in decided if party.outcome == MatchOutcome.NEW]
    ids = create_debtors(
        session,
        [new_debtor(p.rows, row.debtor_kind, customer.locale, row.phone_country) for p in new],
        by=by,
        import_id=row.id,
    )
    index.add(
        session,
        [(key, p.party) for key, p in zip(ids, new, strict=True)],
        keys=[party_keys(p.party) if p.keys is None else p.keys for p in new],
    )
    effects += [("debtor", key, "created", None) for key in ids]
    debtors = {party.number: key for party, key in zip(new, ids, strict=True)}
    matched: dict[int, list[ReadyRow]] = {}
    for party in decided:
        if party.outcome == MatchOutcome.MATCHED and party.debtor_id is not None:
            debtors[party.number] = party.debtor_id
            matched.setdefault(party.debtor_id, []).extend(party.rows)
    wanted = {key: completions(rows) for key, rows in matched.items()}
    before = update_debtors(session, wanted, by=by, import_id=row.id)
    effects += [
        ("debtor", key, "updated", {"old": _plain(old), "new": _plain(wanted[key], old)})
        for key, old in before.items()
    ]
    attached = add_contact_points(
        session,
        {key: contacts(rows, row.phone_country) for key, rows in matched.items()},
        by=by,
        import_id=row.id,
    )
    effects += [
        (point.entity, point.entity_id, "attached", {"debtor_id": point.debtor_id})
        for point in attached
    ]
    return debtors


def _plain(values: Mapping[str, Any], only: Iterable[str] | None = None) -> dict[str, Any]:
    """Return values as JSON keeps them; dates are marked, so that they come back as dates."""
    names = values if only is None else only
    plain: dict[str, Any] = {}
    for name in names:
        value = values.get(name)
        plain[name] = {"date": value.isoformat()} if isinstance(value, date) else value
    return plain


def _mark_rows(
    session: Session,
    import_id: int,
    decided: Sequence[Decided],
    debtors: Mapping[int, int],
    case_of: Mapping[int, int],
) -> None:
    values = [
        {
            "import_id": import_id,
            "row_no": ready.no,
            "match_state": party.outcome.value,
            "decided_by": party.by if party.outcome != MatchOutcome.REVIEW else None,
            "debtor_id": debtors.get(party.number),
            "percent": party.percent,
            "case_id": case_of.get(ready.no),
        }
        for party in decided
        for ready in party.rows
    ]
    bulk_update(session, ImportRow, values, key=("import_id", "row_no"))


def _write_effects(session: Session, import_id: int, effects: Sequence[Effect]) -> None:
    newest = select(func.max(ImportEffect.seq)).where(ImportEffect.import_id == import_id)
    start = (session.scalar(newest) or 0) + 1
    bulk_insert(
        session,
        ImportEffect,
        [
            {
                "import_id": import_id,
                "seq": start + n,
                "entity": entity,
                "entity_id": entity_id,
                "action": action,
                "before": dict(before) if before is not None else None,
            }
            for n, (entity, entity_id, action, before) in enumerate(effects)
        ],
    )
