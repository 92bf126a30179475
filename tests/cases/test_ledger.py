"""The ledger balances to zero, happens once, and never changes; the database itself says so."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.orm import Session

from finview.cases.cases import OpenedCase
from finview.cases.ledger import Account, Posting, post, reverse
from finview.cases.ledger_models import AccountKind, LedgerEntry, LedgerTxn, TxnKind
from finview.cases.models import Case
from finview.clock import now
from finview.db import Database
from finview.errors import IdempotencyMismatch, State

Opener = Callable[..., OpenedCase]
pytestmark = pytest.mark.both_databases


def cost(case_id: int, minor: int, key: str = "cost", contra: int | None = None) -> Posting:
    own = Account(kind=AccountKind.COSTS_OWN, currency="EUR", case_id=case_id)
    other = Account(kind=AccountKind.CLAIM_CONTRA, currency="EUR", case_id=case_id)
    return Posting(
        case_id=case_id,
        kind=TxnKind.COST,
        effective_on=date(2026, 9, 1),
        idem_key=key,
        lines=((own, minor), (other, -minor if contra is None else contra)),
        rule="cost.fixed",
    )


def total(session: Session) -> int:
    return session.scalar(select(func.coalesce(func.sum(LedgerEntry.amount), 0))) or 0


def test_every_posting_is_sealed_and_adds_up_to_zero(database: Database, opener: Opener) -> None:
    with database.unit() as session:
        case = opener(session)
        post(session, [cost(case.id, 500, "a"), cost(case.id, 700, "b")], by=None)
        assert session.scalars(select(LedgerTxn.sealed)).all() == [1, 1, 1]
        assert total(session) == 0


def test_unbalanced_lines_are_refused_by_the_database(database: Database, opener: Opener) -> None:
    with database.unit() as session:
        case = opener(session)
    for wrong in (cost(case.id, 500, contra=-499), cost(case.id, 500, contra=500)):
        with pytest.raises(IntegrityError, match="unbalanced"), database.unit() as session:
            post(session, [wrong], by=None)


def test_a_single_line_is_refused(database: Database, opener: Opener) -> None:
    with database.unit() as session:
        case = opener(session)
    whole = cost(case.id, 0)
    single = Posting(**{n: getattr(whole, n) for n in whole.__slots__} | {"lines": whole.lines[:1]})
    with pytest.raises(IntegrityError, match="unbalanced"), database.unit() as session:
        post(session, [single], by=None)


CHANGES = (
    "UPDATE ledger_entry SET amount = amount + 1",
    "UPDATE ledger_txn SET effective_on = '2026-01-01'",
    "UPDATE ledger_txn SET sealed = 0",
    "UPDATE ledger_account SET kind = 'INTEREST'",
    "DELETE FROM ledger_entry",
    "DELETE FROM ledger_txn",
    """INSERT INTO ledger_entry SELECT txn_id, 9, account_id, currency, 0 FROM ledger_entry
    WHERE line = 1""",
)


@pytest.mark.parametrize("statement", CHANGES)
def test_what_was_posted_can_not_be_changed_once_launched(
    database: Database, opener: Opener, statement: str
) -> None:
    with database.unit() as session:
        case = opener(session)
        session.get_one(Case, case.id).launched_at = now()
    with pytest.raises(DatabaseError, match="ledger: "), database.unit() as session:
        session.execute(text(statement))


@pytest.mark.parametrize("statement", [s for s in CHANGES if not s.startswith("DELETE")])
def test_before_the_launch_only_deleting_is_possible(
    database: Database, opener: Opener, statement: str
) -> None:
    with database.unit() as session:
        opener(session)
    with pytest.raises(DatabaseError, match="ledger: "), database.unit() as session:
        session.execute(text(statement))


@pytest.mark.parametrize(
    "statement", ["UPDATE case_file SET launched_at = NULL", "DELETE FROM case_file"]
)
def test_a_launch_can_not_be_taken_back(database: Database, opener: Opener, statement: str) -> None:
    with database.unit() as session:
        session.get_one(Case, opener(session).id).launched_at = now()
    with pytest.raises(DatabaseError, match="case_file: "), database.unit() as session:
        session.execute(text(statement))


def test_the_same_cause_is_posted_once(database: Database, opener: Opener) -> None:
    with database.unit() as session:
        case = opener(session)
        first = post(session, [cost(case.id, 500), cost(case.id, 500)], by=None)
        again = post(session, [cost(case.id, 500)], by=1)
        assert first == again * 2
        with pytest.raises(IdempotencyMismatch, match="LEDGER_KEY_REUSED"):
            post(session, [cost(case.id, 501)], by=None)


def test_a_reversal_mirrors_once_and_is_never_reversed(database: Database, opener: Opener) -> None:
    with database.unit() as session:
        case = opener(session)
        (posted,) = post(session, [cost(case.id, 500)], by=None)
        (mirror,) = reverse(session, [posted], by=None, reason="MISTAKE")
        found = session.get_one(LedgerTxn, mirror)
        assert (found.reverses_id, found.effective_on) == (posted, date(2026, 9, 1))
        for refused in (posted, mirror):
            with pytest.raises(State, match="LEDGER_REVERSED"):
                reverse(session, [refused], by=None, reason="AGAIN")


def test_a_new_posting_never_replaces_an_old_one(database: Database, opener: Opener) -> None:
    with database.unit() as session:
        opener(session)
    columns = "id, case_id, kind, effective_on, posted_at, idem_key, rule, rule_version, inputs"
    copied = f"INSERT INTO ledger_txn ({columns}, provisional, digest, sealed) SELECT {columns}"
    with pytest.raises(DatabaseError, match="ledger: "), database.unit() as session:
        session.execute(text(f"{copied}, provisional, digest, 0 FROM ledger_txn"))


@given(amounts=st.lists(st.integers(1, 10**12), min_size=1, max_size=6), data=st.data())
def test_any_mix_of_postings_and_reversals_adds_up_to_zero(
    database: Database, opener: Opener, amounts: list[int], data: st.DataObject
) -> None:
    with database.unit() as session:
        case = opener(session)
        keyed = [cost(case.id, m, f"{case.id}:{n}") for n, m in enumerate(amounts)]
        ids = post(session, keyed, by=None)
        undone = data.draw(st.sets(st.sampled_from(ids)))
        reverse(session, sorted(undone), by=None, reason="X")
        kept = sum(m for m, txn in zip(amounts, ids, strict=True) if txn not in undone)
        claim = select(func.sum(LedgerEntry.amount)).join(
            LedgerTxn, LedgerTxn.id == LedgerEntry.txn_id
        )
        own = claim.where(LedgerEntry.line == 1, LedgerTxn.kind == "COST")
        assert (session.scalar(own.where(LedgerTxn.case_id == case.id)) or 0) == kept
        assert total(session) == 0
