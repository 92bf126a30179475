import random
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from finview.cases.debtors import (
    Contacts,
    NewAddress,
    NewDebtor,
    NewPhone,
    add_contact_points,
    create_debtors,
    delete_debtors,
)
from finview.cases.models import Debtor, DebtorKind
from finview.db import Database
from finview.matching import index, search
from finview.matching.keys import party_keys
from finview.matching.models import MatchContact, MatchKeyEntry, MatchNameFreq, MatchProfile
from finview.matching.normalise import RawParty, party
from finview.plugins.contracts.matcher import Party, PartyAddress

both = pytest.mark.both_databases

NAMES = [("Erika", "Mustermann"), ("Max", "Beispiel"), ("Jürgen", "Groß"), ("Anna", "Ibañez")]


def person(first: str, last: str, **more: Any) -> Party:
    values = {"street": "Lindenweg", "house_no": "4a", "postcode": "04109", "city": "Leipzig"}
    return party(
        RawParty(
            kind="person", first_name=first, last_name=last, **(values | {"country": "DE"} | more)
        )
    )


def debtors(session: Session, n: int, kind: DebtorKind = DebtorKind.CONSUMER) -> list[int]:
    return create_debtors(
        session,
        [NewDebtor(kind=kind, locale="de", first_name="A", last_name=f"B{i}") for i in range(n)],
        by=None,
    )


def put(database: Database, parties: list[Party]) -> list[int]:
    with database.unit() as session:
        ids = debtors(session, len(parties))
        index.add(session, list(zip(ids, parties, strict=True)))
    return ids


def rows_of(database: Database) -> dict[str, list[Any]]:
    with database.reading() as session:
        return {
            model.__tablename__: sorted(
                tuple(r)[:3] for r in session.execute(select(*model.__table__.c))
            )
            for model in (MatchContact, MatchKeyEntry, MatchNameFreq)
        }


@both
def test_a_loaded_debtor_equals_the_party_that_was_added(database: Database) -> None:
    full = Party(
        kind="person",
        display="Dr. Erika Muster",
        given="erika maria",
        given1="erika",
        family="muster",
        alt_family="beispiel",
        suffix="jr",
        people=2,
        addresses=(PartyAddress(street="ring", city="köln"), PartyAddress(postcode="1")),
        emails=("a@example.org", "b@example.org"),
        phones=("+491", "+492"),
        birth_date=date(1980, 2, 29),
        register_id="x1",
        external_id="e1",
    )
    firm = Party(kind="company", company_core="muster", legal_form="gmbh")
    ids = put(database, [full, firm])
    with database.reading() as session:
        assert search.load(session, [*ids, 999_999]) == {ids[0]: full, ids[1]: firm}


@both
def test_a_debtor_is_found_by_shared_keys_and_the_best_comes_first(database: Database) -> None:
    wanted = person("Erika", "Mustermann", emails=("erika@example.org",))
    ids = put(database, [person("Erika", "Mustermann", city="Bonn", postcode="53111"), wanted])
    with database.reading() as session:
        found = search.candidates(session, [(7, party_keys(wanted)), (8, [(1, 6)])])
    assert [debtor_id for debtor_id, _ in found[7]] == [ids[1], ids[0]]
    assert found.keys() == {7}


@both
def test_ignored_debtors_are_left_out_before_the_best_are_chosen(database: Database) -> None:
    one = person("Erika", "Mustermann")
    ids = put(database, [one, one, one])
    with database.reading() as session:
        found = search.candidates(session, [(0, party_keys(one))], top=1, ignore={ids[0]})
    assert [debtor_id for debtor_id, _ in found[0]] == [ids[1]]


@both
def test_ignored_debtors_make_no_key_hot(database: Database) -> None:
    one = person("Erika", "Mustermann")
    ids = put(database, [one] * 5)
    with database.reading() as session:
        found = search.candidates(session, [(0, party_keys(one))], cap=2, ignore=set(ids[2:]))
    assert [debtor_id for debtor_id, _ in found[0]] == ids[:2]


@both
def test_a_key_of_more_debtors_than_the_cap_is_dropped(database: Database) -> None:
    one = person("Erika", "Mustermann")
    ids = put(database, [one, one, one])
    with database.reading() as session:
        keys = party_keys(one)
        assert search.candidates(session, [(0, keys)], cap=2) == {}
        assert [d for d, _ in search.candidates(session, [(0, keys)], cap=3)[0]] == ids


@both
def test_the_answer_depends_neither_on_order_nor_on_batch_size(database: Database) -> None:
    chance = random.Random(5)
    people = [person(*chance.choice(NAMES), house_no=str(chance.randrange(9))) for _ in range(60)]
    put(database, people)
    asked = [(at, party_keys(p)) for at, p in enumerate(people)]
    with database.reading() as session:
        at_once = search.candidates(session, asked)
        singly = {
            n: found for one in asked for n, found in search.candidates(session, [one]).items()
        }
        chance.shuffle(asked)
        assert at_once == singly == search.candidates(session, asked)


@both
def test_removing_debtors_leaves_no_trace_of_them(database: Database) -> None:
    put(database, [person("Max", "Beispiel")])
    before = rows_of(database)
    gone = put(
        database, [person(*name, emails=("x@example.org", "y@example.org")) for name in NAMES]
    )
    with database.unit() as session:
        assert index.remove(session, [*gone, gone[0], 999_999]) == len(NAMES)
        assert search.population(session) == 1
    assert rows_of(database) == before


@both
def test_a_debtor_may_be_deleted_before_the_index_forgets_it(database: Database) -> None:
    ids = put(database, [person("Max", "Beispiel")])
    with database.unit() as session:
        delete_debtors(session, ids)
        index.remove(session, ids)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(MatchProfile)) == 0


