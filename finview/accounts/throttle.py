"""How often something may be tried, counted in the database: all processes count together."""

import hmac
import math
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.models import Attempts
from finview.db.base import table_of
from finview.settings import Settings

WAIT_S_MAX = 900
KEPT = timedelta(days=1)
_INSERT = {
    dialect.dialect.name: dialect.insert(table_of(Attempts)).on_conflict_do_nothing()
    for dialect in (sqlite, postgresql)
}


def key_for(settings: Settings, kind: str, what: str) -> str:
    """Return the key under which attempts are counted: an HMAC, so that no address is kept."""
    text = f"{kind}:{what.strip().lower()}"
    return hmac.new(settings.key.encode(), text.encode(), "sha256").hexdigest()


def spend(session: Session, key: str, *, most: int, window_s: int = 60) -> int:
    """Count one attempt and return 0, or the seconds to wait when there were more than `most`.

    Whoever goes on waits a window, then two, four, at most 15 minutes; a day of rest forgives all.
    """
    now = clock.now()
    connection = session.connection()
    fresh = {"key": key, "hits": 0, "strikes": 0, "since": now, "at": now}
    connection.execute(_INSERT[connection.dialect.name], fresh)
    row = session.scalars(
        select(Attempts)
        .where(Attempts.key == key)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if row.blocked_until is not None and row.blocked_until > now:
        return _seconds(row.blocked_until - now)
    if now - row.at >= KEPT:
        row.strikes = 0
    row.at = now
    if now - row.since >= timedelta(seconds=window_s):
        row.hits, row.since = 0, now
    row.hits += 1
    if row.hits <= most:
        return 0
    wait = timedelta(seconds=max(window_s, min(window_s * 2**row.strikes, WAIT_S_MAX)))
    row.strikes = min(row.strikes + 1, 20)
    row.blocked_until = now + wait
    row.hits, row.since = 0, now + wait
    return _seconds(wait)


def forgive(session: Session, key: str) -> None:
    """Forget the attempts under a key: the right password was given."""
    session.execute(delete(Attempts).where(Attempts.key == key))


def sweep(session: Session) -> None:
    """Delete what nobody counts any more."""
    session.execute(delete(Attempts).where(Attempts.at < clock.now() - KEPT))


def _seconds(left: timedelta) -> int:
    return max(1, math.ceil(left.total_seconds()))
