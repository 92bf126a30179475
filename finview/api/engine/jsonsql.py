"""Back end 2: a plan as one statement in which the database writes the JSON, for plain fields.

Keys stand in the order of the selection. Every list aggregates an ordered sub-select. NULL where no
null may be spreads to the row, which is then written as a mark: the rows back end answers instead.
"""

from collections.abc import Mapping, Sequence
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
    union_all,
)

from finview.api.engine import jsontext, paging
from finview.api.engine.builder import Builder
from finview.api.engine.dialect import Sql, later, number, text
from finview.api.engine.jsontext import HOLE, LOST, NEXT, Show
from finview.api.engine.limits import PAGE_MAX
from finview.api.engine.needs import asks_cursor, needed
from finview.api.engine.plan import (
    Arguments,
    Cash,
    Const,
    Found,
    Item,
    Leaf,
    Link,
    Listed,
    Made,
    Node,
    Paged,
    Part,
    Plan,
    Site,
    order_binds,
)
from finview.api.engine.rows import INT_MAX, shown, sorted_by
from finview.api.engine.select import Unplanned
from finview.api.engine.sources import Bulk, Id

Json = list[str | ColumnElement[str]]
"""Pieces of a text: constants, and what the database puts between them."""


class NotPlain(Unplanned):
    """A field that the database can't write; the rows back end can."""


