"""Portfolios of a customer and the buckets in them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.names import checked_name
from finview.customers.models import Bucket, Customer, Portfolio
from finview.db import audit
from finview.errors import Duplicate
from finview.i18n import N_, sentences

sentences(
    {
        "NAME_REQUIRED": N_("A name is required."),
        "PORTFOLIO_NAME_TAKEN": N_("This customer has a portfolio named {name} already."),
        "BUCKET_NAME_TAKEN": N_("This portfolio has a bucket named {name} already."),
    }
)


def create_portfolio(
    session: Session, customer: Customer, *, name: str, by: int | None
) -> Portfolio:
    """Create a portfolio; its name is unique at the customer."""
    portfolio = Portfolio(
        customer_id=customer.id,
        name=_portfolio_name(session, customer.id, name),
        created_at=clock.now(),
    )
    _flushed(session, portfolio, "PORTFOLIO_NAME_TAKEN")
    audit.record(
        session,
        "portfolio.create",
        actor_id=by,
        subject=("portfolio", portfolio.id),
        after={"name": portfolio.name},
    )
    return portfolio


def update_portfolio(
    session: Session, portfolio: Portfolio, *, name: str | None, by: int | None
) -> Portfolio:
    """Rename a portfolio; the caller has taken the row's next version."""
    before = {"name": portfolio.name}
    if name is not None and name.strip() != portfolio.name:
        portfolio.name = _portfolio_name(session, portfolio.customer_id, name)
        _flushed(session, portfolio, "PORTFOLIO_NAME_TAKEN")
    audit.record(
        session,
        "portfolio.update",
        actor_id=by,
        subject=("portfolio", portfolio.id),
        before=before,
        after={"name": portfolio.name},
    )
    return portfolio


def create_bucket(
    session: Session,
    portfolio: Portfolio,
    *,
    name: str,
    financials: Mapping[str, Any],
    workflow_id: int | None = None,
    by: int | None,
) -> Bucket:
    """Create a bucket; its name is unique in the portfolio.

    `financials` is the canonical JSON of `finview.cases.components.parse_financials`.
    """
    bucket = Bucket(
        customer_id=portfolio.customer_id,
        portfolio_id=portfolio.id,
        name=_bucket_name(session, portfolio.id, name),
        financials=dict(financials),
        workflow_id=workflow_id,
        created_at=clock.now(),
    )
    _flushed(session, bucket, "BUCKET_NAME_TAKEN")
    audit.record(
        session,
        "bucket.create",
        actor_id=by,
        subject=("bucket", bucket.id),
        after=_facts(bucket),
    )
    return bucket


def update_bucket(
    session: Session, bucket: Bucket, *, changes: Mapping[str, Any], by: int | None
) -> Bucket:
    """Change a bucket's name or its own main workflow; `workflow_id` None uses the customer's.

    The caller has taken the row's next version and checked the workflow.
    """
    before = _facts(bucket)
    name = changes.get("name")
    if name is not None and name.strip() != bucket.name:
        bucket.name = _bucket_name(session, bucket.portfolio_id, name)
    if "workflow_id" in changes:
        bucket.workflow_id = changes["workflow_id"]
    _flushed(session, bucket, "BUCKET_NAME_TAKEN")
    audit.record(
        session,
        "bucket.update",
        actor_id=by,
        subject=("bucket", bucket.id),
        before=before,
        after=_facts(bucket),
    )
    return bucket


def set_financials(
    session: Session, bucket: Bucket, financials: Mapping[str, Any], *, by: int | None
) -> Bucket:
    """Replace a bucket's financial components (canonical JSON); linked cases keep their snapshot.

    The caller has taken the row's next version.
    """
    before = _facts(bucket)
    bucket.financials = dict(financials)
    session.flush()
    audit.record(
        session,
        "bucket.financials",
        actor_id=by,
        subject=("bucket", bucket.id),
        before=before,
        after=_facts(bucket),
    )
    return bucket


def _facts(bucket: Bucket) -> dict[str, Any]:
    return {name: getattr(bucket, name) for name in ("name", "workflow_id", "financials")}


def _portfolio_name(session: Session, customer_id: int, name: str) -> str:
    wanted = _name(name)
    taken = select(Portfolio.id).where(
        Portfolio.customer_id == customer_id, Portfolio.name == wanted
    )
    if session.scalar(taken) is not None:
        raise Duplicate("PORTFOLIO_NAME_TAKEN", path=("input", "name"), name=wanted)
    return wanted


def _bucket_name(session: Session, portfolio_id: int, name: str) -> str:
    wanted = _name(name)
    taken = select(Bucket.id).where(Bucket.portfolio_id == portfolio_id, Bucket.name == wanted)
    if session.scalar(taken) is not None:
        raise Duplicate("BUCKET_NAME_TAKEN", path=("input", "name"), name=wanted)
    return wanted


def _flushed(session: Session, row: Portfolio | Bucket, reason: str) -> None:
    """Write a row; somebody else may have taken its name a moment ago."""
    session.add(row)
    name = row.name
    try:
        session.flush()
    except IntegrityError:
        raise Duplicate(reason, path=("input", "name"), name=name) from None


def _name(name: str) -> str:
    return checked_name(name, "NAME_REQUIRED", path=("input", "name"))
