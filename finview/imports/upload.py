"""A file arrives: announced, received in one PUT, then made an import."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import phonenumbers
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Action, Viewer, may
from finview.cases.models import DebtorKind
from finview.cases.numbers import reserve_numbers
from finview.customers.models import Customer, Portfolio
from finview.db import audit
from finview.db.files import StoredFile, put_file
from finview.db.jobs import Subject, enqueue
from finview.db.runtime import Services
from finview.errors import FileTooLarge, Invalid, NotFound, Required, State
from finview.i18n import N_, sentences
from finview.imports.models import Import, ImportFile, ImportState, Upload
from finview.imports.reading import messages as _messages  # noqa: F401  # sentences register
from finview.imports.terms import terms_now
from finview.settings import Settings

sentences(
    {
        "FILENAME_REQUIRED": N_("The file needs a name."),
        "UPLOAD_SIZE": N_("{received} bytes arrived, {declared} were announced. Nothing was kept."),
        "UPLOAD_HASH": N_("The content does not have the announced SHA-256. Nothing was kept."),
        "UPLOAD_NOT_RECEIVED": N_("The file has not been uploaded yet."),
        "UPLOAD_USED": N_("This upload was used already."),
        "UPLOAD_EMPTY": N_("The announced size must be at least 0 bytes."),
        "UPLOADS_OPEN": N_("You have {limit} unused uploads already."),
        "PHONE_COUNTRY_UNKNOWN": N_("This is not a country code: {country}."),
        "NOTICE_SAME_FILE": N_("This file was imported before, as {number}."),
    }
)

_LIFETIME = timedelta(days=1)


def announce(
    session: Session,
    settings: Settings,
    *,
    filename: str,
    size_bytes: int,
    sha256: str | None,
    viewer: Viewer,
) -> Upload:
    """Make room for one file of the viewer; raise `FileTooLarge` over the limit of the settings."""
    may(viewer, Action.IMPORT)
    name = Path(filename.replace("\\", "/")).name.strip()[:255]
    if not name:
        raise Required("FILENAME_REQUIRED", path=("input", "filename"))
    if size_bytes < 0:
        raise Invalid("UPLOAD_EMPTY", path=("input", "sizeBytes"))
    check_size(size_bytes, settings)
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise Invalid("UPLOAD_HASH", path=("input", "sha256"))
    now = clock.now()
    unused = select(func.count()).where(
        Upload.user_id == viewer.user_id, Upload.import_id.is_(None), Upload.expires_at > now
    )
    if (session.scalar(unused) or 0) >= settings.uploads_open_max:
        raise State("UPLOADS_OPEN", limit=settings.uploads_open_max)
    upload = Upload(
        user_id=viewer.user_id,
        filename=name,
        size_declared=size_bytes,
        sha256=sha256 and sha256.lower(),
        created_at=now,
        expires_at=now + _LIFETIME,
    )
    session.add(upload)
    session.flush()
    return upload


def check_size(size_bytes: int, settings: Settings) -> None:
    """Raise `FileTooLarge`, naming the limit in bytes, when a file has too many."""
    if size_bytes > settings.upload_bytes_max:
        raise FileTooLarge("FILE_TOO_LARGE", bytes=size_bytes, limit=settings.upload_bytes_max)


def own_upload(session: Session, upload_id: int | None, viewer: Viewer) -> Upload:
    """Return an upload of the viewer that has not expired; anybody else's is not found."""
    upload = session.get(Upload, upload_id) if upload_id is not None else None
    if upload is None or upload.user_id != viewer.user_id or upload.expires_at <= clock.now():
        raise NotFound.row(upload_id)
    return upload


