"""Back end 2: a plan as one statement in which the database writes the JSON, for plain fields.

Keys stand in the order of the selection. NULL where no null may be spreads to the whole answer,
which is then NULL: the rows back end answers instead. Every list aggregates an ordered sub-select.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Select,
    String,
    Text,
    and_,
    case,
    cast,
    func,
    inspect,
    or_,
    select,
    type_coerce,
)

from finview.api.engine import paging
from finview.api.engine.dialect import Sql, later, number, text
from finview.api.engine.plan import (
    Cash,
    Const,
    Found,
    Item,
    Leaf,
    Link,
    Listed,
    Node,
    Paged,
    Part,
    Plan,
    Site,
    order_binds,
)
from finview.api.engine.rows import INT_MAX, Builder, asks_cursor, needed, shown, sorted_by
from finview.api.engine.select import Unplanned
from finview.api.engine.sources import Id

Json = list[str | ColumnElement[str]]
"""Pieces of a text: constants, and what the database puts between them."""


class NotPlain(Unplanned):
    """A field that the database can't write; the rows back end can."""


class Writer:
    """Writes the statement of one plan."""

    def __init__(self, plan: Plan, sql: Sql) -> None:
        self.sql = sql
        self.plan = plan
        self.build = Builder(sql, plan)
        self.asked: list[Site] = []
        roots = [(item.key, self._root(item)) for item in plan.roots]
        self.statement = self.build.statement(select(_sql(_object(roots))), *self.asked)

    def _root(self, item: Found | Paged | Const) -> Json:
        if isinstance(item, Const):
            return _constant(item.value)
        if isinstance(item, Paged):
            return self._page(item, None)
        site = self.plan.sites[item.site]
        entity = self.build.entity(item.node.source.model)
        table = _Table(self, entity)
        # An empty text stands for a row that can't be written, as no row at all is null.
        shown_ = func.coalesce(_sql(table.object(item.node, entity)), text(""), type_=Text)
        column = getattr(entity, item.column)
        key = later(site.bind("key"), column.type)
        wanted = table.select(shown_).where(column == key, *self.build.seen(entity))
        found = func.coalesce(wanted.scalar_subquery(), text("null"), type_=Text)
        return [func.nullif(found, text(""), type_=Text)]

    def listed(self, item: Listed, parent: Any) -> Json:
        """Return the list of rows that point at `parent`."""
        field = item.field
        entity = self.build.entity(item.node.source.model)
        table = _Table(self, entity)
        written = _sql(table.object(item.node, entity)).label("j")
        own = getattr(entity, field.key) == parent.id
        order = [getattr(entity, name) for name in field.order]
        rows = (
            table.select(written)
            .where(own, *self.build.seen(entity))
            .order_by(*order)
            .limit(number(field.cap))
            .correlate(parent)
            .subquery()
        )
        return [select(self.list(rows.c.j)).scalar_subquery()]

    def list(self, item: Any, *, of: Any = None) -> ColumnElement[str]:
        """Return rows as a JSON list; NULL when one of them is, as it can't be written."""
        joined = self.sql.joined(item)
        known: Any = func.count(item)
        there: Any = func.count()
        if of is not None:
            joined, known, there = (one.filter(of) for one in (joined, known, there))
        inside = func.coalesce(joined, text(""), type_=Text)
        return case((known == there, text("[") + inside + text("]")))

    def page_of(self, item: Paged, parent: Any) -> Json:
        """Return the page of rows that point at `parent`."""
        return self._page(item, parent)

    def _page(self, item: Paged, parent: Any) -> Json:
        site = self.plan.sites[item.site]
        given = self.plan.given[item.site]
        model: Any = item.source.model
        conditions = [*self.build.seen(model)]
        if given.where is not None:
            conditions.append(given.where)
        if parent is not None:
            conditions.append(getattr(model, item.field.key or "") == parent.id)
        behind = []
        if given.shape.after:
            behind = [paging.beyond(given.order, order_binds(site, given.order))]
        if all(part.name == "__typename" for part in item.parts):
            return _object([(part.key, _constant(str(part.inside))) for part in item.parts])
        self.asked.append(site)
        names = sorted({*needed(item.parts), "id", *(o.column.key for o in given.order)})
        info = any(part.name == "pageInfo" for part in item.parts)
        size = later(site.bind("more" if info else "first"), Integer)
        inner = select(*(getattr(model, name) for name in names)).where(*conditions, *behind)
        inner = inner.order_by(*sorted_by(given.order, model)).limit(size)
        counted = select(func.count()).select_from(model).where(*conditions)
        if parent is not None:
            inner, counted = inner.correlate(parent), counted.correlate(parent)
        page = _Page(self, item, self.build.entity(model, inner.subquery()), paged=info)
        return page.written(counted)


