"""The tables of matching: what was normalised once, the key index, and the stored decisions."""

from datetime import date
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id

CLUSTERED = {"sqlite_with_rowid": False}
"""On SQLite the primary key *is* the table: half the size, one tree to walk."""


class MatchProfile(Base):
    """One debtor as matchers see it, normalised once and never again per import."""

    __tablename__ = "match_profile"
    __table_args__ = (Index("ix_match_profile_batch", "batch"),)

    debtor_id: Mapped[int] = mapped_column(
        ForeignKey("debtor.id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
        autoincrement=False,
    )
    """Deferred: debtors go first, what the index knows of them before the commit at the latest."""
    kind: Mapped[str] = mapped_column(String(8))
    display: Mapped[str]
    given: Mapped[str]
    given1: Mapped[str]
    family: Mapped[str]
    alt_family: Mapped[str]
    suffix: Mapped[str]
    company_core: Mapped[str]
    legal_form: Mapped[str]
    people: Mapped[int]
    street: Mapped[str]
    house_no: Mapped[str]
    postcode: Mapped[str]
    city: Mapped[str]
    country: Mapped[str]
    email: Mapped[str]
    phone: Mapped[str]
    dob: Mapped[date | None]
    register_id: Mapped[str]
    external_id: Mapped[str]
    further: Mapped[int]
    """How many rows of `match_contact` it has."""
    norm_version: Mapped[int]
    batch: Mapped[int]
    """The write this profile came with; a cached party older than it is read again."""
    keys: Mapped[bytes]
    """Its rows of `match_key`, packed as signed 64-bit numbers: an exact removal needs no index
    by debtor (which would double the key table), also after the rules of keys have changed."""


class MatchContact(Base):
    """Every further phone, e-mail and address ever valid of a debtor; the best one is scored.

    The first of each kind stands in the profile: most debtors need no row here, and loading a
    candidate is one row.
    """

    __tablename__ = "match_contact"
    __table_args__ = CLUSTERED

    debtor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(1), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[str]


class MatchKeyEntry(Base):
    """The candidate index: debtors that share a key meet; `batch` grows with every write."""

    __tablename__ = "match_key"
    __table_args__ = CLUSTERED

    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    debtor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    batch: Mapped[int]


class MatchNameFreq(Base):
    """How many debtors of this database bear a given or family name."""

    __tablename__ = "match_name_freq"
    __table_args__ = CLUSTERED

    field: Mapped[str] = mapped_column(String(8), primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]


class MatchCounter(Base):
    """Two numbers of the index: debtors in it, and the last batch written.

    Writers lock the row, so batches are committed in their order on PostgreSQL too.
    """

    __tablename__ = "match_counter"

    one: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    population: Mapped[int]
    batch: Mapped[int]


class MatchCandidate(Base):
    """One debtor considered for one party of an import, with all that the decision rests on."""

    __tablename__ = "match_candidate"
    __table_args__ = (
        UniqueConstraint("import_id", "party_no", "debtor_id"),
        Index("ix_match_candidate_debtor", "debtor_id"),
    )

    id: Mapped[Id]
    import_id: Mapped[int]
    party_no: Mapped[int]
    debtor_id: Mapped[int]
    rank: Mapped[int]
    percent: Mapped[float]
    raw_percent: Mapped[float]
    evidence: Mapped[list[Any]]
    guards: Mapped[list[Any]]
    floors: Mapped[list[Any]]
    population: Mapped[int]
    matcher: Mapped[str]
    matcher_version: Mapped[str]
    auto_percent: Mapped[float]
    review_percent: Mapped[float]
