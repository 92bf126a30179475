"""Opens the services for a command, and finds who acts and what a command line names."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finview.accounts.access import Role, Viewer, viewer_of
from finview.accounts.users import COMMAND_LINE, create_user, find_user
from finview.api.engine.ids import split
from finview.app import migrate, open_services
from finview.cli.show import locale
from finview.customers.customers import customer_named
from finview.customers.models import Bucket, Customer, Portfolio
from finview.db.base import Base
from finview.db.migrations import check_current, is_current
from finview.db.runtime import Services
from finview.errors import Invalid, NotFound
from finview.i18n import N_, sentences
from finview.settings import Settings

sentences(
    {
        "SETTINGS_INVALID": N_("The setting {name} is not valid: {detail}."),
        "CUSTOMER_NOT_FOUND": N_("There is no customer with the name, number or id {text}."),
        "CUSTOMER_AMBIGUOUS": N_("Several customers are named {text}; give the number."),
        "PORTFOLIO_NOT_FOUND": N_("The customer has no portfolio with the name or id {text}."),
        "BUCKET_NOT_FOUND": N_("The portfolio has no bucket with the name or id {text}."),
    }
)

OWN_EMAIL = COMMAND_LINE
"""The user in whose name commands act; .test belongs to nobody, and it has no password."""

T = TypeVar("T", bound=Base)


def read_settings(**given: Any) -> Settings:
    """Read the settings of the environment; raise `Invalid` with the name of a wrong one."""
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        detail = str(first["msg"]).removeprefix("Value error, ")
        raise Invalid(
            "SETTINGS_INVALID", name=f"FINVIEW_{name}" if name else "FINVIEW_…", detail=detail
        ) from None


@contextmanager
def opened(settings: Settings | None = None, *, role: str = "cli") -> Iterator[Services]:
    """Open the services of an up-to-date database and close them again.

    In development a database that is behind is brought up to date; in production that raises
    `State` and is the business of `finview migrate`.
    """
    services = start(settings or read_settings(), role=role)
    try:
        if services.settings.env == "production":
            check_current(services.db)
        elif not is_current(services.db):
            migrate(services)
        yield services
    finally:
        services.close()


def start(settings: Settings, *, role: str) -> Services:
    """Open the services; the data folder is made where it is missing."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return open_services(settings, role=role)


def acting(services: Services) -> Viewer:
    """Return the viewer of the terminal: an administrator of its own, made on first use."""
    with services.db.unit() as session:
        user = find_user(session, OWN_EMAIL)
        if user is None:
            user = create_user(session, email=OWN_EMAIL, name="finview", role=Role.ADMIN)
        return viewer_of(session, user, locale=locale())


def the_customer(session: Session, text: str) -> Customer:
    """Return the customer with this number, name or id."""
    found = customer_named(session, text)
    if len(found) > 1:
        raise Invalid("CUSTOMER_AMBIGUOUS", text=text)
    customer = found[0] if found else _by_id(session, Customer, text, "cus")
    if customer is None:
        raise NotFound("CUSTOMER_NOT_FOUND", text=text)
    return customer


def the_portfolio(session: Session, customer: Customer, text: str) -> Portfolio:
    """Return the portfolio of a customer with this name or id."""
    portfolio = session.scalar(
        select(Portfolio).where(
            Portfolio.customer_id == customer.id, func.lower(Portfolio.name) == text.lower()
        )
    ) or _by_id(session, Portfolio, text, "pf")
    if portfolio is None or portfolio.customer_id != customer.id:
        raise NotFound("PORTFOLIO_NOT_FOUND", text=text)
    return portfolio


def the_bucket(session: Session, portfolio: Portfolio, text: str) -> Bucket:
    """Return the bucket of a portfolio with this name, or any bucket with this id."""
    bucket = session.scalar(
        select(Bucket).where(
            Bucket.portfolio_id == portfolio.id, func.lower(Bucket.name) == text.lower()
        )
    ) or _by_id(session, Bucket, text, "bkt")
    if bucket is None:
        raise NotFound("BUCKET_NOT_FOUND", text=text)
    return bucket


def existing(path: Path) -> Path:
    """Return a path that is a file; raise `NotFound` otherwise."""
    if not path.is_file():
        raise NotFound("FILE_NOT_FOUND", path=("FILE",), file=str(path))
    return path


sentences({"FILE_NOT_FOUND": N_("There is no file {file}.")})


def _by_id(session: Session, entity: type[T], text: str, tag: str) -> T | None:
    found, key = split(text)
    if found == tag and len(key) == 1:
        return session.get(entity, key[0])
    return session.get(entity, int(text)) if text.isascii() and text.isdigit() else None
