"""Where the fields of a type come from, declared once beside the type: columns and relations.

A field that is not declared is answered by its resolver, and so is the operation it stands in.
Access is no part of a declaration: the engine puts the predicate of the model on every table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement

from finview.api.engine.paging import Order
from finview.db.base import Base

CAP = 200
"""How many rows a plain list has at most, as the descriptions of the schema say."""


@dataclass(frozen=True, slots=True)
class Id:
    """The public id: a tag and the key columns."""

    tag: str
    columns: tuple[str, ...] = ("id",)


@dataclass(frozen=True, slots=True)
class Col:
    """One column; scalars and enums follow from the types of column and field.

    `blank` stands for NULL; with `empty`, an empty text counts as NULL.
    """

    column: str
    blank: str | None = None
    empty: bool = False


@dataclass(frozen=True, slots=True)
class MoneyCol:
    """Money of two columns: minor units and currency."""

    minor: str
    currency: str = "currency"


@dataclass(frozen=True, slots=True)
class Calc:
    """A value made of the row alone: `make(context, *columns)`, as the resolver would return it."""

    make: Callable[..., Any]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value for all parents of a page at once: `make(context, keys, **arguments)` by key.

    `column` holds the key; NULL has no value. Values are as the resolver would return them.
    """

    make: Callable[..., Mapping[Any, Any]]
    column: str = "id"


@dataclass(frozen=True, slots=True)
class One:
    """The row a key points at; with `lost`, one that is gone or not visible is null."""

    target: str
    key: str
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """The rows that point here, in order, at most `cap` of each parent."""

    target: str
    key: str
    order: tuple[str, ...] = ("id",)
    cap: int = CAP


@dataclass(frozen=True, slots=True)
class Conn:
    """A page of rows; with `key`, of those that point here.

    `order` is a function of the argument `order_by`, if the field has one; `where` makes a
    condition of all other arguments and may return None. Both must not ask the database.
    """

    target: str
    order: Callable[..., Sequence[Order]]
    key: str | None = None
    where: Callable[..., ColumnElement[bool] | None] | None = None


@dataclass(frozen=True, slots=True)
class Find:
    """One row by its public id, or by another unique column that is an argument of the field."""

    target: str
    unique: str | None = None


@dataclass(frozen=True, slots=True)
class FindAny:
    """One row of any declared type by its public id."""


Field = Id | Col | MoneyCol | Calc | Bulk | One | Many | Conn
Root = Conn | Find | FindAny


@dataclass(frozen=True, slots=True)
class Source:
    """The table of a type, and its fields by their Python names."""

    name: str
    model: type[Base]
    fields: Mapping[str, Field] = field(default_factory=dict)

    @property
    def tag(self) -> str | None:
        """Return the tag of its public ids, if it has plain ones."""
        found = self.fields.get("id")
        return found.tag if isinstance(found, Id) and found.columns == ("id",) else None


SOURCES: dict[str, Source] = {}
ROOTS: dict[str, Root] = {}


def source(kind: type[Any], model: type[Base], /, **fields: Field) -> None:
    """Declare where the fields of a Strawberry type come from, by their Python names."""
    name = kind.__strawberry_definition__.name
    SOURCES[name] = Source(name, model, fields)


def cols(*names: str) -> dict[str, Col]:
    """Declare fields that have the names of their columns."""
    return {name: Col(name) for name in names}


def root(name: str, field_: Root) -> None:
    """Declare where a field of Query comes from, by its Python name."""
    ROOTS[name] = field_


__all__ = [
    "ROOTS",
    "SOURCES",
    "Bulk",
    "Calc",
    "Col",
    "Conn",
    "Field",
    "Find",
    "FindAny",
    "Id",
    "Many",
    "MoneyCol",
    "One",
    "Root",
    "Source",
    "cols",
    "root",
    "source",
]
