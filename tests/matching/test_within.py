import random
from collections.abc import Sequence
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from finview.matching import within
from finview.matching.builtin import StandardMatcher
from finview.matching.names import shipped
from finview.matching.normalise import RawParty, party
from finview.plugins.contracts.matcher import Party, Score
from finview.plugins.contracts.provider import NoSettings

HOME = {"street": "Lindenweg", "house_no": "4a", "postcode": "04109", "city": "Leipzig"}
NAMES = shipped().with_counts({}, 100_000)


def person(first: str, last: str, **more: Any) -> Party:
    values = HOME | {"country": "DE"} | more
    return party(RawParty(kind="person", first_name=first, last_name=last, **values))


def found(parties: Sequence[Party], numbers: Sequence[str] = ()) -> within.Found:
    inside = within.start(parties, numbers or [""] * len(parties), NAMES)
    matcher = StandardMatcher(NoSettings())
    scores = [score for batch in inside.asked.batches() for score in matcher.score(batch)]
    return within.finish(inside, scores)


def rows(parties: Sequence[Party], numbers: Sequence[str] = ()) -> list[tuple[int, ...]]:
    return [group.rows for group in found(parties, numbers).groups]


def test_equal_rows_are_one_debtor_however_many() -> None:
    assert rows([person("Erika", "Mustermann")] * 500) == [tuple(range(500))]


def test_rows_that_tell_no_more_than_an_equal_name_stay_apart() -> None:
    bare = person("Erika", "Mustermann", street="", house_no="", postcode="", city="")
    assert rows([bare, bare]) == [(0,), (1,)]


def test_rows_of_one_person_written_differently_are_joined_with_all_contact_data() -> None:
    born = date(1980, 5, 4)
    one = person("Jürgen", "Großmann", dob=born, emails=("j.grossmann@example.org",))
    two = person("Juergen", "Grossmann", dob=born, phones=("0341 1234567",), street="Lindenw.")
    group = found([one, two]).groups[0]
    assert group.rows == (0, 1)
    assert (len(group.party.emails), len(group.party.phones)) == (1, 1)


def test_rows_with_one_client_number_are_joined_though_little_is_known() -> None:
    bare = person("E.", "Mustermann", street="", house_no="", postcode="", city="")
    assert rows([person("Erika", "Mustermann"), bare], ["C1", "C1"]) == [(0, 1)]
    assert rows([person("Erika", "Mustermann"), bare], ["C1", "C2"]) == [(0,), (1,)]


def test_clearly_another_person_under_one_client_number_stays_apart() -> None:
    both = [person("Erika", "Mustermann"), person("Christian", "Mustermann")]
    assert rows(both, ["C1", "C1"]) == [(0,), (1,)]


def test_one_initial_in_one_house_under_two_client_numbers_may_be_two_people() -> None:
    initial = person("J.", "Mustermann")
    assert rows([initial] * 3, ["C1", "C2", "C1"]) == [(0, 2), (1,)]
    assert rows([initial] * 2, ["C1", "C1"]) == [(0, 1)]


def test_father_mother_and_son_are_three_debtors() -> None:
    phone = ("0341 1234567",)
    father = person("Christian", "Mustermann", phones=phone, dob=date(1950, 1, 2))
    mother = person("Christiane", "Mustermann", phones=phone)
    son = person("Christian", "Mustermann", phones=phone, dob=date(1980, 5, 4))
    assert rows([father, mother, son]) == [(0,), (1,), (2,)]


def test_no_chain_joins_two_who_contradict_each_other() -> None:
    phone = ("0341 1234567",)
    father = person("Hans", "Mustermann", phones=phone, dob=date(1950, 1, 2))
    unborn = person("Hans", "Mustermann", phones=phone)
    son = person("Hans", "Mustermann", phones=phone, dob=date(1980, 5, 4))
    result = found([father, unborn, son])
    assert len(result.groups) == 2
    assert not any({0, 2} <= set(group.rows) for group in result.groups)
    assert result.possible


def test_a_matcher_that_says_100_joins_nobody_the_guards_forbid() -> None:
    two = [person("Erika", "Mustermann"), person("Christian", "Mustermann")]
    inside = within.start(two, ["", ""], NAMES)
    result = within.finish(inside, [Score(percent=100)] * len(inside.asked))
    assert len(result.groups) == 2
    assert 40 <= result.possible[0].percent < 80


def test_possible_pairs_point_at_the_groups_of_the_result() -> None:
    phone = ("0341 1234567",)
    erika = person("Erika", "Mustermann", phones=phone)
    many = [erika, person("Christian", "Mustermann", phones=phone), erika, erika]
    result = found(many)
    pair = result.possible[0]
    assert [result.groups[pair.one].rows, result.groups[pair.two].rows] == [(0, 2, 3), (1,)]


people = st.builds(
    person,
    st.sampled_from(["Erika", "Erica", "E.", "Christian", "Christiane", "Hans", ""]),
    st.sampled_from(["Mustermann", "Musterman", "Beispiel", "Muster-Beispiel"]),
    house_no=st.sampled_from(["4", "4a", "17"]),
    dob=st.sampled_from([None, date(1950, 1, 2), date(1980, 5, 4)]),
    phones=st.sampled_from([(), ("0341 1234567",)]),
)


@given(st.lists(st.tuples(people, st.sampled_from(["", "C1", "C2"])), max_size=8), st.randoms())
def test_the_order_of_the_rows_changes_nothing(
    lines: list[tuple[Party, str]], chance: random.Random
) -> None:
    order = list(range(len(lines)))
    chance.shuffle(order)
    straight = rows([p for p, _ in lines], [n for _, n in lines])
    mixed = rows([lines[i][0] for i in order], [lines[i][1] for i in order])
    back = sorted(tuple(sorted(order[row] for row in group)) for group in mixed)
    as_content = sorted(sorted(repr(lines[row]) for row in group) for group in straight)
    assert as_content == sorted(sorted(repr(lines[row]) for row in group) for group in back)


@given(st.lists(st.tuples(people, st.sampled_from(["", "C1", "C2"])), max_size=8))
def test_every_row_is_in_exactly_one_group(lines: list[tuple[Party, str]]) -> None:
    groups = rows([p for p, _ in lines], [n for _, n in lines])
    assert sorted(row for group in groups for row in group) == list(range(len(lines)))
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)
