"""A condition on many values as one parameter."""

import pytest
from sqlalchemy import bindparam, select, update

from finview import clock
from finview.db import Database
from finview.db.base import table_of
from finview.db.bulk import bulk_insert, reserve_ids
from finview.db.events import EventInbox
from finview.db.lists import one_of


@pytest.fixture
def ids(database: Database) -> list[int]:
    with database.unit() as session:
        made = list(reserve_ids(session, EventInbox, 4))
        rows = [{"id": n, "type": f"ä{n}", "payload": {}, "at": clock.now()} for n in made]
        bulk_insert(session, EventInbox, rows)
    return made


@pytest.mark.both_databases
def test_numbers_and_texts_are_found(database: Database, ids: list[int]) -> None:
    with database.reading() as session:
        by_id = select(EventInbox.id).where(one_of(EventInbox.id, {ids[0], ids[2], 10**12}))
        by_text = select(EventInbox.id).where(one_of(EventInbox.type, [f"ä{ids[1]}", "'\"\\"]))
        assert set(session.scalars(by_id)) == {ids[0], ids[2]}
        assert list(session.scalars(by_text)) == [ids[1]]
        assert list(session.scalars(select(EventInbox.id).where(one_of(EventInbox.id, [])))) == []


@pytest.mark.both_databases
def test_another_list_is_another_answer(database: Database, ids: list[int]) -> None:
    for wanted in ([ids[0]], ids[1:3]):
        with database.reading() as session:
            found = session.scalars(select(EventInbox.id).where(one_of(EventInbox.id, wanted)))
            assert set(found) == set(wanted)


@pytest.mark.both_databases
def test_the_list_may_be_named_and_given_later(database: Database, ids: list[int]) -> None:
    table = table_of(EventInbox)
    wanted = select(table.c.id).where(one_of(table.c.id, "ids"), table.c.id > bindparam("least"))
    changed = update(table).where(one_of(table.c.id, "ids")).values(type="new")
    with database.unit() as session:
        session.execute(changed, {"ids": ids[:2]})
        found = session.execute(wanted, {"ids": ids, "least": ids[1]}).scalars()
        assert set(found) == set(ids[2:])
        new = session.scalars(select(table.c.id).where(table.c.type == "new"))
        assert set(new) == set(ids[:2])


def test_each_value_is_looked_up_and_no_table_read_whole(database: Database) -> None:
    wanted = select(EventInbox.type).where(one_of(EventInbox.id, "ids"))
    with database.reading() as session:
        connection = session.connection()
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {wanted.compile(connection)}", ("[1,2]",)
        )
        steps = [row[3] for row in plan if "event_inbox" in row[3]]
    assert steps
    assert all(step.startswith("SEARCH") for step in steps)
