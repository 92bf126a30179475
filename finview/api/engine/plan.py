"""The plan of one operation: a tree of what is wanted from which source, and what it hangs on.

A plan holds for the variables of its `@skip` and `@include`, for the shape of its arguments (is
there a cursor, which filters, which order) and for one audience. All else is bound per request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    is_enum_type,
)
from graphql.execution.values import VariableValues
from sqlalchemy import BindParameter, ColumnElement, inspect

from finview.accounts.access import PORTFOLIOS_MAX, Viewer
from finview.api.engine import paging
from finview.api.engine.arguments import Read, reader
from finview.api.engine.complete import Complete, completer, definition_of
from finview.api.engine.dialect import later
from finview.api.engine.ids import key_of, split
from finview.api.engine.select import Selection, Undeclared, Unplanned
from finview.api.engine.sources import (
    ROOTS,
    SOURCES,
    Bulk,
    Calc,
    Col,
    Conn,
    Find,
    FindAny,
    Id,
    Many,
    MoneyCol,
    One,
    Root,
    Source,
)
from finview.errors import NotFound

ROWS_MAX = 20_000
"""How many rows one operation may load."""


class Const(NamedTuple):
    """A value known beforehand: `__typename`."""

    key: str
    value: str


class Leaf(NamedTuple):
    """A scalar of the row; `allowed` are the values of its enum."""

    key: str
    field: Id | Col
    allowed: frozenset[str] | None
    required: bool


class Cash(NamedTuple):
    """Money of the row; the parts are amount, currency or a constant."""

    key: str
    field: MoneyCol
    parts: tuple[tuple[str, str], ...]


class Made(NamedTuple):
    """A value a function makes, of the row or for all rows at once."""

    key: str
    field: Calc | Bulk
    site: int | None
    complete: Complete


class Link(NamedTuple):
    """The row a key points at."""

    key: str
    field: One
    node: "Node"
    required: bool


class Listed(NamedTuple):
    """The rows that point here."""

    key: str
    field: Many
    node: "Node"


class Part(NamedTuple):
    """A field of a connection, an edge or a page info, with what is inside of it."""

    key: str
    name: str
    inside: "tuple[Part, ...] | Node | str | None"


class Paged(NamedTuple):
    """A page of rows."""

    key: str
    field: Conn
    source: Source
    site: int
    parts: tuple[Part, ...]


class Found(NamedTuple):
    """One row by a key."""

    key: str
    column: str
    site: int
    node: "Node"


Item = Const | Leaf | Cash | Made | Link | Listed | Paged


class Node(NamedTuple):
    """The selected fields of a source."""

    source: Source
    items: tuple[Item, ...]


class Shape(NamedTuple):
    """What of a field's arguments decides how a statement looks."""

    after: bool = False
    mark: str = ""
    where: Any = None
    unique: str = ""


PLAIN = Shape()


@dataclass(slots=True)
class Arguments:
    """The arguments of one field in one request."""

    values: Mapping[str, Any]
    shape: Shape = PLAIN
    binds: dict[str, Any] = field(default_factory=dict)
    order: Sequence[paging.Order] = ()
    where: ColumnElement[bool] | None = None
    where_binds: Sequence[BindParameter[Any]] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """A field with arguments, where it stands in the document."""

    index: int
    root: Root | Bulk
    read: Read

    def arguments(self, variables: VariableValues) -> Arguments:
        """Return the arguments of a request; raises what the resolver would raise."""
        given = self.read(variables)
        if isinstance(self.root, Conn):
            return self._page(self.root, given)
        if isinstance(self.root, Find):
            return self._one(self.root, given)
        if isinstance(self.root, FindAny):
            tag, key = split(given["id"])
            if len(key) != 1:
                raise Unplanned("an id nobody made")
            return Arguments(given, Shape(unique=tag), {self.bind("key"): key[0]})
        return Arguments(given)

    def bind(self, name: str) -> str:
        """Return the name of one of this field's binds."""
        return f"s{self.index}_{name}"

    def _one(self, root: Find, given: Mapping[str, Any]) -> Arguments:
        value = given.get(root.unique) if root.unique else None
        if root.unique and value is not None:
            return Arguments(given, Shape(unique=root.unique), {self.bind("key"): value})
        key: int
        try:
            key = key_of(given.get("id") or "", SOURCES[root.target].tag or "")
        except NotFound:
            key = 0
        return Arguments(given, Shape(unique="id"), {self.bind("key"): key})

    def _page(self, conn: Conn, given: dict[str, Any]) -> Arguments:
        rest = dict(given)
        first, after = paging.size_of(rest.pop("first", None)), rest.pop("after", None)
        order = conn.order(rest.pop("order_by")) if "order_by" in rest else conn.order()
        mark = paging.fingerprint(order)
        binds = {self.bind("first"): first, self.bind("more"): first + 1}
        if after is not None:
            for n, value in enumerate(paging.values_of(after, mark, len(order))):
                binds[self.bind(f"after{n}")] = value
        where = conn.where(**rest) if conn.where is not None else None
        found = Arguments(given, binds=binds, order=order, where=where)
        key = None
        if where is not None:
            # SQLAlchemy's own way to tell whether two conditions differ in their values only.
            known = where._generate_cache_key()  # noqa: SLF001
            if known is None or any(b.expanding for b in known.bindparams):
                raise Unplanned("a filter whose text changes with its values")
            key, found.where_binds = known.key, known.bindparams
        found.shape = Shape(after=after is not None, mark=mark, where=key)
        return found


