"""The link to a bucket: its financial components and breathing space settle on every case."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Viewer, find
from finview.cases import financials
from finview.cases.components import Breathing, parse_financials
from finview.cases.interest import Policy
from finview.cases.models import Case
from finview.customers.models import Bucket, Customer
from finview.customers.preferences import chain, effective
from finview.db import audit
from finview.db.failpoints import failpoint
from finview.errors import BucketNotInPortfolio
from finview.imports.models import Import, ImportState
from finview.imports.staging import zone_of
from finview.imports.states import locked, require


def link_bucket(session: Session, import_id: int, bucket_id: int, *, viewer: Viewer) -> Import:
    """Link an import's cases to a bucket of its portfolio; linking anew recalculates.

    Raises `BucketNotInPortfolio`, `ImportNotReady` before the records exist, `ImportLaunched`.
    """
    row = locked(session, import_id, viewer)
    bucket = find(session, Bucket, bucket_id, viewer)
    require(session, row, ImportState.CREATED, ImportState.LINKED)
    if bucket.portfolio_id != row.portfolio_id:
        raise BucketNotInPortfolio(path=("input", "bucketId"))
    case_ids = session.scalars(select(Case.id).where(Case.import_id == row.id)).all()
    settle(session, row, bucket, case_ids, by=viewer.user_id)
    failpoint("import.link.settled")
    row.bucket_id, row.state = bucket.id, ImportState.LINKED
    row.lock_version += 1
    audit.record(
        session,
        "import.link",
        actor_id=viewer.user_id,
        subject=("import", row.id),
        bucket=bucket.id,
        cases=len(case_ids),
    )
    return row


def settle(
    session: Session, row: Import, bucket: Bucket, case_ids: Sequence[int], *, by: int | None
) -> None:
    """Snapshot a bucket onto cases; without breathing space costs and interest apply at once."""
    customer = session.get_one(Customer, bucket.customer_id)
    settings = effective(session, chain(customer, bucket), "workflow")
    enabled = bool(settings["breathing_space_enabled"].value)
    financials.link(
        session,
        case_ids,
        bucket_id=bucket.id,
        financials=parse_financials(bucket.financials),
        breathing=Breathing(
            enabled=enabled,
            days=settings["breathing_space_days"].value if enabled else 0,
            policy=Policy(settings["breathing_space_interest"].value),
        ),
        on=clock.today(zone_of(session, row)),
        by=by,
    )
