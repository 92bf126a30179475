"""Back end 1: a plan as a few Core statements whose rows become the answer.

Rows that a key points at join their parent's statement; each list of rows that point back is one
statement for all parents. Functions that make values are called once with all keys.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Integer,
    Select,
    String,
    and_,
    func,
    select,
)

from finview.api.engine import paging
from finview.api.engine.builder import Builder
from finview.api.engine.context import Context, TooManyRows
from finview.api.engine.dialect import Sql, Statement, from_row, later
from finview.api.engine.needs import asks_count, asks_cursor, needed
from finview.api.engine.plan import (
    ROWS_MAX,
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
    order_binds,
)
from finview.api.engine.select import Unplanned
from finview.api.engine.sources import Bulk, Calc, Col, Id
from finview.db.base import Json
from finview.money import digits

INT_MAX = 2**31 - 1

Row = Sequence[Any]
NONE: list[Any] = []


class State:
    """One execution: what is bound, and the values of lists and functions by parent."""

    __slots__ = ("binds", "connection", "ctx", "given", "loaded", "slots", "sql")

    def __init__(
        self, ctx: Context, sql: Sql, given: Sequence[Arguments], binds: dict[str, Any], size: int
    ) -> None:
        self.ctx = ctx
        self.sql = sql
        self.given = given
        self.binds = binds
        self.connection: Connection = ctx.session.connection()
        self.slots: list[Mapping[Any, Any]] = [{}] * size
        self.loaded = 0

    def fetch(self, statement: Statement, keys: Sequence[int] | None = None) -> Sequence[Row]:
        """Return the driver's rows of a statement; raises `TooManyRows`."""
        binds = self.binds if keys is None else {**self.binds, "keys": self.sql.packed(keys)}
        result = self.connection.exec_driver_sql(statement.text, statement.params(binds))
        rows: Sequence[Row] = result.cursor.fetchall()
        result.close()
        self.loaded += len(rows)
        if self.loaded > ROWS_MAX:
            raise TooManyRows(ROWS_MAX)
        return rows


Get = Callable[[Row, State], Any]
Load = Callable[[State, Sequence[int]], Mapping[Any, Any]]


