"""Watches the mutations of tests: what changes the agency's data leaves an act in the audit log."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, event

from finview.testing.client import Client

SILENT: Mapping[str, str] = {
    "passwordResetRequest": "a stranger asks: the act is recorded, whose it is nobody knows",
    "uploadCreate": "bytes on their way: they count from `importCreate` on, and vanish unused",
}
"""Mutations that may change something without an act, with the reason."""

TRACES = frozenset(
    {"api_token", "attempts", "audit_event", "audit_value", "idempotency", "sign_in_session"}
)
"""Tables that asking itself writes: limits, last use, answers kept for repetitions."""

_WRITES = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+\"?(\w+)", re.IGNORECASE)
_LAST_SEEN = re.compile(r"UPDATE account_user SET last_seen_at=\S+ WHERE")
"""When somebody was seen is a trace too, though it lies in a table that acts are about."""

_MUTATION = re.compile(r"\s*mutation\b[^{]*\{\s*(?:\w+\s*:\s*)?(\w+)")


@contextmanager
def audited(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test whose mutation writes rows and no act with an actor."""
    send = Client.send

    def watched(self: Client, query: str, **variables: Any) -> dict[str, Any]:
        named = _MUTATION.match(query)
        if named is None or named[1] in SILENT:
            return send(self, query, **variables)
        with _written(self.services.db.engine) as seen:
            body = send(self, query, **variables)
        payload = (body.get("data") or {}).get(named[1]) or {}
        changed = seen.tables - TRACES
        # Of two at once nobody can tell who wrote what.
        judged = not seen.crossed and payload.get("errors") == []
        if judged and changed and not any(seen.actors):
            raise AssertionError(f"{named[1]} wrote {sorted(changed)} and no act of anybody")
        return body

    patch.setattr(Client, "send", watched)
    yield


@dataclass(eq=False, slots=True)
class _Window:
    """What was written while one mutation was under way."""

    tables: set[str] = field(default_factory=set)
    actors: list[Any] = field(default_factory=list)
    crossed: bool = False


_OPEN: list[_Window] = []
_LOCK = threading.Lock()


@contextmanager
def _written(engine: Engine) -> Iterator[_Window]:
    """Collect the tables that are written, and the actors of acts."""
    window = _Window()

    def look(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found = _WRITES.match(statement)
        if found is None or cursor.rowcount == 0 or _LAST_SEEN.match(statement):
            return
        window.tables.add(found[1])
        if found[1] == "audit_event" and statement.lstrip()[:6].upper() == "INSERT":
            window.actors.append(_actor(statement, parameters))

    with _LOCK:
        _OPEN.append(window)
        if len(_OPEN) > 1:
            for one in _OPEN:
                one.crossed = True
    event.listen(engine, "after_cursor_execute", look)
    try:
        yield window
    finally:
        event.remove(engine, "after_cursor_execute", look)
        with _LOCK:
            _OPEN.remove(window)


def _actor(statement: str, parameters: Any) -> Any:
    """Return the bound `actor_id` of an INSERT, by name or by place."""
    one = parameters[0] if isinstance(parameters, list) else parameters
    if isinstance(one, Mapping):
        return next((v for name, v in one.items() if name.startswith("actor_id")), None)
    columns = [
        c.strip()
        for c in statement[statement.index("(") + 1 :].split(")", maxsplit=1)[0].split(",")
    ]
    return one[columns.index("actor_id")]
