"""Tables of bank statements: the files and their lines; the agency's own, no customer sees them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Json, MinorUnits, UtcDateTime


class BankLineState(StrEnum):
    """What became of a line: on a case, waiting for a person, or nothing to book."""

    BOOKED = "BOOKED"
    SUSPENSE = "SUSPENSE"
    IGNORED = "IGNORED"


class BankStatement(Base):
    """One uploaded bank statement of a business unit's account; `counts` grow with its lines."""

    __tablename__ = "bank_statement"

    id: Mapped[Id]
    business_unit_id: Mapped[int] = mapped_column(ForeignKey("business_unit.id"))
    file_id: Mapped[int] = mapped_column(ForeignKey("stored_file.id"))
    reader: Mapped[str | None] = mapped_column(String(80))
    counts: Mapped[dict[str, int]] = mapped_column(Json)
    created_by: Mapped[int] = mapped_column(ForeignKey("account_user.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BankLine(Base):
    """One line of a business unit's bank account, kept once however often it is exported.

    `line_key` is made of what the bank calls the line, or of what it says; `content_key` always of
    what it says, so that another format of the same account is recognised. `why` is the code of why
    it stands where it stands. `txn_id` is its posting in suspense, `payment_id` the payment booked
    or, for money that went back, the one reversed. `proposals` are ids of cases, the likeliest first.
    """

    __tablename__ = "bank_line"
    __table_args__ = (
        Index("bank_line_once", "business_unit_id", "line_key", unique=True),
        Index("bank_line_content", "business_unit_id", "content_key"),
        Index("bank_line_state", "state", "id"),
        Index("bank_line_iban", "iban"),
        Index("bank_line_case", "case_id"),
    )

    id: Mapped[Id]
    statement_id: Mapped[int] = mapped_column(ForeignKey("bank_statement.id"), index=True)
    business_unit_id: Mapped[int] = mapped_column(ForeignKey("business_unit.id"))
    line_no: Mapped[int]
    line_key: Mapped[str] = mapped_column(String(64))
    content_key: Mapped[str] = mapped_column(String(64))
    booked_on: Mapped[date]
    value_on: Mapped[date]
    amount_minor: Mapped[int] = mapped_column(MinorUnits)
    currency: Mapped[str] = mapped_column(String(3))
    name: Mapped[str | None] = mapped_column(String(300))
    iban: Mapped[str | None] = mapped_column(String(34))
    reference: Mapped[str | None] = mapped_column(String(2_000))
    returned: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(10))
    why: Mapped[str] = mapped_column(String(40))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case_file.id"))
    txn_id: Mapped[int | None] = mapped_column(BigInteger)
    payment_id: Mapped[int | None] = mapped_column(BigInteger)
    proposals: Mapped[list[Any]] = mapped_column(Json)
    assigned_by: Mapped[int | None] = mapped_column(BigInteger)
    assigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
