"""Which cases and debtors: filters, orders, pages, and one by its number."""

from datetime import date
from enum import StrEnum

import strawberry
from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select

from finview.accounts.access import find, visible
from finview.api.cases import Case, CaseConnection, Debtor, DebtorConnection, case_page
from finview.api.common import PageInfo, f
from finview.api.engine.context import BadRequest, Info
from finview.api.engine.ids import key_of
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.sources import (
    Conn,
    Find,
    root,
)
from finview.api.enums import CaseStatus, DebtorKind
from finview.cases.models import Case as CaseRow
from finview.cases.models import Debtor as DebtorRow
from finview.cases.models import Invoice as InvoiceRow
from finview.cases.statement import overpaid
from finview.clock import start_of
from finview.errors import NotFound

WHERE_DEPTH_MAX = 5


@strawberry.input(description="Which cases; what is left out does not restrict.")
class CaseWhere:
    """Which cases."""

    and_: list["CaseWhere"] | None = f(default=None, name="and", description="All of these.")
    or_: list["CaseWhere"] | None = f(default=None, name="or", description="One of these.")
    not_: "CaseWhere | None" = f(default=None, name="not", description="Not this.")
    status: list[CaseStatus] | None = f(default=None, description="In one of the states.")
    customer_id: strawberry.ID | None = f(default=None, description="Of this customer.")
    portfolio_id: strawberry.ID | None = f(default=None, description="Of this portfolio.")
    bucket_id: strawberry.ID | None = f(default=None, description="Of this bucket.")
    import_id: strawberry.ID | None = f(default=None, description="Of this import.")
    debtor_id: strawberry.ID | None = f(default=None, description="Of this debtor.")
    text: str | None = f(
        default=None, description="A part of the debtor's name, or any of the case's numbers."
    )
    overpaid: bool | None = f(
        default=None, description="Whether money received is to be refunded to the debtor."
    )
    opened_from: date | None = f(default=None, description="Opened on this day or later.")
    opened_to: date | None = f(default=None, description="Opened on this day or earlier.")


@strawberry.enum(description="What cases can be ordered by.")
class CaseOrderField(StrEnum):
    """What cases can be ordered by."""

    OPENED_AT = "OPENED_AT"
    NUMBER = "NUMBER"
    STATUS = "STATUS"


@strawberry.enum(description="Which way.")
class OrderDirection(StrEnum):
    """Which way."""

    ASC = "ASC"
    DESC = "DESC"


@strawberry.input(description="One column of an order.")
class CaseOrder:
    """One column of an order."""

    field: CaseOrderField = strawberry.field(description="The column.")
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.ASC, description="Which way."
    )


@strawberry.input(description="Which debtors.")
class DebtorWhere:
    """Which debtors."""

    text: str | None = f(default=None, description="A part of the name, or the number.")
    kind: DebtorKind | None = f(default=None, description="Of this kind.")
    reference: list[str] | None = f(default=None, description="With one of these references.")


def cases(
    info: Info,
    first: int | None = 50,
    after: str | None = None,
    where: CaseWhere | None = None,
    order_by: list[CaseOrder] | None = None,
) -> CaseConnection:
    """Return the visible cases; the order always ends in the id."""
    wanted = visible(select(CaseRow), info.context.who)
    condition = _wanted(where)
    if condition is not None:
        wanted = wanted.where(condition)
    return case_page(info.context, wanted, _order(order_by), first, after)


def _order(order_by: list[CaseOrder] | None = None) -> list[Order]:
    columns = {
        CaseOrderField.OPENED_AT: CaseRow.opened_at,
        CaseOrderField.NUMBER: CaseRow.number,
        CaseOrderField.STATUS: CaseRow.status,
    }
    order = [
        Order(columns[one.field], descending=one.direction is OrderDirection.DESC)
        for one in order_by or ()
    ]
    return [*order, Order(CaseRow.id)]


def _wanted(where: CaseWhere | None = None) -> ColumnElement[bool] | None:
    return None if where is None else _condition(where, 0)


