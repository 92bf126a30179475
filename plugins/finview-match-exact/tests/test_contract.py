"""The contract every matcher keeps, and what is special about this one."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from finview_match_exact import ExactMatcher, ExactSettings

from finview.plugins.contracts.matcher import MatchBatch, Matcher, Party, Score
from finview.testing.contracts import MatcherContract


class TestContract(MatcherContract):
    @pytest.fixture
    def matcher(self) -> Matcher[Any]:
        return ExactMatcher(ExactSettings())


def score(incoming: Party, existing: Party, **settings: bool) -> Score:
    batch = MatchBatch(
        incoming=[incoming], existing=[existing], pairs=[(0, 0)], population=2, frequencies={}
    )
    return ExactMatcher(ExactSettings(**settings)).score(batch)[0]


ANNA = Party(kind="person", given="anna", family="berg", emails=("anna@example.org",))


def test_the_number_of_the_client_is_certain_with_the_name_and_asked_without() -> None:
    anna = replace(ANNA, external_id="K-1", emails=())
    ben = Party(kind="person", given="ben", family="berg", external_id="K-1")
    assert score(anna, anna).percent == 100
    assert score(anna, ben).percent == 60


def test_a_shared_address_needs_the_same_name() -> None:
    ben = Party(kind="person", given="ben", family="berg", emails=("anna@example.org",))
    assert score(ANNA, ANNA).percent == 90
    assert score(ANNA, ben).percent == 0


def test_a_shared_address_can_be_distrusted() -> None:
    assert score(ANNA, ANNA, shared_contacts=False).percent == 0


def test_different_dates_of_birth_are_never_one_person() -> None:
    young = Party(kind="person", external_id="K-1", birth_date=date(2000, 1, 1))
    old = Party(kind="person", external_id="K-1", birth_date=date(1950, 1, 1))
    assert score(young, old).percent == 0
