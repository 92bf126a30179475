from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.debtors import NewDebtor, create_debtors
from finview.cases.models import Case, DebtorKind
from finview.customers.models import BusinessUnit, Customer, Portfolio
from finview.db import Database
from finview.matching import index, match, search
from finview.matching.builtin import StandardMatcher
from finview.matching.decide import Outcome
from finview.matching.judge import Judgement, Work, judge
from finview.matching.models import MatchCandidate
from finview.matching.normalise import RawParty, party
from finview.plugins.contracts.matcher import MatchKey, Party, Score
from finview.plugins.contracts.provider import NoSettings

both = pytest.mark.both_databases

HOME = {"street": "Lindenweg", "house_no": "4a", "postcode": "04109", "city": "Leipzig"}


def person(first: str, last: str, **more: Any) -> Party:
    values = HOME | {"country": "DE"} | more
    return party(RawParty(kind="person", first_name=first, last_name=last, **values))


def firm(name: str, **more: Any) -> Party:
    return party(RawParty(kind="company", company=name, **(HOME | {"country": "DE"} | more)))


def put(database: Database, *parties: Party) -> list[int]:
    new = NewDebtor(kind=DebtorKind.CONSUMER, locale="de", first_name="A", last_name="B")
    with database.unit() as session:
        ids = create_debtors(session, [new] * len(parties), by=None)
        index.add(session, list(zip(ids, parties, strict=True)))
    return ids


def gathered(database: Database, parties: Sequence[Party], **more: Any) -> Work:
    with database.reading() as session:
        return match.gather(session, parties, **more)


def scores(work: Work) -> list[Score]:
    matcher = StandardMatcher(NoSettings())
    return [score for batch in work.asked.batches() for score in matcher.score(batch)]


def judged(database: Database, *parties: Party, **more: Any) -> list[Judgement]:
    work = gathered(database, parties)
    return judge(work, scores(work), **more)


def always(work: Work, percent: float) -> list[Score]:
    return [Score(percent=percent) for _ in work.asked.at]


@both
def test_the_same_person_is_matched_and_a_stranger_is_new(database: Database) -> None:
    erika = person("Erika", "Mustermann", dob=date(1980, 5, 4), emails=("erika@example.org",))
    ids = put(database, erika, person("Max", "Beispiel", city="Bonn", postcode="53111"))
    known, stranger = judged(database, erika, person("Uwe", "Fremd", city="Ulm", street="Gasse"))
    assert (known.outcome, known.debtor_id) == (Outcome.MATCHED, ids[0])
    assert known.candidates[0].evidence
    assert (stranger.outcome, stranger.debtor_id) == (Outcome.NEW, None)


def test_an_empty_database_makes_everyone_new(database: Database) -> None:
    one = person("Erika", "Mustermann")
    assert [j.outcome for j in judged(database, one, one)] == [Outcome.NEW] * 2


@pytest.mark.parametrize(
    ("percent", "outcome"),
    [(80.0, Outcome.MATCHED), (79.9, Outcome.REVIEW), (40.0, Outcome.REVIEW), (39.9, Outcome.NEW)],
)
def test_the_thresholds_count_from_their_very_value(
    database: Database, percent: float, outcome: Outcome
) -> None:
    one = firm("Muster Dachbau GmbH", emails=("info@muster-dachbau.example",))
    put(database, one)
    work = gathered(database, [one])
    assert judge(work, always(work, percent))[0].outcome is outcome


def test_other_thresholds_decide_otherwise(database: Database) -> None:
    one = firm("Muster Dachbau GmbH", emails=("info@muster-dachbau.example",))
    put(database, one)
    work = gathered(database, [one])
    assert judge(work, always(work, 85), auto=90, review=40)[0].outcome is Outcome.REVIEW
    assert judge(work, always(work, 85), auto=95, review=90)[0].outcome is Outcome.NEW


def test_a_matcher_that_says_100_merges_nobody_the_guards_forbid(database: Database) -> None:
    put(database, person("Christian", "Mustermann", phones=("0341 1234567",)))
    work = gathered(database, [person("Sabine", "Mustermann", phones=("0341 1234567",))])
    found = judge(work, always(work, 100))[0]
    assert found.outcome is Outcome.REVIEW
    assert found.percent is not None
    assert found.percent < 80
    assert "MATCH_FIRST_NAME_DIFFERS" in found.candidates[0].codes


