"""What the selected fields of a page ask of its table and of the tables below."""

from collections.abc import Iterator, Sequence
from typing import Any

from finview.api.engine.plan import Cash, Item, Leaf, Link, Listed, Made, Node, Part
from finview.api.engine.sources import Bulk, Calc, Col, Id
from finview.db.base import Base


def needed(parts: Sequence[Part]) -> set[str]:
    """Return the columns of a page's own table that its fields are made of."""
    found: set[str] = set()
    for part in parts:
        if isinstance(part.inside, Node):
            for item in part.inside.items:
                found |= _columns(item)
        elif isinstance(part.inside, tuple):
            found |= needed(part.inside)
    return found


def below(inside: Any) -> Iterator[type[Base]]:
    """Return the tables of all that is selected inside of parts, a node or an item."""
    if isinstance(inside, Node):
        yield inside.source.model
        for item in inside.items:
            if isinstance(item, Link | Listed):
                yield from below(item.node)
    elif isinstance(inside, tuple):
        for part in inside:
            yield from below(part.inside)


def _columns(item: Item) -> set[str]:
    match item:
        case Leaf(field=Id(columns=columns)) | Made(field=Calc(columns=columns)):
            return set(columns)
        case Leaf(field=Col(column=column)) | Made(field=Bulk(column=column)):
            return {column}
        case Cash(field=field):
            return {field.minor, field.currency}
        case Link(field=field):
            return {field.key}
    return set()


def asks_cursor(parts: Sequence[Part]) -> bool:
    """Tell whether any cursor is selected."""
    return any(
        part.name in ("cursor", "startCursor", "endCursor")
        or (
            isinstance(part.inside, tuple)
            and not isinstance(part.inside, Node)
            and asks_cursor(part.inside)
        )
        for part in parts
    )


def asks_count(parts: Sequence[Part]) -> bool:
    """Tell whether the count of all rows is selected."""
    return any(part.name == "totalCount" for part in parts)


__all__ = ["asks_count", "asks_cursor", "below", "needed"]
