"""The one-to-one assignment gives the largest total gain."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from finview.imports.assign import best_pairs

gains_tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(-3, 9), min_size=width, max_size=width), min_size=1, max_size=4
    )
)


def total(gains: list[list[int]], pairs: list[int | None]) -> int:
    return sum(gains[row][column] for row, column in enumerate(pairs) if column is not None)


@given(gains_tables)
def test_no_other_assignment_gains_more(gains: list[list[int]]) -> None:
    pairs = best_pairs(gains)
    used = [column for column in pairs if column is not None]
    assert len(used) == len(set(used))
    padded = [[*row, *[0] * len(gains)] for row in gains]
    best = max(
        sum(max(0, padded[row][column]) for row, column in enumerate(choice))
        for choice in permutations(range(len(padded[0])), len(padded))
    )
    assert total(gains, pairs) == best


def test_a_pair_that_gains_nothing_is_not_made() -> None:
    assert best_pairs([[0.0, -1.0]]) == [None]


def test_nothing_to_assign_is_fine() -> None:
    assert best_pairs([]) == []