class Table:
    """One statement in the making: its columns, its joins, and what its rows' parts wait for."""

    def __init__(self, build: Builder, entity: Any) -> None:
        self.build = build
        self.entity = entity
        self.columns: list[Any] = []
        self.joins: list[tuple[Any, Any]] = []
        self.waiting: list[tuple[int, int, Load]] = []

    def put(self, column: Any) -> int:
        """Add a column and return where it stands in a row."""
        self.columns.append(column)
        return len(self.columns) - 1

    def select(self) -> Select[Any]:
        """Return the statement without its conditions."""
        found = select(*self.columns).select_from(self.entity)
        for target, on in self.joins:
            found = found.outerjoin(target, on)
        return found

    def fill(self, rows: Sequence[Row], state: State) -> None:
        """Load what the rows wait for, all rows at once."""
        for slot, index, load in self.waiting:
            keys = sorted({row[index] for row in rows if row[index]})
            state.slots[slot] = load(state, keys) if keys else {}

    def object(self, node: Node, entity: Any) -> Get:
        """Return what makes the JSON object of a row."""
        made = [(item.key, self.getter(item, entity)) for item in node.items]
        return lambda row, state: {key: get(row, state) for key, get in made}

    def getter(self, item: Item, entity: Any) -> Get:
        """Return what makes one field of a row."""
        match item:
            case Const():
                value = item.value
                return lambda _row, _state: value
            case Leaf():
                return self._leaf(item, entity)
            case Cash():
                return self._cash(item, entity)
            case Made():
                return self._made(item, entity)
            case Link():
                return self._link(item, entity)
            case Listed():
                return self._wait(entity.id, Listing(self.build, item).load, lambda: NONE)
            case Paged():
                pages = Pages(self.build, item)
                return self._wait(entity.id, pages.load, None)

    def _wait(self, column: Any, load: Load, empty: Callable[[], Any] | None) -> Get:
        slot, index = self.build.slot(), self.put(column)
        self.waiting.append((slot, index, load))
        if empty is None:
            return lambda row, state: state.slots[slot][row[index]]
        return lambda row, state: state.slots[slot].get(row[index]) or empty()

    def _leaf(self, item: Leaf, entity: Any) -> Get:
        sql, field = self.build.sql, item.field
        if isinstance(field, Id):
            index = self.put(sql.public_id(field.tag, [getattr(entity, c) for c in field.columns]))
            return lambda row, _state: row[index]
        index = self.put(shown(sql, field, entity))
        convert = _converter(sql, entity, field, item.allowed)
        if convert is None:
            return lambda row, _state: row[index]
        return lambda row, _state: None if row[index] is None else convert(row[index])

    def _cash(self, item: Cash, entity: Any) -> Get:
        minor = self.put(getattr(entity, item.field.minor))
        currency = self.put(getattr(entity, item.field.currency))
        parts: list[tuple[str, Callable[[Row], Any]]] = []
        for key, name in item.parts:
            if name == "amount":
                parts.append((key, lambda row: amount(row[minor], row[currency])))
            elif name == "currency":
                parts.append((key, lambda row: row[currency]))
            else:
                parts.append((key, lambda _row: "Money"))

        def get(row: Row, _state: State) -> Any:
            digits(row[currency])  # raises for a currency nobody knows, as the resolver does
            return {key: part(row) for key, part in parts}

        return get

    def _made(self, item: Made, entity: Any) -> Get:
        field, complete = item.field, item.complete
        if isinstance(field, Calc):
            make = field.make
            columns = [self._raw(entity, name) for name in field.columns]
            return lambda row, state: complete(
                make(state.ctx, *(process(row[index]) for index, process in columns))
            )
        bulk, site = field, item.site
        assert isinstance(bulk, Bulk)
        assert site is not None

        def load(state: State, keys: Sequence[int]) -> Mapping[Any, Any]:
            found = bulk.make(state.ctx, keys, **state.given[site].values)
            return {key: complete(found.get(key)) for key in keys}

        slot, index = self.build.slot(), self.put(getattr(entity, bulk.column))
        self.waiting.append((slot, index, load))
        return lambda row, state: state.slots[slot][row[index]] if row[index] else complete(None)

    def _raw(self, entity: Any, name: str) -> tuple[int, Callable[[Any], Any]]:
        column = getattr(entity, name)
        process = from_row(column.type, self.build.sql)
        return self.put(column), process or (lambda value: value)

    def _link(self, item: Link, entity: Any) -> Get:
        target = self.build.entity(item.node.source.model)
        key = getattr(entity, item.field.key)
        self.build.under(target, entity)
        on = target.id == key
        self.joins.append((target, and_(on, *self.build.seen(target, on))))
        points, there = self.put(key), self.put(target.id)
        get, required, lost = self.object(item.node, target), item.required, item.field.lost

        def link(row: Row, state: State) -> Any:
            if row[there] is not None:
                return get(row, state)
            if required or (row[points] and not lost):
                raise Unplanned(f"{item.key}: nothing there, or not visible")
            return None

        return link


class Listing:
    """The rows that point at parents, grouped."""

    def __init__(self, build: Builder, item: Listed) -> None:
        self.cap = item.field.cap
        self.entity = entity = build.entity(item.node.source.model)
        self.table = Table(build, entity)
        key = getattr(entity, item.field.key)
        self.key = self.table.put(key)
        self.get = self.table.object(item.node, entity)
        wanted = self.table.select().where(key.in_(build.sql.keys("keys")), *build.seen(entity))
        order = [getattr(entity, name) for name in item.field.order]
        self.statement = build.statement(wanted.order_by(key, *order).limit(ROWS_MAX + 1))

    def load(self, state: State, keys: Sequence[int]) -> Mapping[Any, Any]:
        """Return the objects by parent; a parent may have none."""
        rows = state.fetch(self.statement, keys)
        self.table.fill(rows, state)
        found: dict[Any, list[Any]] = {}
        for row in rows:
            found.setdefault(row[self.key], []).append(self.get(row, state))
        return {key: values[: self.cap] for key, values in found.items()}


