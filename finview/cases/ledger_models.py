"""Tables of the claim account: append-only double entry, sealed transaction by transaction."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import (
    Base,
    Id,
    Json,
    MinorUnits,
    Scope,
    UtcDateTime,
    forbid,
    table_of,
    trigger,
)


class AccountKind(StrEnum):
    """What an account of the ledger stands for."""

    PRINCIPAL = "PRINCIPAL"
    INTEREST = "INTEREST"
    COSTS_PRE = "COSTS_PRE"
    COSTS_OWN = "COSTS_OWN"
    VAT = "VAT"
    UNALLOCATED = "UNALLOCATED"
    OVERPAID = "OVERPAID"
    CLAIM_CONTRA = "CLAIM_CONTRA"
    BANK_TRUST = "BANK_TRUST"
    SUSPENSE = "SUSPENSE"
    CUSTOMER_PAYABLE = "CUSTOMER_PAYABLE"
    DIRECT_RECEIVED = "DIRECT_RECEIVED"
    BANK_OWN = "BANK_OWN"
    COMMISSION_INCOME = "COMMISSION"
    VAT_PAYABLE = "VAT_PAYABLE"


class TxnKind(StrEnum):
    """What a transaction of the ledger records."""

    OPEN = "OPEN"
    COST = "COST"
    INTEREST = "INTEREST"
    PAYMENT = "PAYMENT"
    ALLOCATION = "ALLOCATION"
    WRITE_OFF = "WRITE_OFF"
    WAIVER = "WAIVER"
    REFUND = "REFUND"
    PAYOUT = "PAYOUT"
    SUSPENSE = "SUSPENSE"


class LedgerAccount(Base):
    """One account: of an invoice, a case, a customer or a business unit; one per kind, currency."""

    __tablename__ = "ledger_account"
    __table_args__ = (
        # Few accounts are of what was overpaid, and they are looked for among all cases.
        Index(
            "ix_ledger_account_overpaid",
            "case_id",
            sqlite_where=text("kind = 'OVERPAID'"),
            postgresql_where=text("kind = 'OVERPAID'"),
        ),
        Index(
            "ux_ledger_account_invoice",
            "invoice_id",
            "kind",
            "currency",
            unique=True,
            sqlite_where=text("invoice_id IS NOT NULL"),
            postgresql_where=text("invoice_id IS NOT NULL"),
        ),
        Index(
            "ux_ledger_account_case",
            "case_id",
            "kind",
            "currency",
            unique=True,
            sqlite_where=text("case_id IS NOT NULL AND invoice_id IS NULL"),
            postgresql_where=text("case_id IS NOT NULL AND invoice_id IS NULL"),
        ),
        Index(
            "ux_ledger_account_customer",
            "customer_id",
            "kind",
            "currency",
            unique=True,
            sqlite_where=text("customer_id IS NOT NULL"),
            postgresql_where=text("customer_id IS NOT NULL"),
        ),
        Index(
            "ux_ledger_account_unit",
            "business_unit_id",
            "kind",
            "currency",
            unique=True,
            sqlite_where=text("business_unit_id IS NOT NULL"),
            postgresql_where=text("business_unit_id IS NOT NULL"),
        ),
    )
    __scope__: ClassVar = Scope(customer="customer_id")

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(16))
    currency: Mapped[str] = mapped_column(String(3))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case_file.id"), index=True)
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"))
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    business_unit_id: Mapped[int | None] = mapped_column(BigInteger)


class LedgerTxn(Base):
    """One posting: what it is, the day it takes effect, and the rule that explains it.

    Lines are written first; then `sealed` goes 0 → 1 once, and the database checks that they add up
    to zero per currency. Only sealed postings are read. `digest` covers everything but the posting
    time and the actor, so the same cause posted twice is recognised.
    """

    __tablename__ = "ledger_txn"
    __table_args__ = (
        Index("ix_ledger_txn_case", "case_id", "effective_on"),
        # Partial: almost nothing is ever reversed, and every row would pay for the index.
        Index(
            "ux_ledger_txn_reverses",
            "reverses_id",
            unique=True,
            sqlite_where=text("reverses_id IS NOT NULL"),
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
        Index(
            "ix_ledger_txn_provisional",
            "case_id",
            sqlite_where=text("provisional = 1"),
            postgresql_where=text("provisional = true"),
        ),
    )

    id: Mapped[Id]
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case_file.id"))
    kind: Mapped[str] = mapped_column(String(12))
    effective_on: Mapped[date]
    posted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    idem_key: Mapped[str] = mapped_column(String(120), unique=True)
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("ledger_txn.id"))
    rule: Mapped[str] = mapped_column(String(80))
    rule_version: Mapped[str] = mapped_column(String(30))
    citation: Mapped[str | None] = mapped_column(String(300))
    inputs: Mapped[dict[str, Any]] = mapped_column(Json)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(String(500))
    provisional: Mapped[bool] = mapped_column(default=False)
    digest: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[int] = mapped_column(SmallInteger, default=0)


class LedgerEntry(Base):
    """One line of a posting: an account and a signed amount, debit positive."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        Index("ix_ledger_entry_account", "account_id", "txn_id"),
        {"sqlite_with_rowid": False},
    )

    txn_id: Mapped[int] = mapped_column(
        ForeignKey("ledger_txn.id"), primary_key=True, autoincrement=False
    )
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_account.id"))
    currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[int] = mapped_column(MinorUnits)


