"""Best one-to-one assignment (Hungarian method): no third-party solver for a table this small."""

from collections.abc import Sequence
from math import inf


def best_pairs(gains: Sequence[Sequence[float]]) -> list[int | None]:
    """For each row the column it gets, or None; the sum of gains is the largest possible.

    A gain of 0 or less is worse than no pair. Shortest augmenting paths with potentials (Kuhn 1955,
    Munkres 1957, in the form of Jonker and Volgenant 1987): O(rows² · columns).
    """
    rows = len(gains)
    real = len(gains[0]) if rows else 0
    width = real + rows  # one idle column per row stands for "no pair"
    cost = [[-max(gain, 0.0) for gain in row] + [0.0] * rows for row in gains]
    row_price = [0.0] * (rows + 1)
    column_price = [0.0] * (width + 1)
    owner = [0] * (width + 1)  # 1-based row of each column; column 0 holds the row being placed
    for row in range(1, rows + 1):
        owner[0] = row
        _augment(cost, row_price, column_price, owner)
    pairs: list[int | None] = [None] * rows
    for column in range(1, real + 1):
        row = owner[column] - 1
        if row >= 0 and gains[row][column - 1] > 0:
            pairs[row] = column - 1
    return pairs


def _augment(
    cost: Sequence[Sequence[float]],
    row_price: list[float],
    column_price: list[float],
    owner: list[int],
) -> None:
    """Place the row in `owner[0]` along the cheapest alternating path."""
    width = len(column_price) - 1
    distance = [inf] * (width + 1)
    came_from = [0] * (width + 1)
    done = [False] * (width + 1)
    at = 0
    while owner[at] != 0:
        done[at] = True
        row = owner[at]
        step, following = inf, 0
        for column in range(1, width + 1):
            if done[column]:
                continue
            reduced = cost[row - 1][column - 1] - row_price[row] - column_price[column]
            if reduced < distance[column]:
                distance[column], came_from[column] = reduced, at
            if distance[column] < step:
                step, following = distance[column], column
        for column in range(width + 1):
            if done[column]:
                row_price[owner[column]] += step
                column_price[column] -= step
            else:
                distance[column] -= step
        at = following
    while at:
        previous = came_from[at]
        owner[at] = owner[previous]
        at = previous