class Pages:
    """Pages of rows: one of a root field, or one for each parent."""

    def __init__(self, build: Builder, item: Paged) -> None:
        self.item = item
        self.site = build.plan.sites[item.site]
        given = build.plan.given[item.site]
        self.order, self.after = given.order, given.shape.after
        model = item.source.model
        self.model: Any = model
        nested = item.field.key
        conditions = [*build.seen(model)]
        if given.where is not None:
            conditions.append(given.where)
        if nested is not None:
            conditions.append(getattr(model, nested).in_(build.sql.keys("keys")))
        asked = build.asked(model, item.parts)
        names = sorted({*needed(item.parts), *asked, "id", *(o.column.key for o in self.order)})
        columns = [getattr(model, name) for name in [*names, *([nested] if nested else ())]]
        self.entity = entity = build.entity(model, self._inner(conditions, columns).subquery())
        self.table = Table(build, entity)
        self.key = self.table.put(getattr(entity, nested)) if nested else -1
        self.cursor = self._cursor() if asks_cursor(item.parts) else None
        self.parts = [(part.key, self._part(part)) for part in item.parts]
        order = sorted_by(self.order, entity)
        if nested:
            order.insert(0, getattr(entity, nested))
        self.statement = None
        if any(part.name in ("nodes", "edges", "pageInfo") for part in item.parts):
            self.table.put(entity.id)
            self.statement = build.statement(self.table.select().order_by(*order), self.site)
        self.count = self._count(build, conditions) if asks_count(item.parts) else None

    def load(self, state: State, keys: Sequence[int]) -> Mapping[Any, Any]:
        """Return the page of each parent."""
        rows = state.fetch(self.statement, keys) if self.statement else ()
        counted = state.fetch(self.count, keys) if self.count else ()
        counts = {row[0]: row[1] for row in counted}
        found: dict[Any, list[Row]] = {key: [] for key in keys}
        for row in rows:
            found[row[self.key]].append(row)
        first = state.binds[self.site.bind("first")]
        shown = {key: of_key[:first] for key, of_key in found.items()}
        self.table.fill([row for of_key in shown.values() for row in of_key], state)
        return {
            key: self._page(of_key, len(found[key]) > first, counts.get(key, 0), state)
            for key, of_key in shown.items()
        }

    def run(self, state: State) -> Any:
        """Return the page of a root field."""
        rows = state.fetch(self.statement) if self.statement else ()
        count = state.fetch(self.count)[0][0] if self.count else 0
        first = state.binds[self.site.bind("first")]
        shown = rows[:first]
        self.table.fill(shown, state)
        return self._page(shown, len(rows) > first, count, state)

    def _inner(self, conditions: list[Any], columns: list[Any]) -> Select[Any]:
        """Return the rows of the page itself, and one more to tell whether it goes on."""
        order = sorted_by(self.order, self.model)
        more = later(self.site.bind("more"), Integer)
        behind = []
        if self.after:
            behind = [paging.beyond(self.order, order_binds(self.site, self.order))]
        if self.item.field.key is None:
            return select(*columns).where(*conditions, *behind).order_by(*order).limit(more)
        parent = getattr(self.model, self.item.field.key)
        number = func.row_number().over(partition_by=parent, order_by=order).label("page_row")
        ranked = select(*columns, number).where(*conditions, *behind).subquery()
        kept = [ranked.c[column.key] for column in columns]
        return select(*kept).where(ranked.c.page_row <= more)

    def _count(self, build: Builder, conditions: list[Any]) -> Statement:
        key = self.item.field.key
        if key is None:
            counted = select(func.count()).select_from(self.model).where(*conditions)
        else:
            parent = getattr(self.model, key)
            counted = select(parent, func.count()).where(*conditions).group_by(parent)
        return build.statement(counted, self.site)

    def _cursor(self) -> Callable[[Row], str]:
        mark = paging.fingerprint(self.order)
        columns = [self.table._raw(self.entity, o.column.key) for o in self.order]  # noqa: SLF001  # one module
        return lambda row: paging.cursor(mark, [process(row[i]) for i, process in columns])

    def _page(self, rows: Sequence[Row], more: bool, count: int, state: State) -> Any:
        return {key: part(rows, more, count, state) for key, part in self.parts}

    def _part(self, part: Part) -> Callable[[Sequence[Row], bool, int, State], Any]:
        if part.name == "nodes":
            get = self.table.object(_node(part), self.entity)
            return lambda rows, _more, _count, state: [get(row, state) for row in rows]
        if part.name == "edges":
            edge = [(inner.key, self._edge(inner)) for inner in _parts(part)]
            return lambda rows, _more, _count, state: [
                {key: get(row, state) for key, get in edge} for row in rows
            ]
        if part.name == "pageInfo":
            info = [(inner.key, self._info(inner)) for inner in _parts(part)]
            return lambda rows, more, _count, _state: {k: get(rows, more) for k, get in info}
        if part.name == "totalCount":
            return lambda _rows, _more, count, _state: _int(count)
        return lambda _rows, _more, _count, _state: part.inside

    def _edge(self, part: Part) -> Get:
        if part.name == "node":
            return self.table.object(_node(part), self.entity)
        cursor = self.cursor
        if part.name == "cursor" and cursor is not None:
            return lambda row, _state: cursor(row)
        return lambda _row, _state: part.inside

    def _info(self, part: Part) -> Callable[[Sequence[Row], bool], Any]:
        cursor = self.cursor
        if part.name in ("startCursor", "endCursor") and cursor is not None:
            at = 0 if part.name == "startCursor" else -1
            return lambda rows, _more: cursor(rows[at]) if rows else None
        if part.name == "hasNextPage":
            return lambda _rows, more: more
        shown = self.after if part.name == "hasPreviousPage" else part.inside
        return lambda _rows, _more: shown