_FIXED = [c.name for c in table_of(LedgerTxn).columns if c.name != "sealed"]
_CHANGED = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in _FIXED)
_UNBALANCED = """(SELECT count(*) FROM ledger_entry WHERE txn_id = NEW.id) < 2
    OR EXISTS (SELECT 1 FROM ledger_entry WHERE txn_id = NEW.id
               GROUP BY currency HAVING sum(amount) <> 0)"""
# A revert deletes for good what was never launched; received money never goes.
_DELETABLE = """OLD.kind <> 'PAYMENT'
    AND EXISTS (SELECT 1 FROM case_file WHERE id = OLD.case_id AND launched_at IS NULL)"""
_ENTRY_DELETABLE = """EXISTS (SELECT 1 FROM ledger_txn t JOIN case_file c ON c.id = t.case_id
    WHERE t.id = OLD.txn_id AND t.kind <> 'PAYMENT' AND c.launched_at IS NULL)"""
_NOT_NEW = """NEW.sealed <> 0
    OR EXISTS (SELECT 1 FROM ledger_txn WHERE id = NEW.id OR idem_key = NEW.idem_key)"""
_LATE = "NOT EXISTS (SELECT 1 FROM ledger_txn WHERE id = NEW.txn_id AND sealed = 0)"


def _refuse(model: type[Base], name: str, on: str, checks: Sequence[tuple[str, str]]) -> None:
    """Refuse a row by conditions that may hold subqueries: (message, condition) in order."""
    table, returned = table_of(model).name, "OLD" if on == "DELETE" else "NEW"
    lite = " ".join(
        f"SELECT RAISE(ABORT, '{message}') WHERE {when.replace('IS DISTINCT FROM', 'IS NOT')};"
        for message, when in checks
    )
    full = " ".join(
        f"IF {when} THEN RAISE EXCEPTION USING MESSAGE = '{message}', "
        "ERRCODE = 'integrity_constraint_violation'; END IF;"
        for message, when in checks
    )
    trigger(
        model,
        name,
        sqlite=f"CREATE TRIGGER {name} BEFORE {on} ON {table} BEGIN {lite} END",
        postgresql=[
            f"""CREATE OR REPLACE FUNCTION finview_{name}() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN {full} RETURN {returned}; END $$""",
            f"""CREATE OR REPLACE TRIGGER {name} BEFORE {on} ON {table}
            FOR EACH ROW EXECUTE FUNCTION finview_{name}()""",
        ],
    )


_refuse(
    LedgerTxn, "ledger_txn_insert", "INSERT", [("ledger: a posting is new and unsealed", _NOT_NEW)]
)
_refuse(
    LedgerTxn,
    "ledger_txn_seal",
    "UPDATE",
    [
        ("ledger: immutable", f"OLD.sealed = 1 OR NEW.sealed <> 1 OR {_CHANGED}"),
        ("ledger: unbalanced", _UNBALANCED),
    ],
)
_refuse(LedgerTxn, "ledger_txn_delete", "DELETE", [("ledger: append-only", f"NOT ({_DELETABLE})")])
_refuse(LedgerEntry, "ledger_entry_insert", "INSERT", [("ledger: late line", _LATE)])
_refuse(
    LedgerEntry,
    "ledger_entry_delete",
    "DELETE",
    [("ledger: append-only", f"NOT {_ENTRY_DELETABLE}")],
)
forbid(LedgerEntry, "ledger_entry_update", on="UPDATE", message="ledger: append-only")
# An account that changed its owner would move money without a posting.
forbid(LedgerAccount, "ledger_account_update", on="UPDATE", message="ledger: append-only")
# SQLite has no deferred triggers; there an unsealed posting is simply never read.
trigger(
    LedgerTxn,
    "ledger_txn_sealed",
    sqlite="CREATE TRIGGER ledger_txn_sealed AFTER INSERT ON ledger_txn WHEN 0 BEGIN SELECT 1; END",
    postgresql=[
        """CREATE OR REPLACE FUNCTION finview_ledger_txn_sealed() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN IF EXISTS (SELECT 1 FROM ledger_txn WHERE id = NEW.id AND sealed = 0) THEN
        RAISE EXCEPTION USING MESSAGE = 'ledger: never sealed',
        ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NULL; END $$""",
        "DROP TRIGGER IF EXISTS ledger_txn_sealed ON ledger_txn",
        """CREATE CONSTRAINT TRIGGER ledger_txn_sealed AFTER INSERT ON ledger_txn
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION finview_ledger_txn_sealed()""",
    ],
)
