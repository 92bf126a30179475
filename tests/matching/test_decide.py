"""Caps, floors, thresholds and ambiguity fall on the documented side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.matching.decide import Outcome, decide, verdict
from finview.matching.guards import Floor, Guard


def guard(cap):
    return Guard(code="MATCH_NAME_ONLY", cap=cap)


FLOOR = Floor(code="MATCH_FLOOR_BRANCH")


@pytest.mark.parametrize(
    ("percents", "outcome"),
    [
        ([], Outcome.NEW),
        ([39.9], Outcome.NEW),
        ([40.0], Outcome.REVIEW),
        ([79.9], Outcome.REVIEW),
        ([80.0], Outcome.MATCHED),
        ([99.0, 79.9], Outcome.MATCHED),
        ([99.0, 80.0], Outcome.REVIEW),
    ],
)
def test_thresholds_count_themselves_and_two_sure_ones_are_ambiguous(percents, outcome):
    assert decide(percents) is outcome


def test_thresholds_are_settings():
    assert decide([85.0], auto=90.0) is Outcome.REVIEW
    assert decide([45.0], review=50.0) is Outcome.NEW


def test_the_lowest_cap_holds_and_a_floor_lifts_to_it_at_most():
    assert verdict(100, [guard(75), guard(60)], []) == 60
    assert verdict(3, [guard(60)], [FLOOR]) == 45
    assert verdict(3, [guard(40)], [FLOOR]) == 40
    assert verdict(3, [], []) == 3


def test_a_percent_is_cut_never_rounded_up_to_a_threshold():
    assert verdict(79.96, [], []) == 79.9
    assert verdict(80.0, [], []) == 80.0


@given(st.floats(0, 100), st.lists(st.integers(0, 100), max_size=3))
def test_no_verdict_exceeds_a_cap_or_what_a_matcher_may_say(percent, caps):
    found = verdict(percent, [guard(c) for c in caps], [])
    assert 0 <= found <= min([100, percent, *caps]) + 1e-6
