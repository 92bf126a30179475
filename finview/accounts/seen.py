"""When a session or token was last used: noted while reading, written at most once a minute."""

import threading
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from finview import clock
from finview.accounts.models import AccountUser, ApiToken, SignInSession
from finview.db import Database

EVERY = timedelta(minutes=1)
PATIENCE_S = 0.5
"""So long the writer's turn is waited for: whoever writes long must not gather those who wait."""


class Seen:
    """What was used since it was last written, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._due: set[tuple[str, int]] = set()

    def note(self, kind: str, key: int, last: datetime | None) -> None:
        """Note that a session or token is used, last written at `last`."""
        if last is None or clock.now() - last >= EVERY:
            with self._lock:
                self._due.add((kind, key))

    def write(self, database: Database) -> int:
        """Write what is due, in a unit of its own, and return how much; mostly nothing.

        It waits for the writer's turn, so write it when the answer has left. What can't be written
        is noted again by the next request; one thread at a time tries.
        """
        if not self._due or not self._turn.acquire(blocking=False):
            return 0
        try:
            return self._written(database)
        except (SQLAlchemyError, TimeoutError):
            return 0
        finally:
            self._turn.release()

    @property
    def due(self) -> bool:
        """Tell whether there is something to write."""
        return bool(self._due) and not self._turn.locked()

    def _written(self, database: Database) -> int:
        with self._lock:
            due, self._due = sorted(self._due), set()
        now = clock.now()
        written = 0
        with database.unit(durable=False, deadline_s=PATIENCE_S) as session:
            for kind, key in due:
                model, column = (
                    (SignInSession, SignInSession.last_seen_at)
                    if kind == "session"
                    else (ApiToken, ApiToken.last_used_at)
                )
                # Another process may have been here first.
                stale = column.is_(None) | (column <= now - EVERY)
                users = session.execute(
                    update(model)
                    .where(model.id == key, stale)
                    .values({column: now})
                    .returning(model.user_id)
                    .execution_options(synchronize_session=False)
                ).all()
                written += len(users)
                for (user_id,) in users:
                    session.execute(
                        update(AccountUser)
                        .where(AccountUser.id == user_id)
                        .values(last_seen_at=now)
                        .execution_options(synchronize_session=False)
                    )
        return written