class _Table:
    """One sub-select in the making: its joins."""

    def __init__(self, writer: Writer, entity: Any) -> None:
        self.writer = writer
        self.sql = writer.sql
        self.entity = entity
        self.joins: list[tuple[Any, Any]] = []

    def select(self, *columns: Any) -> Select[Any]:
        """Return the sub-select; what it selects was written before, so its joins are known."""
        found = select(*columns).select_from(self.entity)
        for target, on in self.joins:
            found = found.outerjoin(target, on)
        return found

    def object(self, node: Node, entity: Any) -> Json:
        """Return a row as a JSON object."""
        return _object([(item.key, self.value(item, entity)) for item in node.items])

    def value(self, item: Item, entity: Any) -> Json:
        """Return one field of a row as JSON."""
        match item:
            case Const():
                return _constant(item.value)
            case Leaf():
                return self._leaf(item, entity)
            case Cash():
                return self._cash(item, entity)
            case Link():
                return self._link(item, entity)
            case Listed():
                return self.writer.listed(item, entity)
            case Paged():
                return self.writer.page_of(item, entity)
        raise NotPlain(item.key)

    def _leaf(self, item: Leaf, entity: Any) -> Json:
        field = item.field
        if isinstance(field, Id):
            columns = [getattr(entity, name) for name in field.columns]
            return _quoted(self.sql.public_id(field.tag, columns))
        column = getattr(entity, field.column)
        value = shown(self.sql, field, entity)
        written = self._written(item, column, value)
        if item.required:
            return written
        return [case((value.is_(None), text("null")), else_=_sql(written))]

    def _written(self, item: Leaf, column: Any, value: Any) -> Json:
        if item.allowed is not None:
            allowed = value.in_([text(name) for name in sorted(item.allowed)])
            return [case((allowed, _sql(_quoted(value))))]
        if value is not column:
            if isinstance(column.type, String):
                return [self.sql.quoted(value)]
            return _quoted(value)
        if isinstance(column.type, Boolean):
            return [case((column, text("true")), else_=text("false"))]
        if isinstance(column.type, String):
            return [self.sql.quoted(value)]
        if isinstance(column.type, Integer):
            fits = and_(column >= number(-INT_MAX), column <= number(INT_MAX))
            return [case((fits, cast(column, Text)))]
        raise NotPlain(item.key)

    def _cash(self, item: Cash, entity: Any) -> Json:
        minor, currency = getattr(entity, item.field.minor), getattr(entity, item.field.currency)
        amount = self.sql.money(type_coerce(minor, BigInteger), currency)
        parts: dict[str, Json] = {
            "amount": _quoted(amount),
            "currency": [self.sql.quoted(currency)],
            "__typename": _constant("Money"),
        }
        written = _object([(key, parts[name]) for key, name in item.parts])
        if any(name == "amount" for _, name in item.parts):
            return written
        return [case((amount.is_not(None), _sql(written)))]

    def _link(self, item: Link, entity: Any) -> Json:
        target = self.writer.build.entity(item.node.source.model)
        key = getattr(entity, item.field.key)
        self.joins.append((target, and_(target.id == key, *self.writer.build.seen(target))))
        ways = [(target.id.is_not(None), _sql(self.object(item.node, target)))]
        if not item.required:
            nowhere = or_(key.is_(None), key == number(0))
            ways.append((text("1") == text("1") if item.field.lost else nowhere, text("null")))
        return [case(*ways)]


