"""Tables of the imports room."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Json, Scope, UtcDateTime


class ImportState(StrEnum):
    """Where an import stands; see `finview.imports.states` for what is allowed when."""

    READING = "READING"
    MAPPING = "MAPPING"
    REVIEW = "REVIEW"
    MATCHING = "MATCHING"
    CREATED = "CREATED"
    LINKED = "LINKED"
    LAUNCHED = "LAUNCHED"
    REVERTED = "REVERTED"
    FAILED = "FAILED"


class Section(StrEnum):
    """The three sections of the review, and the rows left out by a person."""

    READY = "READY"
    NEEDS_CLEANSING = "NEEDS_CLEANSING"
    FAULTY = "FAULTY"
    SKIPPED = "SKIPPED"


class MatchOutcome(StrEnum):
    """What matching made of a debtor of the file."""

    NEW = "NEW"
    MATCHED = "MATCHED"
    REVIEW = "REVIEW"


class Upload(Base):
    """A file on its way in: announced by `uploadCreate`, filled by one PUT, used by one import."""

    __tablename__ = "upload"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("account_user.id"), index=True)
    filename: Mapped[str] = mapped_column(String(255))
    size_declared: Mapped[int] = mapped_column(BigInteger)
    size_received: Mapped[int] = mapped_column(BigInteger, default=0)
    sha256: Mapped[str | None] = mapped_column(String(64))
    received: Mapped[bool] = mapped_column(default=False)
    file_id: Mapped[int | None] = mapped_column(ForeignKey("stored_file.id"))
    import_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Import(Base):
    """One uploaded workbook with everything that came of it."""

    __tablename__ = "import"
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(20), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), index=True)
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolio.id"), index=True)
    business_unit_id: Mapped[int] = mapped_column(ForeignKey("business_unit.id"))
    debtor_kind: Mapped[str] = mapped_column(String(10))
    phone_country: Mapped[str] = mapped_column(String(2))
    currency: Mapped[str] = mapped_column(String(3))
    file_id: Mapped[int | None] = mapped_column(ForeignKey("stored_file.id"))
    error_file_id: Mapped[int | None] = mapped_column(ForeignKey("stored_file.id"))
    state: Mapped[str] = mapped_column(String(20), index=True)
    # {"read": how (reading.process.ReadPlan), "format": xlsx or csv, "mac_dates": from 1904}
    plan: Mapped[dict[str, Any]] = mapped_column(Json)
    # The customer's import settings of that day (terms.Terms).
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    formats: Mapped[dict[str, Any]] = mapped_column(Json)
    notices: Mapped[list[Any]] = mapped_column(Json)
    mapping_version: Mapped[int] = mapped_column(default=0)
    staged: Mapped[bool] = mapped_column(default=False)
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    bucket_id: Mapped[int | None] = mapped_column(ForeignKey("bucket.id"))
    failure: Mapped[dict[str, Any] | None] = mapped_column(Json)
    counts: Mapped[dict[str, Any]] = mapped_column(Json)
    created_by: Mapped[int] = mapped_column(ForeignKey("account_user.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    launched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reverted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reverted_by: Mapped[int | None] = mapped_column(ForeignKey("account_user.id"))
    lock_version: Mapped[int] = mapped_column(default=1)


class ImportColumn(Base):
    """One column of the file, by position, with the field it goes to and why."""

    __tablename__ = "import_column"

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    idx: Mapped[int] = mapped_column(primary_key=True)
    header: Mapped[str] = mapped_column(String(300))
    samples: Mapped[list[str]] = mapped_column(Json)
    field: Mapped[str | None] = mapped_column(String(60))
    score: Mapped[float] = mapped_column()
    margin: Mapped[float] = mapped_column()
    decided_by: Mapped[str] = mapped_column(String(254))
    evidence: Mapped[list[Any]] = mapped_column(Json)
    options: Mapped[dict[str, Any]] = mapped_column(Json)


class ImportRow(Base):
    """One data row: as read, as it will be stored, and what became of it."""

    __tablename__ = "import_row"
    __table_args__ = (
        Index("import_row_section", "import_id", "section", "row_no"),
        Index("import_row_party", "import_id", "party_no", "row_no"),
        Index("import_row_debtor_key", "import_id", "debtor_key"),
        Index("import_row_invoice", "invoice_key"),
        Index("import_row_case", "case_id"),
    )

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True)
    # [[text, type], …] by column, as read.
    raw: Mapped[list[Any]] = mapped_column(Json)
    marks: Mapped[list[str]] = mapped_column(Json)
    # {field: [value, source, raw text]}, as it will be stored.
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    # {field: text} typed by a person; the original stays in `raw`.
    amended: Mapped[dict[str, str | None]] = mapped_column(Json)
    section: Mapped[str] = mapped_column(String(20))
    # The section by the row's own rules, before the rules that look at the whole file.
    section_base: Mapped[str] = mapped_column(String(20))
    skipped: Mapped[bool] = mapped_column(default=False)
    debtor_key: Mapped[str] = mapped_column(String(64))
    client_number: Mapped[str] = mapped_column(String(100))
    invoice_key: Mapped[str] = mapped_column(String(200))
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    # A hash of name and address: rows of one client number that differ in it are looked at.
    who_key: Mapped[str] = mapped_column(String(16))
    party_no: Mapped[int | None] = mapped_column()
    match_state: Mapped[str | None] = mapped_column(String(10))
    decided_by: Mapped[str | None] = mapped_column(String(254))
    debtor_id: Mapped[int | None] = mapped_column(BigInteger)
    percent: Mapped[float | None] = mapped_column()
    case_id: Mapped[int | None] = mapped_column(BigInteger)


class ImportIssue(Base):
    """One reason why a row stands where it stands, or what was repaired in it."""

    __tablename__ = "import_issue"
    __table_args__ = (Index("import_issue_code", "import_id", "code", "field"),)

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    field: Mapped[str | None] = mapped_column(String(60))
    code: Mapped[str] = mapped_column(String(40))
    section: Mapped[str] = mapped_column(String(20))
    params: Mapped[dict[str, Any]] = mapped_column(Json)
    suggestion: Mapped[str | None] = mapped_column(String(1000))
    # Found by looking at the whole file, so found anew whenever a row changes.
    of_file: Mapped[bool] = mapped_column(default=False)


class ImportEdit(Base):
    """One amendment by a person: of a cell, a column, many rows at once, or a decision."""

    __tablename__ = "import_edit"

    id: Mapped[Id]
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), index=True)
    scope: Mapped[str] = mapped_column(String(10))
    before: Mapped[Any] = mapped_column(Json)
    after: Mapped[Any] = mapped_column(Json)
    by: Mapped[int | None] = mapped_column(ForeignKey("account_user.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ImportEffect(Base):
    """One thing the import created, updated or attached: walked backwards by a revert."""

    __tablename__ = "import_effect"
    __table_args__ = (Index("import_effect_entity", "entity", "entity_id"),)

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(String(20))
    entity_id: Mapped[int] = mapped_column(BigInteger)
    action: Mapped[str] = mapped_column(String(10))
    before: Mapped[dict[str, Any] | None] = mapped_column(Json)


class ImportFile(Base):
    """A file that belongs to an import: an uploaded invoice."""

    __tablename__ = "import_file"

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("stored_file.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    invoice_id: Mapped[int | None] = mapped_column(BigInteger)


class MappingMemory(Base):
    """What a person decided about a header of a customer's files; it survives a revert."""

    __tablename__ = "mapping_memory"
    __table_args__ = (Index("mapping_memory_once", "customer_id", "header_norm", unique=True),)
    __scope__: ClassVar = Scope(customer="customer_id")

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    header_norm: Mapped[str] = mapped_column(String(300))
    field: Mapped[str | None] = mapped_column(String(60))
    hits: Mapped[int] = mapped_column(default=1)
    misses: Mapped[int] = mapped_column(default=0)
    options: Mapped[dict[str, Any]] = mapped_column(Json)
    last_used: Mapped[datetime] = mapped_column(UtcDateTime)