def receive(session: Session, services: Services, upload: Upload, path: Path, sha256: str) -> None:
    """Take the bytes of a PUT that lie at `path`; a wrong size or hash keeps nothing.

    Sending the same bytes again changes nothing.
    """
    size = path.stat().st_size
    if upload.import_id is not None:
        raise State("UPLOAD_USED")
    if size != upload.size_declared:
        raise Invalid("UPLOAD_SIZE", received=size, declared=upload.size_declared)
    if upload.sha256 is not None and upload.sha256 != sha256:
        raise Invalid("UPLOAD_HASH")
    if upload.file_id is not None:
        return
    stored = put_file(
        session,
        services.files,
        path,
        filename=upload.filename,
        content_type="application/octet-stream",
        kind="original",
    )
    upload.file_id, upload.size_received = stored.id, size
    upload.sha256, upload.received = sha256, True
    session.flush()


def create_import(
    session: Session,
    *,
    upload: Upload,
    invoice_uploads: Sequence[Upload] = (),
    portfolio: Portfolio,
    debtor_kind: str,
    phone_country: str,
    viewer: Viewer,
) -> Import:
    """Make an import of a received file and enqueue its reading.

    The caller has checked that the viewer may see `portfolio`. Raises `Forbidden`, `State` for an
    upload that is missing or used, `Invalid` for an unknown country.
    """
    may(viewer, Action.IMPORT)
    if phone_country not in phonenumbers.SUPPORTED_REGIONS:
        raise Invalid(
            "PHONE_COUNTRY_UNKNOWN", path=("input", "phoneCountry"), country=phone_country
        )
    for given in (upload, *invoice_uploads):
        if given.file_id is None:
            raise State("UPLOAD_NOT_RECEIVED", path=("input", "uploadId"))
        if given.import_id is not None:
            raise State("UPLOAD_USED", path=("input", "uploadId"))
    customer = session.get_one(Customer, portfolio.customer_id)
    row = Import(
        number=reserve_numbers(session, "import", 1)[0],
        customer_id=customer.id,
        portfolio_id=portfolio.id,
        business_unit_id=customer.business_unit_id,
        debtor_kind=DebtorKind(debtor_kind),
        phone_country=phone_country,
        currency=customer.currency,
        file_id=upload.file_id,
        state=ImportState.READING,
        plan={},
        terms=terms_now(session, customer).as_json(),
        formats={},
        notices=_same_file(session, customer.id, upload.sha256 or ""),
        counts={},
        created_by=viewer.user_id,
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    for given in (upload, *invoice_uploads):
        given.import_id = row.id
        stored = session.get_one(StoredFile, given.file_id)
        stored.customer_id, stored.portfolio_id = customer.id, portfolio.id
    for given in invoice_uploads:
        session.get_one(StoredFile, given.file_id).kind = "invoice"
        session.add(ImportFile(import_id=row.id, file_id=given.file_id, kind="invoice"))
    row.job_id = start(session, row, "import.read")
    audit.record(session, "import.create", actor_id=viewer.user_id, subject=("import", row.id))
    return row


def start(session: Session, row: Import, kind: str, *, priority: int = 100) -> int:
    """Enqueue one step of an import; the same step is never open twice."""
    return enqueue(
        session,
        kind,
        {"import_id": row.id, "version": row.mapping_version},
        dedupe_key=f"{kind}:{row.id}:{row.mapping_version}",
        priority=priority,
        subject=Subject(
            kind="import",
            id=row.id,
            customer_id=row.customer_id,
            portfolio_id=row.portfolio_id,
            actor_id=row.created_by,
        ),
    )


def _same_file(session: Session, customer_id: int, sha256: str) -> list[list[object]]:
    earlier = session.scalar(
        select(Import.number)
        .join(StoredFile, StoredFile.id == Import.file_id)
        .where(
            Import.customer_id == customer_id,
            Import.state.not_in((ImportState.REVERTED, ImportState.FAILED)),
            StoredFile.sha256 == sha256,
        )
        .order_by(Import.id.desc())
        .limit(1)
    )
    return [["NOTICE_SAME_FILE", {"number": earlier}]] if earlier else []
