"""Stored files: a row that says what it is, bytes under a random name below the data folder."""

import hashlib
import logging
import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, ClassVar

from sqlalchemy import String
from sqlalchemy.orm import Mapped, Session, mapped_column

from finview import clock
from finview.db import after_commit, after_rollback
from finview.db.base import Base, Id, Scope

log = logging.getLogger(__name__)

PIECE_BYTES = 1024 * 1024
FILENAME_CHARACTERS_MAX = 200


class StoredFile(Base):
    """What is known of a stored file. Its name is for people only; nothing trusts it."""

    __tablename__ = "stored_file"
    __scope__: ClassVar = Scope(customer="customer_id", portfolio="portfolio_id")

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(40))
    filename: Mapped[str] = mapped_column(String(FILENAME_CHARACTERS_MAX))
    content_type: Mapped[str] = mapped_column(String(120))
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    place: Mapped[str] = mapped_column(String(80), unique=True)
    customer_id: Mapped[int | None]
    portfolio_id: Mapped[int | None]
    created_at: Mapped[datetime]


class FileStore:
    """A folder of bytes under random names."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, place: str) -> Path:
        """Return where the bytes of a place lie; raises ValueError for a place we didn't make."""
        if not all(part.isalnum() for part in place.split("/")):
            raise ValueError(f"not a place: {place!r}")
        return self.root / place

    def write(self, pieces: Iterator[bytes]) -> tuple[str, int, str]:
        """Write bytes durably to a new place; return the place, the size and the SHA-256."""
        name = secrets.token_hex(16)
        place = f"{name[:2]}/{name}"
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        try:
            with path.open("xb") as target:
                for piece in pieces:
                    digest.update(piece)
                    size += target.write(piece)
                target.flush()
                os.fsync(target.fileno())
        except BaseException:
            self.discard(place)
            raise
        _sync_folder(path.parent)
        return place, size, digest.hexdigest()

    def discard(self, place: str) -> None:
        """Delete the bytes of a place; one that is gone already is fine."""
        try:
            self.path(place).unlink(missing_ok=True)
        except OSError:
            log.exception("file.discard_failed place=%s", place)


def put_file(
    session: Session,
    store: FileStore,
    source: Path | bytes,
    *,
    filename: str,
    content_type: str,
    kind: str,
    customer_id: int | None = None,
    portfolio_id: int | None = None,
) -> StoredFile:
    """Store a file; its bytes are durable before the row is, and vanish if the unit is undone."""
    place, size, digest = store.write(_pieces(source))
    after_rollback(session, lambda: store.discard(place))
    stored = StoredFile(
        kind=kind,
        filename=_shown(filename),
        content_type=content_type,
        size_bytes=size,
        sha256=digest,
        place=place,
        customer_id=customer_id,
        portfolio_id=portfolio_id,
        created_at=clock.now(),
    )
    session.add(stored)
    session.flush()
    return stored


def path_of(store: FileStore, stored: StoredFile) -> Path:
    """Return where the bytes of a stored file lie; never show it to anybody."""
    return store.path(stored.place)


def open_file(store: FileStore, stored: StoredFile) -> BinaryIO:
    """Open a stored file for reading; raises FileNotFoundError when its bytes are gone."""
    return store.path(stored.place).open("rb")


def delete_file(session: Session, store: FileStore, stored: StoredFile) -> None:
    """Delete the row now and the bytes once this unit is committed."""
    place = stored.place
    session.delete(stored)
    session.flush()
    after_commit(session, lambda: store.discard(place))


def _pieces(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _shown(filename: str) -> str:
    """Return the last part of a name without control and direction characters, at most 200 long."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(c for c in last if c.isprintable()).strip(". ") or "file"
    if len(clean) <= FILENAME_CHARACTERS_MAX:
        return clean
    stem, dot, ending = clean.rpartition(".")
    keep = f"{dot}{ending}"[:20] if stem else ""
    return clean[: FILENAME_CHARACTERS_MAX - len(keep)] + keep


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows can't open a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