@both
def test_names_and_towns_are_counted(database: Database) -> None:
    put(
        database,
        [person("Erika", "Mustermann"), person("Erika", "Müller"), person("Max", "Muller")],
    )
    asked = {("given", "erika"), ("family", "muller"), ("town", "leipzig"), ("family", "nobody")}
    with database.reading() as session:
        assert search.frequencies(session, asked) == {
            ("given", "erika"): 2,
            ("family", "muller"): 2,
            ("town", "leipzig"): 3,
        }


@both
def test_refresh_reads_new_and_changed_debtors_until_none_is_left(database: Database) -> None:
    contacts = Contacts(
        addresses=(
            NewAddress(street="Lindenweg", house_no="4 a", postcode="04109", city="Leipzig"),
        ),
        emails=("Erika@Example.org",),
        phones=(NewPhone(raw="0341 123456", e164="+49341123456"),),
    )
    new = NewDebtor(
        kind=DebtorKind.CONSUMER,
        locale="de",
        first_name="Erika",
        last_name="Mustermann",
        contacts=contacts,
    )
    with database.unit() as session:
        first, *_ = create_debtors(session, [new] * 3, by=None)
        assert [index.refresh(session, limit=2) for _ in range(3)] == [2, 1, 0]
        expected = person(
            "Erika", "Mustermann", emails=("erika@example.org",), phones=("+49341123456",)
        )
        found = search.load(session, [first])[first]
        assert set(party_keys(found)) == set(party_keys(expected))
        assert search.population(session) == 3


@both
def test_a_changed_debtor_is_found_by_its_new_data(database: Database) -> None:
    ids = put(database, [person("Max", "Beispiel")])
    with database.unit() as session:
        session.execute(update(Debtor).values(first_name="Max", last_name="Beispiel"))
        add_contact_points(session, {ids[0]: Contacts(emails=("max@example.org",))}, by=None)
        assert index.refresh(session) == 1
        keys = party_keys(
            person("Max", "Beispiel", street="", city="", emails=("max@example.org",))
        )
        assert search.candidates(session, [(0, keys)])[0][0][0] == ids[0]


@both
def test_keys_added_since_a_batch_are_told_apart(database: Database) -> None:
    put(database, [person("Erika", "Mustermann")])
    with database.reading() as session:
        before = search.batch_no(session)
    late = person("Max", "Beispiel", postcode="10115", city="Berlin", street="Ring")
    ids = put(database, [late])
    keys = [key for p in (late, person("Erika", "Mustermann")) for key, _ in party_keys(p)]
    own = {key for key, _ in party_keys(late)}
    with database.reading() as session:
        assert search.keys_added_since(session, before, keys) == own
        assert search.keys_added_since(session, before, keys, ignore=set(ids)) == set()


@both
def test_the_cache_sees_what_was_written_since(database: Database) -> None:
    ids = put(database, [person("Max", "Beispiel"), person("Anna", "Beispiel")])
    cache, asked = search.Cache(size=1), {("family", "beispiel")}
    with database.reading() as session:
        assert len(cache.load(session, ids)) == 2
        assert cache.counts(session, asked) == ({("family", "beispiel"): 2}, 2)
    with database.unit() as session:
        index.remove(session, ids)
        index.add(session, [(ids[0], person("Eva", "Neu")), (ids[1], person("Anna", "Beispiel"))])
    with database.reading() as session:
        assert [p.family for p in cache.load(session, ids).values()] == ["neu", "beispiel"]
        assert cache.counts(session, asked) == ({("family", "beispiel"): 1}, 2)


def test_counts_leave_out_the_debtors_an_import_made_itself(database: Database) -> None:
    cache, asked = search.Cache(), {("family", "beispiel"), ("family", "neu")}
    old = put(database, [person("Max", "Beispiel")])
    ours = put(database, [person("Anna", "Beispiel"), person("Eva", "Neu")])
    with database.reading() as session:
        before = cache.counts(session, asked, ignore=set(ours))
        assert before == ({("family", "beispiel"): 1}, 1)
        assert cache.counts(session, asked, ignore=set(ours)) == before
        assert cache.counts(session, asked, ignore=set(old))[1] == 2
        assert cache.counts(session, asked)[1] == 3


def plan(session: Session, statement: str, **values: Any) -> str:
    explain = "EXPLAIN QUERY PLAN " if session.connection().dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(str(tuple(row)) for row in session.execute(text(explain + statement), values))


def test_on_sqlite_the_search_walks_the_primary_key(database: Database) -> None:
    with database.reading() as session:
        found = plan(session, search.FIND_SQLITE, keys="[1]", n=101)
        found += plan(session, search.NEW_SQLITE, keys="[1]", batch=1)
    assert found.count("SEARCH") == 2
    assert found.count("USING PRIMARY KEY (key=?)") == 2
    assert "SCAN match_key" not in found


@pytest.fixture
def filled(database: Database) -> Database:
    rows = "SELECT n, 1, 1 FROM generate_series(1, 50000) AS n"
    with database.unit() as session:
        session.execute(text(f"INSERT INTO match_key (key, debtor_id, batch) {rows}"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE match_key"))
    return database


@pytest.mark.both_databases
def test_on_postgresql_the_search_walks_the_primary_key(
    dialect: str, request: pytest.FixtureRequest
) -> None:
    if dialect == "sqlite":
        return
    filled: Database = request.getfixturevalue("filled")
    with filled.reading() as session:
        for statement, more in (
            (search.FIND_POSTGRES, {"n": 101}),
            (search.NEW_POSTGRES, {"batch": 1}),
        ):
            found = plan(session, statement, keys=list(range(50)), **more)
            assert "pk_match_key" in found
            assert "Seq Scan on match_key" not in found