class Audience(NamedTuple):
    """For whom a plan holds: the agency's own people, or viewers of so many portfolios.

    `portfolios` are as many as statements compare with one by one, 0 where they don't; there are
    few such numbers, and so few plans, for what is left over is bound to `NOWHERE`.
    """

    staff: bool
    portfolios: int = 0

    @classmethod
    def of(cls, viewer: Viewer) -> "Audience":
        """Return the audience a viewer belongs to."""
        if viewer.staff or not viewer.all_portfolios:
            return cls(viewer.staff)
        known = len(viewer.all_portfolios)
        return cls(staff=False, portfolios=next(n for n in PLACES if known <= n))

    @property
    def places(self) -> list[str]:
        """Return the names of the binds of the portfolios."""
        return [f"portfolio{n}" for n in range(self.portfolios)]


PLACES = (1, 4, PORTFOLIOS_MAX)
NOWHERE = -1
"""The key of no portfolio."""


@dataclass(slots=True)
class Plan:
    """What an operation wants, and for which requests this holds."""

    roots: tuple[Found | Paged | Const, ...]
    sites: tuple[Site, ...]
    choices: Mapping[str, Any]
    given: tuple[Arguments, ...]
    audience: Audience
    compiled: Any = None
    text: Any = None
    seen: int = 0

    @property
    def staff(self) -> bool:
        """Tell whether this is a plan for the agency's own people."""
        return self.audience.staff

    def match(self, variables: VariableValues, audience: Audience) -> list[Arguments] | None:
        """Return the arguments of a request this plan holds for."""
        if audience != self.audience:
            return None
        for name, value in self.choices.items():
            if variables.coerced.get(name) is not value:
                return None
        found = [site.arguments(variables) for site in self.sites]
        same = all(a.shape == b.shape for a, b in zip(found, self.given, strict=True))
        return found if same else None


