"""Lists by keyset: opaque cursors, an exact count, no OFFSET; every list is bounded."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from finview import clock
from finview.api.engine.context import BadCursor, BadRequest
from finview.api.engine.limits import PAGE_DEFAULT, PAGE_MAX

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """One column of an order; the last one of a list must be unique."""

    column: InstrumentedAttribute[Any]
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of rows with the cursors of its ends; `count` is asked only when selected."""

    rows: list[T]
    cursors: list[str]
    has_next: bool
    has_previous: bool
    count: Callable[[], int]


def page(
    session: Session,
    statement: Select[Any],
    order: Sequence[Order],
    *,
    first: int | None,
    after: str | None,
) -> Page[T]:
    """Return the page after a cursor; raises `BadCursor`, `BadRequest` for an impossible size."""
    first = size_of(first)
    mark = fingerprint(order)
    wanted = statement
    if after is not None:
        wanted = wanted.where(beyond(order, values_of(after, mark, len(order))))
    wanted = wanted.order_by(*(o.column.desc() if o.descending else o.column for o in order))
    rows = list(session.scalars(wanted.limit(first + 1)))
    shown = rows[:first]
    return Page(
        rows=shown,
        cursors=[cursor(mark, [getattr(row, o.column.key) for o in order]) for row in shown],
        has_next=len(rows) > first,
        has_previous=after is not None,
        count=lambda: counted(session, statement),
    )


def counted(session: Session, statement: Select[Any]) -> int:
    """Return how many rows a statement has, exactly."""
    return session.scalar(select(func.count()).select_from(statement.subquery())) or 0


def size_of(first: int | None) -> int:
    """Return how many rows a page has; raises `BadRequest` for an impossible size."""
    first = PAGE_DEFAULT if first is None else first
    if not 0 < first <= PAGE_MAX:
        raise BadRequest(f"first must lie between 1 and {PAGE_MAX}")
    return first


def fingerprint(order: Sequence[Order]) -> str:
    """Return the mark that ties a cursor to a type and an order."""
    return _mark(tuple(order))


@lru_cache(512)
def _mark(order: tuple[Order, ...]) -> str:
    text = ",".join(f"{o.column.class_.__name__}.{o.column.key}{o.descending}" for o in order)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def beyond(order: Sequence[Order], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition for rows behind the cursor: a longer common prefix, then beyond."""
    ways: list[ColumnElement[bool]] = []
    for n, one in enumerate(order):
        same = [o.column == value for o, value in zip(order[:n], values, strict=False)]
        further = one.column < values[n] if one.descending else one.column > values[n]
        ways.append(and_(*same, further))
    return or_(*ways)


def cursor(mark: str, values: Sequence[Any]) -> str:
    """Return the cursor of a row with these values of the order's columns."""
    plain = [mark, *(_plain(value) for value in values)]
    return base64.urlsafe_b64encode(orjson.dumps(plain)).decode().rstrip("=")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"t": clock.to_ms(value)}
    return {"d": value.isoformat()} if isinstance(value, date) else value


def values_of(given: str, mark: str, length: int) -> list[Any]:
    """Return the values of a cursor; raises `BadCursor` when it is not of this list."""
    try:
        padded = given + "=" * (-len(given) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(found, list) or found[0] != mark or len(found) != length + 1:
            raise BadCursor
        return [_back(value) for value in found[1:]]
    except (binascii.Error, ValueError, IndexError, KeyError, TypeError, OverflowError):
        raise BadCursor from None


def _back(value: Any) -> Any:
    if isinstance(value, dict):
        return clock.from_ms(value["t"]) if "t" in value else date.fromisoformat(value["d"])
    if not isinstance(value, (str, int)):
        raise BadCursor
    return value