def _condition(where: CaseWhere, depth: int) -> ColumnElement[bool]:
    if depth > WHERE_DEPTH_MAX:
        raise BadRequest(f"where is at most {WHERE_DEPTH_MAX} deep")
    parts: list[ColumnElement[bool]] = []
    if where.status is not None:
        parts.append(or_(false(), *(CaseRow.status == s.value for s in where.status)))
    for column, value, tag in (
        (CaseRow.customer_id, where.customer_id, "cus"),
        (CaseRow.portfolio_id, where.portfolio_id, "pf"),
        (CaseRow.bucket_id, where.bucket_id, "bkt"),
        (CaseRow.import_id, where.import_id, "imp"),
        (CaseRow.debtor_id, where.debtor_id, "dbt"),
    ):
        if value is not None:
            parts.append(column == _key(value, tag))
    if where.overpaid is not None:
        over = CaseRow.id.in_(overpaid())
        parts.append(over if where.overpaid else not_(over))
    if where.opened_from is not None:
        parts.append(CaseRow.opened_at >= start_of(where.opened_from))
    if where.opened_to is not None:
        next_day = date.fromordinal(where.opened_to.toordinal() + 1)
        parts.append(CaseRow.opened_at < start_of(next_day))
    if where.text:
        parts.append(_text(where.text))
    parts += [and_(*(_condition(w, depth + 1) for w in where.and_))] if where.and_ else []
    parts += [or_(*(_condition(w, depth + 1) for w in where.or_))] if where.or_ else []
    parts += [not_(func.coalesce(_condition(where.not_, depth + 1), false()))] if where.not_ else []
    return and_(True, *parts)


def _text(text: str) -> ColumnElement[bool]:
    like = f"%{text.lower()}%"
    names = select(DebtorRow.id).where(
        or_(func.lower(DebtorRow.name).like(like), DebtorRow.number == text)
    )
    invoices = select(InvoiceRow.case_id).where(InvoiceRow.number == text)
    return or_(
        CaseRow.number == text,
        CaseRow.customer_case_number == text,
        CaseRow.customer_client_number == text,
        CaseRow.debtor_id.in_(names),
        CaseRow.id.in_(invoices),
    )


def _key(value: str, tag: str) -> int:
    try:
        return key_of(value, tag)
    except NotFound:
        return 0


def case(info: Info, id: strawberry.ID | None = None, number: str | None = None) -> Case | None:  # noqa: A002  # the contract's word
    """Return one visible case by id or number."""
    ctx = info.context
    if number is not None:
        wanted = visible(select(CaseRow), ctx.who).where(CaseRow.number == number)
        found = ctx.session.scalars(wanted).one_or_none()
        return Case.of(found) if found is not None else None
    try:
        return Case.of(find(ctx.session, CaseRow, key_of(id or "", "cas"), ctx.who))
    except NotFound:
        return None


def debtor(
    info: Info,
    id: strawberry.ID | None = None,  # noqa: A002  # the contract's word
    number: str | None = None,
) -> Debtor | None:
    """Return one visible debtor by id or number."""
    ctx = info.context
    if number is not None:
        wanted = visible(select(DebtorRow), ctx.who).where(DebtorRow.number == number)
        found = ctx.session.scalars(wanted).one_or_none()
        return Debtor.of(found) if found is not None else None
    try:
        return Debtor.of(find(ctx.session, DebtorRow, key_of(id or "", "dbt"), ctx.who))
    except NotFound:
        return None


def debtors(
    info: Info, first: int | None = 50, after: str | None = None, where: DebtorWhere | None = None
) -> DebtorConnection:
    """Return the visible debtors, oldest first."""
    ctx = info.context
    wanted = visible(select(DebtorRow), ctx.who).where(_wanted_debtors(where))
    order = [Order(DebtorRow.id)]
    found: Page[DebtorRow] = page(ctx.session, wanted, order, first=first, after=after)
    return DebtorConnection(
        page=found, nodes=[Debtor.of(r) for r in found.rows], page_info=PageInfo.of(found)
    )


def _wanted_debtors(where: DebtorWhere | None = None) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if where is not None and where.text:
        like = f"%{where.text.lower()}%"
        parts.append(or_(func.lower(DebtorRow.name).like(like), DebtorRow.number == where.text))
    if where is not None and where.kind is not None:
        parts.append(DebtorRow.kind == where.kind.value)
    if where is not None and where.reference is not None:
        parts.append(or_(false(), *(DebtorRow.reference == one for one in where.reference)))
    return and_(True, *parts)


root("cases", Conn("Case", _order, where=_wanted))
root("case", Find("Case", unique="number"))
root("debtors", Conn("Debtor", lambda: [Order(DebtorRow.id)], where=_wanted_debtors))
root("debtor", Find("Debtor", unique="number"))
