"""Statements to customers: what was collected, the agency's share, what is paid out."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated

import strawberry
from sqlalchemy import select

from finview.accounts.access import Action, find, may, visible
from finview.api.common import Money, Node, StoredFile, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import encode, key_of
from finview.api.engine.scalars import CurrencyCode
from finview.api.engine.sources import CAP, Bulk, Col, Id, MoneyCol, cols, source
from finview.api.imports.files import files
from finview.cases.client_models import ClientStatement as StatementRow
from finview.cases.client_statements import closed_cases, create_statement
from finview.cases.models import Case as CaseRow
from finview.customers.models import Customer as CustomerRow
from finview.db.lists import one_of
from finview.money import Money as MoneyValue

if TYPE_CHECKING:
    from finview.api.cases import Case

Lazy = strawberry.lazy("finview.api.cases")


@strawberry.type(description="What was collected for a customer in a period, and paid out.")
class ClientStatement(Node):
    """One statement to a customer."""

    row: strawberry.Private[StatementRow]
    number: str = f(description="Its number, never used again.")
    from_: date = f(name="from", description="The first day of the period.")
    to: date = f(description="The last day of the period.")
    collected: Money = f(description="Trust money received; below zero: more went back than came.")
    direct: Money = f(description="Received by the customer itself; it bears commission too.")
    commission: Money = f(description="The agency's share of both.")
    vat: Money = f(description="VAT on the share.")
    brought_forward: Money = f(
        description="What the statement before left for the customer to pay."
    )
    payout: Money = f(
        description="Collected less commission, VAT and what was brought forward; below zero the "
        "customer owes it, and the next statement sets it off."
    )

    @classmethod
    def of(cls, row: StatementRow) -> "ClientStatement":
        """Return a row as the API shows it."""

        def money(minor: int) -> Money:
            return Money.of(MoneyValue(minor, row.currency))

        return cls(
            id=strawberry.ID(encode("cst", row.id)),
            row=row,
            number=row.number,
            from_=row.from_on,
            to=row.to_on,
            collected=money(row.collected_minor),
            direct=money(row.direct_minor),
            commission=money(row.commission_minor),
            vat=money(row.vat_minor),
            brought_forward=money(row.brought_forward_minor),
            payout=money(row.payout_minor),
        )

    @strawberry.field(
        description="The cases closed in the period, at most 200; the file lists them all, with "
        "reason and what was not collected."
    )
    def closed(self, info: Info) -> list[Annotated["Case", Lazy]]:
        """Return the closed cases."""
        return _closed(info.context, [self.row.id])[self.row.id]

    @strawberry.field(
        description="The workbook in the customer's language: money received, costs and "
        "commission, closed cases; null until it is written."
    )
    def file(self, info: Info) -> StoredFile | None:
        """Return the workbook."""
        key = self.row.file_id
        return files(info.context, [key]).get(key) if key else None


def _closed(ctx: Context, statement_ids: Sequence[int]) -> dict[int, list["Case"]]:
    from finview.api.cases import Case

    found = closed_cases(ctx.session, statement_ids, CAP)
    keys = sorted({key for listed in found.values() for key in listed})
    rows = ctx.session.scalars(visible(select(CaseRow).where(one_of(CaseRow.id, keys)), ctx.who))
    seen = {row.id: Case.of(row) for row in rows}
    return {key: [seen[one] for one in listed if one in seen] for key, listed in found.items()}


@strawberry.type(description="The answer of `clientStatementCreate`.")
class ClientStatementPayload:
    """The answer of a mutation."""

    statement: ClientStatement | None = f(default=None, description="As it was written.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type
class ClientStatementMutation:
    """Settling with customers."""

    @strawberry.mutation(
        description="Settle with a customer what was collected until the end of a period, and post "
        "the payout. Each sum is taken by one statement: what is entered later for an earlier day, "
        "or goes back, comes in the next one."
    )
    def client_statement_create(
        self,
        info: Info,
        customer_id: Annotated[
            strawberry.ID, strawberry.argument(description="With whom to settle.")
        ],
        from_: Annotated[
            date,
            strawberry.argument(name="from", description="Later than the statement before."),
        ],
        to: Annotated[
            date, strawberry.argument(description="Today at the latest; at most 366 days in all.")
        ],
        currency: Annotated[
            CurrencyCode | None,
            strawberry.argument(
                description="Each currency has statements of its own; may be left out while only "
                "one has something to settle."
            ),
        ] = None,
    ) -> ClientStatementPayload:
        """Create a statement."""
        ctx = info.context

        def act() -> ClientStatement:
            row = find(ctx.session, CustomerRow, key_of(customer_id, "cus", "customerId"), ctx.who)
            may(ctx.who, Action.WORK_CASES)
            made = create_statement(
                ctx.session, row.id, from_on=from_, to_on=to, currency=currency, by=ctx.who.user_id
            )
            return ClientStatement.of(made)

        return mutate(
            ctx,
            ClientStatementPayload,
            "statement",
            act,
            name="clientStatementCreate",
            about=customer_id,
        )


source(
    ClientStatement,
    StatementRow,
    id=Id("cst"),
    from_=Col("from_on"),
    to=Col("to_on"),
    collected=MoneyCol("collected_minor"),
    direct=MoneyCol("direct_minor"),
    commission=MoneyCol("commission_minor"),
    vat=MoneyCol("vat_minor"),
    brought_forward=MoneyCol("brought_forward_minor"),
    payout=MoneyCol("payout_minor"),
    file=Bulk(files, "file_id"),
    closed=Bulk(_closed),
    **cols("number"),
)

__all__ = ["ClientStatement", "ClientStatementMutation", "ClientStatementPayload"]