def test_two_sure_candidates_are_a_question_for_a_person(database: Database) -> None:
    erika = person("Erika", "Mustermann", emails=("erika@example.org",), dob=date(1980, 5, 4))
    ids = put(database, erika, erika)
    found = judged(database, erika)[0]
    assert (found.outcome, found.debtor_id) == (Outcome.REVIEW, None)
    assert found.reasons == ("MATCH_AMBIGUOUS",)
    assert [c.debtor_id for c in found.candidates] == ids


def test_a_closed_debtor_takes_nothing_by_itself(database: Database) -> None:
    erika = person("Erika", "Mustermann", emails=("erika@example.org",), dob=date(1980, 5, 4))
    ids = put(database, erika)
    found = judged(database, erika, closed=frozenset(ids))[0]
    assert (found.outcome, found.reasons) == (Outcome.REVIEW, ("MATCH_DEBTOR_CLOSED",))


def test_a_person_never_becomes_a_company(database: Database) -> None:
    put(database, firm("Erika Mustermann e.K.", phones=("0341 1234567",)))
    work = gathered(database, [person("Erika", "Mustermann", phones=("0341 1234567",))])
    assert judge(work, always(work, 100))[0].outcome is Outcome.REVIEW


def test_order_and_batch_size_change_nothing(database: Database) -> None:
    people = [person(f, "Mustermann", house_no=str(n)) for n in range(5) for f in ("Erika", "Uwe")]
    put(database, *people)
    at_once = judged(database, *people)
    singly = [judged(database, one)[0] for one in people]
    backwards = judged(database, *reversed(people))[::-1]
    keep = [(j.outcome, j.debtor_id, j.percent, j.candidates) for j in at_once]
    assert keep == [(j.outcome, j.debtor_id, j.percent, j.candidates) for j in singly]
    assert keep == [(j.outcome, j.debtor_id, j.percent, j.candidates) for j in backwards]


def test_debtors_the_import_created_itself_are_not_proposed(database: Database) -> None:
    erika = person("Erika", "Mustermann")
    ids = put(database, erika)
    assert gathered(database, [erika], ignore=frozenset(ids)).asked.at == []


def test_what_an_import_created_changes_nothing_for_its_next_rows(database: Database) -> None:
    erika = person("Erika", "Mustermann", dob=date(1980, 5, 4))
    put(database, erika)
    before = gathered(database, [erika])
    own = put(database, *[person("Erika", "Mustermann", house_no=str(n)) for n in range(120)])
    after = gathered(database, [erika], ignore=frozenset(own))
    assert (after.asked.at, after.sums, after.population) == (before.asked.at, before.sums, 1)
    assert after.asked.names.frequencies == before.asked.names.frequencies


def test_keys_of_a_matcher_bring_debtors_together_within_that_matcher_only(
    database: Database,
) -> None:
    old, new = person("Erika", "Alt"), person("Uwe", "Neu", street="Gasse", city="Ulm", postcode="")
    extra = [[MatchKey(value="same", weight=6)]]
    with database.unit() as session:
        new_debtor = NewDebtor(kind=DebtorKind.CONSUMER, locale="de", last_name="A")
        ids = create_debtors(session, [new_debtor], by=None)
        index.add(session, [(ids[0], old)], keys=match.all_keys([old], extra, prefix="mine/1"))
    mine = gathered(database, [new], keys=match.all_keys([new], extra, prefix="mine/1"))
    other = gathered(database, [new], keys=match.all_keys([new], extra, prefix="mine/2"))
    assert (list(mine.existing_ids), list(other.existing_ids)) == (ids, [])


@dataclass(frozen=True)
class Known:
    """A debtor with a case that customer `one` numbers K1; customer `two` has no case."""

    debtor: int
    one: int
    two: int


def customer(session: Session, unit: BusinessUnit, number: str) -> tuple[int, int]:
    common = {"currency": "EUR", "locale": "de", "company": {}, "created_at": clock.now()}
    row = Customer(number=number, name=number, business_unit_id=unit.id, **common)
    session.add(row)
    session.flush()
    portfolio = Portfolio(customer_id=row.id, name="P", created_at=clock.now())
    session.add(portfolio)
    session.flush()
    return row.id, portfolio.id


@pytest.fixture
def known(database: Database) -> Known:
    (debtor,) = put(database, person("Erika", "Mustermann", dob=date(1980, 5, 4)))
    with database.unit() as session:
        empty = {"company": {}, "email_settings": {}, "invoice_settings": {}, "email_footers": {}}
        unit = BusinessUnit(name="U", active=True, created_at=clock.now(), **empty)
        session.add(unit)
        session.flush()
        (one, portfolio), (two, _) = customer(session, unit, "1"), customer(session, unit, "2")
        case = Case(number="1", customer_id=one, portfolio_id=portfolio, debtor_id=debtor)
        case.customer_case_number_norm = "K1"
        case.currency, case.opened_at = "EUR", clock.now()
        session.add(case)
    return Known(debtor=debtor, one=one, two=two)


