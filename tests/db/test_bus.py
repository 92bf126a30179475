"""The volatile bus: a commit of any process is heard by all that listen."""

import pytest

from finview.db import Database
from finview.db.bus import Bus
from finview.db.jobs import enqueue
from finview.settings import Settings

SOON_S = 30.0
"""How long a test waits for what comes within a fraction of a second."""


def commit(database: Database) -> None:
    with database.unit() as session:
        enqueue(session, "nobody.knows", {})


def test_a_commit_rings_in_its_own_process(database: Database) -> None:
    seen = database.commits.rings
    commit(database)
    assert database.commits.wait(seen, 0)


def test_a_unit_that_is_undone_does_not_ring(database: Database) -> None:
    seen = database.commits.rings
    with pytest.raises(ZeroDivisionError), database.unit():
        _ = 1 / 0
    assert not database.commits.wait(seen, 0)


@pytest.mark.both_databases
def test_who_listens_hears_the_commits_of_others(settings: Settings, database: Database) -> None:
    other = Database.open(settings)
    bus = database.commits
    with bus.listening():
        assert bus.wait(0, SOON_S)  # it rings once when it begins to hear
        seen = bus.rings
        commit(other)
        assert bus.wait(seen, SOON_S)
        seen = bus.rings
        commit(other)
        assert bus.wait(seen, SOON_S)
    other.close()


def test_a_database_that_is_gone_loses_notes_and_nothing_else() -> None:
    bus = Bus("postgresql+psycopg://nobody@127.0.0.1:1/nothing", file=False)
    bus.ring()
    bus.ring()
    assert bus.rings == 2
    bus.close()
