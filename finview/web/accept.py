"""Which media type an answer has: what the client accepts, by quality, then as it listed them."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

GRAPHQL_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
EVENT_STREAM = "text/event-stream"
_ANY = ("*/*", "application/*")
T = TypeVar("T")


HEADER_CHARS_KEPT = 200


def remembered(reads: Callable[[str], T]) -> Callable[[str], T]:
    """Remember what short headers were read as: clients send the same ones all the time."""
    kept = lru_cache(256)(reads)
    return lambda header: kept(header) if len(header) <= HEADER_CHARS_KEPT else reads(header)


@remembered
def qualities(header: str) -> tuple[tuple[str, float], ...]:
    """Return the media types of an Accept header with their quality, the most wanted first."""
    found = []
    for part in header.split(",") if header.strip() else ["*/*"]:
        kind, *options = (piece.strip().lower() for piece in part.split(";"))
        found.append((kind, _quality(options)))
    # Sorting is stable: among equals the client's own order stands.
    return tuple(sorted(found, key=lambda one: -one[1]))


@remembered
def answered_as(header: str) -> str | None:
    """Return the media type of one answer; None when the client takes neither."""
    refused = {kind for kind, quality in qualities(header) if quality <= 0}
    for kind, quality in qualities(header):
        if quality <= 0:
            continue
        if kind in (GRAPHQL_JSON, PLAIN_JSON):
            return kind
        if kind in _ANY:
            left = [one for one in (PLAIN_JSON, GRAPHQL_JSON) if one not in refused]
            return left[0] if left else None
    return None


def streams(header: str, *, subscription: bool) -> bool:
    """Tell whether to answer as a stream of events: what a subscription can only be.

    Other operations are streamed when the client prefers that to JSON.
    """
    wanted = [kind for kind, quality in qualities(header) if quality > 0]
    if EVENT_STREAM not in wanted:
        return False
    return subscription or wanted[0] == EVENT_STREAM


def _quality(options: list[str]) -> float:
    for option in options:
        name, _, value = option.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
