"""Tables of the statements a customer gets: what was collected, what is kept, what is paid out.

A statement is a document: once written nothing of it changes but its file, which comes once.
"""

from datetime import date, datetime
from typing import ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, MinorUnits, Scope, UtcDateTime, append_only
from finview.db.files import StoredFile


class ClientStatement(Base):
    """One statement of a customer over a period in one currency.

    `brought_forward_minor` is what the statement before left for the customer to pay. `vat_rate` is
    in 1/10,000 percent, `vat_rule` and `vat_country` say why. `portfolio_id` stays null: a statement is about the
    whole customer, so nobody sees it who may see some of its portfolios only.
    """

    __tablename__ = "client_statement"
    __table_args__ = (
        Index("client_statement_period", "customer_id", "currency", "to_on", unique=True),
    )
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(20), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    portfolio_id: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    from_on: Mapped[date]
    to_on: Mapped[date]
    collected_minor: Mapped[int] = mapped_column(MinorUnits)
    direct_minor: Mapped[int] = mapped_column(MinorUnits)
    commission_minor: Mapped[int] = mapped_column(MinorUnits)
    vat_minor: Mapped[int] = mapped_column(MinorUnits)
    brought_forward_minor: Mapped[int] = mapped_column(MinorUnits)
    payout_minor: Mapped[int] = mapped_column(MinorUnits)
    vat_rate: Mapped[int]
    vat_rule: Mapped[str] = mapped_column(String(40))
    vat_country: Mapped[str] = mapped_column(String(2))
    payout_txn_id: Mapped[int | None] = mapped_column(ForeignKey("ledger_txn.id"))
    file_id: Mapped[int | None] = mapped_column(ForeignKey(StoredFile.id))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[int | None] = mapped_column(BigInteger)


def _statement() -> ForeignKey:
    # The lines are taken before the sums are known, and the statement is written with its sums.
    return ForeignKey("client_statement.id", deferrable=True, initially="DEFERRED")


class ClientStatementTxn(Base):
    """A transaction of the ledger that a statement has taken: its key says that one does so once."""

    __tablename__ = "client_statement_txn"
    __table_args__ = ({"sqlite_with_rowid": False},)

    txn_id: Mapped[int] = mapped_column(
        ForeignKey("ledger_txn.id"), primary_key=True, autoincrement=False
    )
    statement_id: Mapped[int] = mapped_column(_statement(), index=True)


class ClientStatementPosition(Base):
    """What a statement says of one case: minor units by category, and the agency's share.

    `direct` money the debtor paid to the customer itself. `costs_before` are the creditor's own
    earlier costs, `costs` those of the collection, `costs_vat` the VAT the debtor paid on them. The
    rates of the commission are in 1/10,000 percent: earlier costs go by that of the principal.
    """

    __tablename__ = "client_statement_position"
    __table_args__ = ({"sqlite_with_rowid": False},)

    statement_id: Mapped[int] = mapped_column(_statement(), primary_key=True, autoincrement=False)
    case_id: Mapped[int] = mapped_column(
        ForeignKey("case_file.id"), primary_key=True, autoincrement=False
    )
    direct: Mapped[bool] = mapped_column(primary_key=True)
    principal_minor: Mapped[int] = mapped_column(MinorUnits)
    interest_minor: Mapped[int] = mapped_column(MinorUnits)
    costs_before_minor: Mapped[int] = mapped_column(MinorUnits)
    costs_minor: Mapped[int] = mapped_column(MinorUnits)
    costs_vat_minor: Mapped[int] = mapped_column(MinorUnits)
    principal_rate: Mapped[int]
    interest_rate: Mapped[int]
    costs_rate: Mapped[int]
    commission_minor: Mapped[int] = mapped_column(MinorUnits)
    vat_minor: Mapped[int] = mapped_column(MinorUnits)


class ClientStatementClosing(Base):
    """A case that was closed in the period of a statement, and what was not collected of it."""

    __tablename__ = "client_statement_closing"
    __table_args__ = ({"sqlite_with_rowid": False},)

    statement_id: Mapped[int] = mapped_column(_statement(), primary_key=True, autoincrement=False)
    case_id: Mapped[int] = mapped_column(
        ForeignKey("case_file.id"), primary_key=True, autoincrement=False
    )
    reason: Mapped[str] = mapped_column(String(20))
    closed_on: Mapped[date]
    remaining_minor: Mapped[int] = mapped_column(MinorUnits)


append_only(ClientStatement, once=("file_id",))
for _model in (ClientStatementTxn, ClientStatementPosition, ClientStatementClosing):
    append_only(_model)