class Planner:
    """Makes the plan of one operation; raises `Unplanned` for what the executor has to do."""

    def __init__(
        self, schema: strawberry.Schema, document: DocumentNode, variables: VariableValues
    ) -> None:
        self.schema = schema
        self.core: GraphQLSchema = schema._schema  # noqa: SLF001  # Strawberry has no public name for it
        fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self.selection = Selection(self.core, fragments, variables.coerced)
        self.variables = variables
        self.sites: list[Site] = []
        self.given: list[Arguments] = []

    def plan(self, operation: OperationDefinitionNode, audience: Audience) -> Plan:
        """Return the plan of a query."""
        query = self.core.query_type
        assert query is not None
        roots: list[Found | Paged | Const] = []
        for key, nodes in self.selection.fields(query, [operation.selection_set]).items():
            name = nodes[0].name.value
            if name == "__typename":
                roots.append(Const(key, query.name))
                continue
            if name not in query.fields:
                raise Undeclared("introspection")
            definition = query.fields[name]
            root = ROOTS.get(definition_of(definition).python_name)
            if root is None:
                raise Undeclared(f"Query.{name} has no source")
            roots.append(self._root(key, root, definition, nodes))
        return Plan(
            tuple(roots),
            tuple(self.sites),
            dict(self.selection.choices),
            tuple(self.given),
            audience,
        )

    def _root(
        self, key: str, root: Root, definition: GraphQLField, nodes: list[FieldNode]
    ) -> Found | Paged:
        site = self._site(root, definition, nodes[0])
        if isinstance(root, Conn):
            return self._paged(key, root, definition, nodes, site)
        shape = self.given[site].shape
        if isinstance(root, FindAny):
            name = next((s.name for s in SOURCES.values() if s.tag == shape.unique), None)
            column = "id"
        else:
            name, column = root.target, shape.unique
        if name is None:
            raise Unplanned(f"no source of {shape.unique}")
        return Found(key, column, site, self._node(name, nodes))

    def _site(self, root: Root | Bulk, definition: GraphQLField, node: FieldNode) -> int:
        site = Site(len(self.sites), root, reader(self.schema, definition, node))
        self.sites.append(site)
        self.given.append(site.arguments(self.variables))
        return site.index

    def _node(self, name: str, nodes: Sequence[FieldNode]) -> Node:
        source = SOURCES.get(name)
        type_ = self.core.type_map[name]
        if source is None or not isinstance(type_, GraphQLObjectType):
            raise Undeclared(f"no source of {name}")
        chosen = self.selection.fields(type_, [n.selection_set for n in nodes])
        return Node(
            source, tuple(self._item(source, type_, key, found) for key, found in chosen.items())
        )

    def _item(
        self, source: Source, type_: GraphQLObjectType, key: str, nodes: list[FieldNode]
    ) -> Item:
        name = nodes[0].name.value
        if name == "__typename":
            return Const(key, type_.name)
        definition = type_.fields[name]
        declared = source.fields.get(definition_of(definition).python_name)
        required = isinstance(definition.type, GraphQLNonNull)
        match declared:
            case None:
                raise Undeclared(f"{type_.name}.{name} has no source")
            case Id() | Col():
                return self._leaf(source, key, declared, definition)
            case MoneyCol():
                return self._cash(key, declared, definition, nodes)
            case Calc():
                complete = completer(self.selection, definition.type, nodes)
                return Made(key, declared, None, complete)
            case Bulk():
                complete = completer(self.selection, definition.type, nodes)
                site = self._site(declared, definition, nodes[0])
                return Made(key, declared, site, complete)
            case One():
                return Link(key, declared, self._node(declared.target, nodes), required)
            case Many():
                return Listed(key, declared, self._node(declared.target, nodes))
            case Conn():
                site = self._site(declared, definition, nodes[0])
                return self._paged(key, declared, definition, nodes, site)

    def _leaf(self, source: Source, key: str, field_: Id | Col, definition: GraphQLField) -> Leaf:
        named = get_named_type(definition.type)
        required = isinstance(definition.type, GraphQLNonNull)
        if isinstance(field_, Id):
            return Leaf(key, field_, None, required)
        column = inspect(source.model).columns[field_.column]
        safe = not column.nullable or field_.blank is not None
        if required and (not safe or field_.empty):
            raise TypeError(f"{source.name}: {field_.column} may be null, its field may not")
        allowed = frozenset(named.values) if is_enum_type(named) else None
        return Leaf(key, field_, allowed, required)

    def _cash(
        self, key: str, field_: MoneyCol, definition: GraphQLField, nodes: list[FieldNode]
    ) -> Cash:
        type_ = get_named_type(definition.type)
        assert isinstance(type_, GraphQLObjectType)
        chosen = self.selection.fields(type_, [n.selection_set for n in nodes])
        return Cash(key, field_, tuple((k, n[0].name.value) for k, n in chosen.items()))

    def _paged(
        self,
        key: str,
        conn: Conn,
        definition: GraphQLField,
        nodes: list[FieldNode],
        site: int,
    ) -> Paged:
        type_ = get_named_type(definition.type)
        parts = self._parts(type_, nodes, conn)
        if conn.target not in SOURCES:
            raise Undeclared(f"no source of {conn.target}")
        return Paged(key, conn, SOURCES[conn.target], site, parts)

    def _parts(self, type_: Any, nodes: Sequence[FieldNode], conn: Conn) -> tuple[Part, ...]:
        """Return the chosen fields of a connection, an edge or a page info."""
        found = []
        for key, chosen in self.selection.fields(type_, [n.selection_set for n in nodes]).items():
            name = chosen[0].name.value
            inside: Any = None
            if name == "__typename":
                inside = type_.name
            elif name in ("nodes", "node"):
                inside = self._node(conn.target, chosen)
            elif name in ("edges", "pageInfo"):
                inside = self._parts(get_named_type(type_.fields[name].type), chosen, conn)
            found.append(Part(key, name, inside))
        return tuple(found)


def order_binds(site: Site, order: Sequence[paging.Order]) -> list[BindParameter[Any]]:
    """Return the binds of the cursor a page goes on behind."""
    return [
        later(site.bind(f"after{n}"), inspect(o.column.class_).columns[o.column.key].type)
        for n, o in enumerate(order)
    ]


__all__ = [
    "NOWHERE",
    "ROWS_MAX",
    "Arguments",
    "Audience",
    "Cash",
    "Const",
    "Found",
    "Item",
    "Leaf",
    "Link",
    "Listed",
    "Made",
    "Node",
    "Paged",
    "Part",
    "Plan",
    "Planner",
    "Site",
    "order_binds",
]
