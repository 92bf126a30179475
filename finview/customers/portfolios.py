"""Portfolios of a customer and the buckets in them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
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
    wanted = _name(name)
    taken = select(Portfolio.id).where(
        Portfolio.customer_id == customer.id, Portfolio.name == wanted
    )
    if session.scalar(taken) is not None:
        raise Duplicate("PORTFOLIO_NAME_TAKEN", path=("input", "name"), name=wanted)
    portfolio = Portfolio(customer_id=customer.id, name=wanted, created_at=clock.now())
    session.add(portfolio)
    session.flush()
    audit.record(session, "portfolio.create", actor_id=by, subject=("portfolio", portfolio.id))
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
    wanted = _name(name)
    taken = select(Bucket.id).where(Bucket.portfolio_id == portfolio.id, Bucket.name == wanted)
    if session.scalar(taken) is not None:
        raise Duplicate("BUCKET_NAME_TAKEN", path=("input", "name"), name=wanted)
    bucket = Bucket(
        customer_id=portfolio.customer_id,
        portfolio_id=portfolio.id,
        name=wanted,
        financials=dict(financials),
        workflow_id=workflow_id,
        created_at=clock.now(),
    )
    session.add(bucket)
    session.flush()
    audit.record(session, "bucket.create", actor_id=by, subject=("bucket", bucket.id))
    return bucket


def set_financials(
    session: Session, bucket: Bucket, financials: Mapping[str, Any], *, by: int | None
) -> Bucket:
    """Replace a bucket's financial components (canonical JSON); linked cases keep their snapshot."""
    bucket.financials = dict(financials)
    bucket.lock_version += 1
    audit.record(session, "bucket.financials", actor_id=by, subject=("bucket", bucket.id))
    return bucket


def _name(name: str) -> str:
    return checked_name(name, "NAME_REQUIRED", path=("input", "name"))