class Writer:
    """Writes the statement of one plan: it has one row."""

    def __init__(self, plan: Plan, sql: Sql) -> None:
        self.sql = sql
        self.plan = plan
        self.build = Builder(sql, plan)
        self.asked: list[Site] = []
        self.holes: list[Made] = []
        self.columns: list[Any] = []
        self.pages: list[tuple[Any, list[int]]] = []
        """The rows of each root page, and which columns are aggregates of them."""
        show = jsontext.framed([(item.key, self._root(item)) for item in plan.roots])
        statement = self.build.statement(self._select(), *self.asked)
        self.text = jsontext.Text(statement, show, tuple(self.holes))

    def put(self, column: Any) -> int:
        """Add a column of the one row and return where it stands."""
        self.columns.append(column.label(f"v{len(self.columns)}"))
        return len(self.columns) - 1

    def _select(self) -> Select[Any]:
        """Return the statement: pages stand beside each other, each a row of aggregates."""
        if len(self.pages) == 1:
            return select(*self.columns).select_from(self.pages[0][0])
        columns, pages = [*self.columns], []
        for rows, own in self.pages:
            page = select(*(columns[n] for n in own)).select_from(rows).subquery()
            pages.append(page)
            for n in own:
                columns[n] = page.c[f"v{n}"]
        return select(*(columns or [text("")])).select_from(*pages)

    def _root(self, item: Found | Paged | Const) -> Show:
        if isinstance(item, Const):
            return jsontext.always(orjson.dumps(item.value).decode())
        if isinstance(item, Paged):
            page = self._page(item, None)
            return _RootPage(self, item, *page).written()
        site = self.plan.sites[item.site]
        entity = self.build.entity(item.node.source.model)
        table = _Table(self, entity)
        # A row that can't be written is something else than no row, which is null.
        written = func.coalesce(_sql(table.object(item.node, entity)), text(LOST), type_=Text)
        column = getattr(entity, item.column)
        key = later(site.bind("key"), column.type)
        wanted = table.select(written).where(column == key, *self.build.seen(entity))
        found = func.coalesce(wanted.scalar_subquery(), text("null"), type_=Text)
        return jsontext.column(self.put(found))

    def listed(self, item: Listed, parent: Any) -> Json:
        """Return the list of rows that point at `parent`."""
        field = item.field
        entity = self.build.entity(item.node.source.model)
        self.build.under(entity, parent)
        table = _Table(self, entity)
        written = _sql(table.object(item.node, entity)).label("j")
        own = getattr(entity, field.key) == parent.id
        order = [getattr(entity, name) for name in field.order]
        rows = (
            table.select(written)
            .where(own, *self.build.seen(entity, own))
            .order_by(*order)
            .limit(number(field.cap))
            .correlate(*self.build.above[entity])
            .subquery()
        )
        inside = select(self.joined(rows.c.j)).scalar_subquery()
        return ["[", func.coalesce(inside, text(""), type_=Text), "]"]

    def joined(self, item: Any, between: str = ",") -> Any:
        """Return the texts of rows in one, NULL when there are no rows."""
        return self.sql.joined(func.coalesce(item, text(LOST), type_=Text), between)

    def _merged(self, model: Any, each: Sequence[Select[Any]], given: Arguments) -> Any:
        """Return the rows of several statements in the order of a page."""
        if self.sql.plans_once:
            # PostgreSQL merges what is ordered already; SQLite orders what it merges itself.
            order, most = sorted_by(given.order, model), number(PAGE_MAX + 1)
            each = [one.order_by(*order).limit(most) for one in each]
        merged = union_all(*each) if len(each) > 1 else each[0]
        return merged.order_by(None).order_by(*sorted_by(given.order, merged.selected_columns))

    def nested_page(self, item: Paged, parent: Any) -> Json:
        """Return the page of rows that point at `parent`."""
        return _NestedPage(self, item, *self._page(item, parent)).written()

    def hole(self, item: Made, entity: Any) -> Json:
        """Return the place of a value that a function makes of a key."""
        assert isinstance(item.field, Bulk)
        self.holes.append(item)
        key = func.coalesce(getattr(entity, item.field.column), number(0), type_=BigInteger)
        return [f"{HOLE}{len(self.holes) - 1}:", cast(key, Text), HOLE]

    def _page(self, item: Paged, parent: Any) -> tuple[Any, Select[Any]]:
        """Return the rows of a page under a name, perhaps with one more, and the count of all."""
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
        if any(part.name != "__typename" for part in item.parts):
            self.asked.append(site)
        asked = self.build.asked(model, item.parts)
        names = sorted({*needed(item.parts), *asked, "id", *(o.column.key for o in given.order)})
        size = later(site.bind("more" if _asks_info(item) else "first"), Integer)
        columns = [getattr(model, name) for name in names]
        inner: Any = select(*columns).where(*conditions, *behind)
        each = self.build.each(model) if parent is None else []
        if each:
            rest = [*([] if given.where is None else [given.where]), *behind]
            inner = self._merged(model, [select(*columns).where(one, *rest) for one in each], given)
        else:
            inner = inner.order_by(*sorted_by(given.order, model))
        if parent is None and self.sql.plans_once:
            # Of a bind the planner thinks that it is a tenth of the table, and so plans each time.
            most = self.build.entity(model, inner.limit(number(PAGE_MAX + 1)).subquery())
            inner = select(*(getattr(most, name) for name in names))
            inner = inner.order_by(*sorted_by(given.order, most))
        inner = inner.limit(size)
        counted = select(func.count()).select_from(model).where(*conditions)
        if parent is not None:
            inner, counted = inner.correlate(parent), counted.correlate(parent)
        return self.build.entity(model, inner.subquery()), counted


def _asks_info(item: Paged) -> bool:
    return any(part.name == "pageInfo" for part in item.parts)


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
                return self.writer.nested_page(item, entity)
            case Made(field=Bulk()):
                return self.writer.hole(item, entity)
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
        self.writer.build.under(target, entity)
        on = target.id == key
        self.joins.append((target, and_(on, *self.writer.build.seen(target, on))))
        ways = [(target.id.is_not(None), _sql(self.object(item.node, target)))]
        if not item.required:
            nowhere = or_(key.is_(None), key == number(0))
            ways.append((text("1") == text("1") if item.field.lost else nowhere, text("null")))
        return [case(*ways)]