class One:
    """One row of a root field, or null."""

    def __init__(self, build: Builder, item: Found) -> None:
        site = build.plan.sites[item.site]
        entity = build.entity(item.node.source.model)
        self.table = Table(build, entity)
        self.get = self.table.object(item.node, entity)
        column = getattr(entity, item.column)
        key = later(site.bind("key"), column.type)
        self.table.put(entity.id)  # an object of constants has columns of its own too
        wanted = self.table.select().where(column == key, *build.seen(entity))
        self.statement = build.statement(wanted)

    def run(self, state: State) -> Any:
        """Return the row as JSON, or None."""
        rows = state.fetch(self.statement)
        self.table.fill(rows, state)
        return self.get(rows[0], state) if rows else None


class Compiled:
    """A plan's statements, and how their rows become the answer."""

    def __init__(self, plan: Plan, sql: Sql) -> None:
        self.sql = sql
        build = Builder(sql, plan)
        self.roots: list[tuple[str, Any]] = []
        for item in plan.roots:
            if isinstance(item, Const):
                self.roots.append((item.key, item.value))
            else:
                made = Pages(build, item) if isinstance(item, Paged) else One(build, item)
                self.roots.append((item.key, made))
        self.size = build.size

    def run(self, ctx: Context, given: Sequence[Arguments], binds: dict[str, Any]) -> Any:
        """Return the data of the answer; raises `Unplanned` when the executor has to do it."""
        state = State(ctx, self.sql, given, binds, self.size)
        return {key: made if isinstance(made, str) else made.run(state) for key, made in self.roots}


def shown(sql: Sql, field: Col, entity: Any) -> Any:
    """Return a column as the API shows it."""
    column = getattr(entity, field.column)
    found = sql.shown(column)
    if field.empty:
        found = func.nullif(found, "", type_=String)
    if field.blank is not None:
        found = func.coalesce(found, field.blank, type_=String)
    return found


@lru_cache(4096)
def amount(minor: int, currency: str) -> str:
    """Return minor units as the decimal text the API shows."""
    return str(Decimal(minor).scaleb(-digits(currency)))


def _converter(
    sql: Sql, entity: Any, field: Col, allowed: frozenset[str] | None
) -> Callable[[Any], Any] | None:
    if allowed is not None:
        return lambda value: _allowed(value, allowed)
    type_ = getattr(entity, field.column).type
    if isinstance(type_, Boolean):
        return bool
    if isinstance(type_, Json):
        return from_row(type_, sql)
    return _int if isinstance(type_, Integer) else None


def _allowed(value: str, allowed: frozenset[str]) -> str:
    if value not in allowed:
        raise Unplanned(f"{value!r} is not a value of the enum")
    return value


def _int(value: int) -> int:
    if not -INT_MAX <= value <= INT_MAX:
        raise Unplanned("a number larger than an Int")
    return value


def sorted_by(order: Sequence[paging.Order], entity: Any) -> list[Any]:
    """Return an order over a table under another name."""
    columns = [(getattr(entity, o.column.key), o.descending) for o in order]
    return [column.desc() if down else column for column, down in columns]


def _node(part: Part) -> Node:
    assert isinstance(part.inside, Node)
    return part.inside


def _parts(part: Part) -> tuple[Part, ...]:
    assert isinstance(part.inside, tuple)
    return part.inside


__all__ = [
    "INT_MAX",
    "Compiled",
    "amount",
    "shown",
    "sorted_by",
]
