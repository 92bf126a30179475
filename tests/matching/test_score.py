"""A score is symmetric, depends on the pair alone, and says why."""

from datetime import date
from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finview.matching.builtin import StandardMatcher
from finview.matching.names import shipped
from finview.matching.normalise import RawParty, party
from finview.matching.score import percent_of
from finview.plugins.contracts.matcher import MatchBatch
from finview.plugins.contracts.provider import NoSettings

MATCHER = StandardMatcher(NoSettings())
HOME = {"street": "Hauptstr.", "house_no": "12", "postcode": "10115", "city": "Berlin"}
AWAY = {"street": "Am Ring", "house_no": "5", "postcode": "50667", "city": "Köln"}


def known(**fields):
    return party(RawParty(**{"kind": "person", "country": "DE", **fields}))


def scores(incoming, existing, pairs, population=100_000, frequencies=None):
    batch = MatchBatch(
        incoming=incoming,
        existing=existing,
        pairs=pairs,
        population=population,
        frequencies=frequencies or {},
    )
    return MATCHER.score(batch)


def percent(left, right, **context):
    return scores([left], [right], [(0, 0)], **context)[0].percent


NAMES = st.sampled_from(["Anna", "Anne", "Hans", "Johannes", "Bob", "J.", "Jan Otto", "Xq", ""])
FAMILIES = st.sampled_from(
    ["Meyer", "Maier", "von Braun", "Müller-Otto", "Otto", "Wolf geb. Meyer"]
)
PLACES = st.sampled_from([HOME, AWAY, {**HOME, "house_no": "14"}, {"city": "Berlin-Mitte"}, {}])
DATES = st.sampled_from([None, date(1980, 3, 4), date(1980, 4, 3), date(1955, 3, 4)])
MAILS = st.lists(st.sampled_from(["a@web.de", "anna.m@gmx.de", "anna.n@gmx.de", "info@x.de"]))


@st.composite
def people(draw):
    return known(
        first_name=draw(NAMES),
        last_name=draw(FAMILIES),
        dob=draw(DATES),
        emails=tuple(draw(MAILS)),
        phones=draw(st.sampled_from([(), ("030 1234567",), ("030 1234568",)])),
        **draw(PLACES),
    )


@st.composite
def firms(draw):
    words = st.sampled_from(["Nordlicht", "Nordlich", "Energie", "Bau", "Meyer", "5", "&", "GmbH"])
    name = " ".join(draw(st.lists(words, min_size=1, max_size=4)))
    vat = draw(st.sampled_from(["", "DE111222333", "DE111222334", "DE999888777"]))
    return known(kind="company", company=name, register_id=vat, **draw(PLACES))


@settings(max_examples=300)
@given(st.one_of(people(), firms()), st.one_of(people(), firms()))
def test_which_side_is_incoming_makes_no_difference(left, right):
    assert percent(left, right) == pytest.approx(percent(right, left), abs=1e-9)


@settings(max_examples=50)
@given(st.lists(people(), min_size=2, max_size=6), st.randoms())
def test_neighbours_and_order_in_a_batch_change_nothing(parties, random):
    pairs = [(a, b) for a in range(len(parties)) for b in range(len(parties))]
    together = dict(zip(pairs, scores(parties, parties, pairs), strict=True))
    random.shuffle(pairs)
    again = dict(zip(pairs, scores(parties, parties, pairs), strict=True))
    alone = {(a, b): scores([parties[a]], [parties[b]], [(0, 0)])[0] for a, b in pairs}
    assert together == again == alone


@pytest.mark.parametrize("population", [10, 10_000, 1_000_000])
def test_an_identical_debtor_is_sure_whatever_the_size(population):
    anna = known(first_name="Anna", last_name="Krüger", dob=date(1980, 3, 4), **HOME)
    firm = known(kind="company", company="Nordlicht Energie GmbH", register_id="DE1", **HOME)
    assert percent(anna, anna, population=population) >= 80
    assert percent(firm, firm, population=population) >= 80


def test_percent_is_recomputed_from_the_evidence():
    anna = known(first_name="Anna", last_name="Krüger", phones=("0301234567",), **HOME)
    score = scores([anna], [anna], [(0, 0)])[0]
    bits = sum(e.points for e in score.evidence)
    assert percent_of(bits, 100_000) == pytest.approx(score.percent, abs=0.5)
    assert {e.field for e in score.evidence} == {"given", "family", "phone", "address", "household"}


def test_the_prior_grows_with_the_database_but_not_below_a_thousand():
    assert percent_of(log2(4096) + 2, 4096) == pytest.approx(50)
    assert percent_of(20, 5) == percent_of(20, 1024) > percent_of(20, 2048)


def test_a_name_frequent_in_this_database_says_less():
    zofia = known(first_name="Zofia", last_name="Quirinius", **HOME)
    often = {("given", "zofia"): 3_000, ("family", "quirinius"): 5_000}
    rare = {("given", "zofia"): 1, ("family", "quirinius"): 1}
    assert percent(zofia, zofia, frequencies=often) < percent(zofia, zofia, frequencies=rare)


def test_what_one_side_does_not_say_counts_nothing():
    anna = known(first_name="Anna", last_name="Krüger", **HOME)
    more = known(first_name="Anna", last_name="Krüger", dob=date(1980, 3, 4), **HOME)
    assert percent(anna, more) == percent(anna, anna)


def test_slips_in_a_birth_date_weigh_less_than_generations():
    home = {"first_name": "Anna", "last_name": "Krüger", **HOME}
    anna = known(dob=date(1980, 3, 11), **home)
    days = [date(1980, 3, 11), date(1980, 11, 3), date(1980, 3, 12), date(1981, 3, 21)]
    found = [percent(anna, known(dob=day, **home)) for day in [*days, date(2000, 3, 11)]]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 5


def test_the_shipped_list_knows_nicknames_genders_and_frequent_names():
    names = shipped()
    assert names.related("bob", "robert")
    assert not names.related("christian", "christiane")
    assert (names.gender("christian"), names.gender("christiane")) == ("m", "f")
    assert names.share("family", "muller") > names.share("family", "quirinius")
    assert names.known("family", "zimmermann")
    assert not names.known("family", "zimmerman")
