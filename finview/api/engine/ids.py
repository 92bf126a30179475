"""Opaque ids: a type tag and the key, made by concatenation so that a database can build them."""

from typing import Any

from finview.errors import Key, NotFound

SEPARATOR = "_"


def encode(tag: str, *key: int) -> str:
    """Return the public id of a row."""
    return SEPARATOR.join((tag, *map(str, key)))


def split(value: str) -> tuple[str, tuple[int, ...]]:
    """Return tag and key of an id; an id that was never ours has no tag."""
    tag, *parts = str(value).split(SEPARATOR)
    if not parts or not all(p.isascii() and p.isdigit() and len(p) < 19 for p in parts):
        return "", ()
    return tag, tuple(map(int, parts))


def key_of(value: Any, tag: str, *path: str) -> int:
    """Return the key of an id of one type; any other id raises `NotFound`, as a missing row does.

    `path` is where in the input the id stands; the key, a `Key`, remembers it for whoever looks
    for the row.
    """
    found, key = split(value)
    if found != tag or len(key) != 1:
        raise NotFound(path=path)
    return Key.at(key[0], path)