class _Page:
    """One page in the making: its rows as JSON."""

    def __init__(self, writer: Writer, item: Paged, entity: Any, counted: Select[Any]) -> None:
        self.writer = writer
        self.item = item
        self.entity = entity
        self.counted = counted
        self.given = writer.plan.given[item.site]
        self.site = writer.plan.sites[item.site]
        self.paged = _asks_info(item)
        self.order = sorted_by(self.given.order, entity)
        self.table = _Table(writer, entity)
        self.columns: list[Any] = []
        self.lists = {
            part.key: self._column(_sql(self._row(part)))
            for part in item.parts
            if part.name in ("nodes", "edges")
        }
        asks_ends = asks_cursor([part for part in item.parts if part.name == "pageInfo"])
        self.ends = self._column(self._cursor()) if asks_ends else None

    def _rows(self) -> Any:
        """Return the sub-select of the rows with their texts."""
        columns = self.columns or [self.entity.id]
        return self.table.select(*columns).order_by(*self.order).subquery()

    def _column(self, value: ColumnElement[Any]) -> str:
        name = f"j{len(self.columns)}"
        self.columns.append(value.label(name))
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


class _RootPage(_Page):
    """The page of a root field, which Python frames: whatever is known of it as a whole.

    Window functions would make the database keep the rows twice.
    """

    def written(self) -> Show:
        """Return what shows the connection."""
        put, rows = self.writer.put, self._rows()
        lists = {
            key: put(self.writer.joined(rows.c[name], NEXT if self.paged else ","))
            for key, name in self.lists.items()
        }
        own = [*lists.values()]
        ends = None
        if self.paged:
            count, cursors = put(func.count()), None
            if self.ends is not None:
                cursors = put(self.writer.sql.joined(rows.c[self.ends], NEXT))
            own += [count, *([] if cursors is None else [cursors])]
            ends = jsontext.Ends(self.site.bind("first"), count, cursors, self.given.shape.after)
        if own:
            self.writer.pages.append((rows, own))
        return jsontext.framed(
            [(part.key, self._part(part, lists, ends)) for part in self.item.parts]
        )

    def _part(self, part: Part, lists: Mapping[str, int], ends: jsontext.Ends | None) -> Show:
        if part.name == "totalCount":
            return jsontext.column(self.writer.put(cast(self.counted.scalar_subquery(), Text)))
        if part.key in lists:
            index = lists[part.key]
            return ends.listed(index) if ends else jsontext.listed(index)
        if part.name == "pageInfo":
            assert ends is not None
            assert isinstance(part.inside, tuple)
            return jsontext.framed([(inner.key, ends.info(inner)) for inner in part.inside])
        return jsontext.always(orjson.dumps(part.inside).decode())


class _NestedPage(_Page):
    """A page for each parent, which the database frames: its rows are numbered where it matters."""

    def written(self) -> Json:
        """Return the connection as JSON."""
        if not self.lists and not self.paged:
            return _object([(part.key, self._part(part, None)) for part in self.item.parts])
        if self.paged:
            self.columns.append(func.row_number().over(order_by=self.order).label("n"))
            self.columns.append(func.count().over().label("total"))
        rows = self._rows()
        parts = [(part.key, self._part(part, rows)) for part in self.item.parts]
        # Without an aggregate a page without rows would be no object at all.
        whole = case((func.count() >= number(0), _sql(_object(parts))))
        return [select(whole).select_from(rows).scalar_subquery()]

    def _part(self, part: Part, rows: Any) -> Json:
        if part.name == "totalCount":
            return [cast(self.counted.scalar_subquery(), Text)]
        if part.name == "pageInfo":
            assert isinstance(part.inside, tuple)
            return _object([(inner.key, self._info(inner, rows)) for inner in part.inside])
        if part.key in self.lists:
            joined = self.writer.joined(rows.c[self.lists[part.key]])
            if self.paged:
                first = later(self.site.bind("first"), Integer)
                joined = joined.filter(rows.c.n <= first)
            return ["[", func.coalesce(joined, text(""), type_=Text), "]"]
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
        found = func.max(rows.c[self.ends]).filter(at)
        cursor = _quoted(self.writer.sql.base64url(found))
        return [func.coalesce(_sql(cursor), text("null"), type_=Text)]


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