class _Page:
    """One page in the making: its rows as JSON, numbered where that matters."""

    def __init__(self, writer: Writer, item: Paged, entity: Any, *, paged: bool) -> None:
        self.writer = writer
        self.item = item
        self.entity = entity
        self.given = writer.plan.given[item.site]
        self.site = writer.plan.sites[item.site]
        self.paged = paged
        self.table = _Table(writer, entity)
        self.columns: list[Any] = []

    def written(self, counted: Select[Any]) -> Json:
        """Return the connection as JSON."""
        lists = {
            part.key: self._column(self._row(part))
            for part in self.item.parts
            if part.name in ("nodes", "edges")
        }
        if not lists and not self.paged:
            return _object(
                [(part.key, self._part(part, None, {}, counted)) for part in self.item.parts]
            )
        order = sorted_by(self.given.order, self.entity)
        if self.paged:
            self.columns.append(func.row_number().over(order_by=order).label("n"))
            self.columns.append(func.count().over().label("total"))
            if asks_cursor([part for part in self.item.parts if part.name == "pageInfo"]):
                self.columns.append(self._cursor().label("c"))
        rows = self.table.select(*self.columns).order_by(*order).subquery()
        parts = [(p.key, self._part(p, rows, lists, counted)) for p in self.item.parts]
        # Without an aggregate a page without rows would be no object at all.
        whole = case((func.count() >= number(0), _sql(_object(parts))))
        return [select(whole).select_from(rows).scalar_subquery()]

    def _column(self, value: Json) -> str:
        name = f"j{len(self.columns)}"
        self.columns.append(_sql(value).label(name))
        return name

    def _row(self, part: Part) -> Json:
        if isinstance(part.inside, Node):
            return self.table.object(part.inside, self.entity)
        assert isinstance(part.inside, tuple)
        found = []
        for inner in part.inside:
            if isinstance(inner.inside, Node):
                found.append((inner.key, self.table.object(inner.inside, self.entity)))
            elif inner.name == "cursor":
                found.append((inner.key, _quoted(self.writer.sql.base64url(self._cursor()))))
            else:
                found.append((inner.key, _constant(str(inner.inside))))
        return _object(found)

    def _part(self, part: Part, rows: Any, lists: dict[str, str], counted: Select[Any]) -> Json:
        if part.name == "totalCount":
            return [cast(counted.scalar_subquery(), Text)]
        if part.name == "pageInfo":
            assert isinstance(part.inside, tuple)
            return _object([(inner.key, self._info(inner, rows)) for inner in part.inside])
        if part.key in lists:
            first = later(self.site.bind("first"), Integer)
            shown_ = rows.c.n <= first if self.paged else None
            return [self.writer.list(rows.c[lists[part.key]], of=shown_)]
        return _constant(str(part.inside))

    def _info(self, part: Part, rows: Any) -> Json:
        first = later(self.site.bind("first"), Integer)
        if part.name == "hasNextPage":
            return [case((func.count() > first, text("true")), else_=text("false"))]
        if part.name == "hasPreviousPage":
            return ["true" if self.given.shape.after else "false"]
        if part.name not in ("startCursor", "endCursor"):
            return _constant(str(part.inside))
        last = case((rows.c.total < first, rows.c.total), else_=first)
        at = rows.c.n == (number(1) if part.name == "startCursor" else last)
        found = func.max(rows.c.c).filter(at)
        cursor = _quoted(self.writer.sql.base64url(found))
        return [func.coalesce(_sql(cursor), text("null"), type_=Text)]

    def _cursor(self) -> ColumnElement[str]:
        """Return what a cursor is made of, as `paging.cursor` writes it."""
        sql = self.writer.sql
        parts: Json = [f'["{paging.fingerprint(self.given.order)}"']
        for one in self.given.order:
            name = one.column.key
            type_ = inspect(self.item.source.model).columns[name].type
            column = getattr(self.entity, name)
            parts += [",", sql.in_cursor(column, type_)]
        return _sql([*parts, "]"])


def _object(fields: Sequence[tuple[str, Json]]) -> Json:
    """Return fields as a JSON object."""
    pieces: Json = ["{"]
    for n, (key, value) in enumerate(fields):
        pieces += [("," if n else "") + orjson.dumps(key).decode() + ":", *value]
    return [*pieces, "}"]


def _constant(value: str) -> Json:
    return [orjson.dumps(value).decode()]


def _quoted(value: Any) -> Json:
    """Return a text as JSON that holds nothing to escape."""
    return ['"', type_coerce(value, Text), '"']


def _sql(pieces: Json) -> ColumnElement[str]:
    """Return pieces as one expression; what is constant on both sides of a comma stands in one."""
    found: list[ColumnElement[str]] = []
    constant = ""
    for piece in [*pieces, ""]:
        if isinstance(piece, str) and piece:
            constant += piece
            continue
        if constant:
            found.append(text(constant))
            constant = ""
        if not isinstance(piece, str):
            found.append(piece)
    return reduce(lambda left, right: left + right, found)


__all__ = ["NotPlain", "Writer"]
