"""The base of the comparison: Strawberry with a DataLoader for each relation, the usual way.

Each loader opens a short session of its own in a thread, as there is no asynchronous SQLite driver
among the dependencies. No sign-in, no access predicates, no limits, no masking: all of them would
make it slower still.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import strawberry
from sqlalchemy import select
from sqlalchemy.orm import Session
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader

from finview.api.engine import paging
from finview.cases import models
from finview.customers import models as customers
from finview.db.runtime import Services
from finview.money import Money as Amount

ORDER = [paging.Order(models.Case.id)]
Info = strawberry.Info[dict[str, Any], None]


@strawberry.type
class Address:
    """A postal address."""

    street: str | None
    city: str | None


@strawberry.type
class Debtor:
    """Who owes."""

    row: strawberry.Private[models.Debtor]
    name: str

    @strawberry.field
    async def addresses(self, info: Info) -> list[Address]:
        """Load the addresses."""
        rows = await info.context["addresses"].load(self.row.id)
        return [Address(street=row.street, city=row.city) for row in rows]


@strawberry.type
class Money:
    """An amount."""

    amount: str
    currency: str


@strawberry.type
class Invoice:
    """A claim."""

    number: str
    amount: Money


@strawberry.type
class Customer:
    """The creditor."""

    name: str


@strawberry.type
class Portfolio:
    """A book."""

    row: strawberry.Private[customers.Portfolio]
    name: str

    @strawberry.field
    async def customer(self, info: Info) -> Customer:
        """Load the customer."""
        row = await info.context["customers"].load(self.row.customer_id)
        return Customer(name=row.name)


@strawberry.type
class Case:
    """A case."""

    row: strawberry.Private[models.Case]
    number: str

    @strawberry.field
    async def debtor(self, info: Info) -> Debtor:
        """Load the debtor."""
        row = await info.context["debtors"].load(self.row.debtor_id)
        return Debtor(row=row, name=row.name)

    @strawberry.field
    async def invoices(self, info: Info) -> list[Invoice]:
        """Load the invoices."""
        return [
            Invoice(
                number=row.number or "",
                amount=Money(
                    amount=str(Amount(row.amount_minor, row.currency).decimal),
                    currency=row.currency,
                ),
            )
            for row in await info.context["invoices"].load(self.row.id)
        ]

    @strawberry.field
    async def portfolio(self, info: Info) -> Portfolio:
        """Load the portfolio."""
        row = await info.context["portfolios"].load(self.row.portfolio_id)
        return Portfolio(row=row, name=row.name)


@strawberry.type
class PageInfo:
    """Where a page stands."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class CaseConnection:
    """A page of cases."""

    nodes: list[Case]
    page_info: PageInfo


@strawberry.type
class Query:
    """What can be read."""

    @strawberry.field
    async def cases(self, info: Info, first: int = 50, after: str | None = None) -> CaseConnection:
        """Read a page of cases."""

        def read(session: Session) -> paging.Page[models.Case]:
            return paging.page(session, select(models.Case), ORDER, first=first, after=after)

        found = await info.context["read"](read)
        return CaseConnection(
            nodes=[Case(row=row, number=row.number) for row in found.rows],
            page_info=PageInfo(
                has_next_page=found.has_next,
                end_cursor=found.cursors[-1] if found.cursors else None,
            ),
        )


Read = Callable[[Session, Sequence[int]], list[Any]]


def by_id(model: Any) -> Read:
    """Return what reads rows by their ids."""

    def read(session: Session, keys: Sequence[int]) -> list[Any]:
        found = {row.id: row for row in session.scalars(select(model).where(model.id.in_(keys)))}
        return [found[key] for key in keys]

    return read


def by_parent(model: Any, column: Any) -> Read:
    """Return what reads the rows that point at parents."""

    def read(session: Session, keys: Sequence[int]) -> list[Any]:
        found: dict[int, list[Any]] = {key: [] for key in keys}
        for row in session.scalars(select(model).where(column.in_(keys)).order_by(model.id)):
            found[getattr(row, column.key)].append(row)
        return [found[key] for key in keys]

    return read


LOADERS: dict[str, Read] = {
    "debtors": by_id(models.Debtor),
    "portfolios": by_id(customers.Portfolio),
    "customers": by_id(customers.Customer),
    "addresses": by_parent(models.Address, models.Address.debtor_id),
    "invoices": by_parent(models.Invoice, models.Invoice.case_id),
}


def app(services: Services) -> Any:
    """Return the ASGI application."""

    async def read(call: Callable[[Session], Any]) -> Any:
        def work() -> Any:
            with services.db.reading() as session:
                return call(session)

        return await asyncio.to_thread(work)

    def loader(load: Read) -> DataLoader[int, Any]:
        async def batch(keys: list[int]) -> list[Any]:
            found: list[Any] = await read(lambda session: load(session, keys))
            return found

        return DataLoader(load_fn=batch)

    class Server(GraphQL[dict[str, Any], None]):
        async def get_context(self, *_: Any, **__: Any) -> dict[str, Any]:
            return {"read": read} | {name: loader(load) for name, load in LOADERS.items()}

    graphql = Server(strawberry.Schema(query=Query))

    async def at_graphql(scope: Any, receive: Any, send: Any) -> None:
        await graphql(scope, receive, send)

    return at_graphql