def numbered(database: Database, one: Party, customer_id: int, **more: Any) -> Judgement:
    work = gathered(database, [one], customer_id=customer_id, case_numbers=["K1"])
    return judge(work, always(work, 0), **more)[0]


def test_an_equal_case_number_of_the_customer_decides(database: Database, known: Known) -> None:
    moved = person("Erika", "Mustermann", street="Gasse", city="Ulm", postcode="89073")
    found = numbered(database, moved, known.one)
    assert (found.outcome, found.debtor_id) == (Outcome.MATCHED, known.debtor)
    assert (found.percent, found.candidates[0].evidence[0].field) == (100, "case_number")
    closed = numbered(database, moved, known.one, closed=frozenset([known.debtor]))
    assert closed.outcome is Outcome.REVIEW


def test_another_customers_equal_case_number_says_nothing(database: Database, known: Known) -> None:
    stranger = person("Uwe", "Fremd", street="Gasse", city="Ulm", postcode="89073")
    assert numbered(database, stranger, known.two).outcome is Outcome.NEW


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (person("Uwe", "Fremd"), "MATCH_BOTH_NAMES_DIFFER"),
        (person("Erika", "Mustermann", dob=date(1950, 1, 2)), "MATCH_BIRTH_DATE_DIFFERS"),
        (firm("Fremde Logistik GmbH"), "MATCH_PERSON_AND_COMPANY"),
    ],
)
def test_an_equal_case_number_of_clearly_another_one_is_reviewed(
    database: Database, known: Known, other: Party, code: str
) -> None:
    found = numbered(database, other, known.one)
    assert (found.outcome, found.debtor_id) == (Outcome.REVIEW, None)
    assert code in found.candidates[0].codes


@both
def test_a_party_is_judged_again_when_a_likely_debtor_came_in_between(database: Database) -> None:
    erika, uwe = person("Erika", "Mustermann"), person("Uwe", "Fremd", street="Gasse", city="Ulm")
    work = gathered(database, [uwe, erika])
    with database.unit() as session:
        assert match.changed_since(session, work) == []
    ids = put(database, erika)
    with database.unit() as session:
        assert match.changed_since(session, work) == [1]
    with database.unit() as session:
        assert match.changed_since(session, work, ignore=frozenset(ids)) == []


def stored(session: Session) -> list[tuple[int, int, int]]:
    table = MatchCandidate.__table__
    rows = session.execute(
        select(table.c.party_no, table.c.rank, table.c.debtor_id).order_by(
            table.c.party_no, table.c.rank
        )
    )
    return [tuple(row) for row in rows]


def keep(session: Session, work: Work, found: Sequence[Judgement]) -> None:
    match.store(
        session,
        5,
        {10 + j.party: j for j in found},
        work,
        matcher="standard",
        matcher_version="1",
        auto=80,
        review=40,
    )


@both
def test_decisions_are_stored_once_with_what_they_rest_on(database: Database) -> None:
    erika = person("Erika", "Mustermann", emails=("erika@example.org",), dob=date(1980, 5, 4))
    ids = put(database, erika, person("Sabine", "Mustermann"))
    work = gathered(database, [erika])
    found = judge(work, scores(work))
    for _ in range(2):
        with database.unit() as session:
            keep(session, work, found)
    with database.reading() as session:
        rows = stored(session)
        first = session.scalars(select(MatchCandidate).order_by(MatchCandidate.rank)).first()
    assert rows == [(10, 0, ids[0]), (10, 1, ids[1])]
    assert first is not None
    assert (first.population, first.auto_percent, first.matcher) == (2, 80, "standard")
    assert {e["field"] for e in first.evidence} >= {"given", "family", "birth_date", "address"}


def test_stored_decisions_go_with_their_import_or_debtor(database: Database) -> None:
    erika = person("Erika", "Mustermann")
    ids = put(database, erika, person("Sabine", "Mustermann"))
    work = gathered(database, [erika])
    found = judge(work, scores(work))
    with database.unit() as session:
        keep(session, work, found)
        match.forget_debtors(session, [ids[1]])
        assert stored(session) == [(10, 0, ids[0])]
        match.forget(session, 6)
        assert len(stored(session)) == 1
        match.forget(session, 5)
        assert stored(session) == []


def test_a_known_name_is_known_whoever_else_is_in_the_batch() -> None:
    asked = set(search.asked_names(firm("Huber Bau GmbH")))
    assert ("family", "huber") in asked
