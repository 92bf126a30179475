"""The ledger recomputed: whole as posted, and every way of tampering is found."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from finview.cases.cases import OpenedCase
from finview.cases.verify import verify
from finview.db import Database

Opener = Callable[..., OpenedCase]
TRIGGERS = (
    "ledger_txn_seal",
    "ledger_txn_delete",
    "ledger_entry_update",
    "ledger_entry_delete",
    "ledger_entry_insert",
)


@pytest.mark.parametrize(
    ("tampering", "fault"),
    [
        ("UPDATE ledger_entry SET amount = amount + 1 WHERE txn_id = 1 AND line = 1", "UNBALANCED"),
        ("UPDATE ledger_entry SET amount = 2 * amount WHERE txn_id = 1", "CHANGED"),
        ("UPDATE ledger_txn SET effective_on = '2026-01-01' WHERE id = 1", "CHANGED"),
        ("UPDATE ledger_txn SET rule = 'mine' WHERE id = 1", "CHANGED"),
        ("UPDATE ledger_txn SET sealed = 0 WHERE id = 1", "UNSEALED"),
        ("DELETE FROM ledger_entry WHERE txn_id = 1 AND line = 2", "LINES"),
        ("DELETE FROM ledger_entry WHERE txn_id = 1", "LINES"),
    ],
)
def test_tampering_behind_the_triggers_is_found(
    database: Database, opener: Opener, tampering: str, fault: str
) -> None:
    with database.unit() as session:
        first, second = opener(session), opener(session)
        assert verify(session).faults == ()
    with database.unit() as session:
        for name in TRIGGERS:
            session.execute(text(f"DROP TRIGGER {name}"))  # fixed names of this test
        session.execute(text(tampering))
    with database.reading() as session:
        (found,) = verify(session).faults
        assert (found.txn_id, found.case_id, found.what) == (1, first.id, fault)
        assert verify(session, [second.id]).faults == ()


@pytest.mark.both_databases
def test_what_was_posted_is_whole(database: Database, opener: Opener, book: Any) -> None:
    assert book.bucket
    with database.unit() as session:
        opener(session)
        found = verify(session)
        assert (found.txns, found.lines, found.faults) == (1, 2, ())
