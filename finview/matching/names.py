"""What is known about names: how frequent, which gender, which nicknames, known at all."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from math import log2

from finview.text import words

SHIPPED_PEOPLE = 100_000
"""The shipped list's counts are bearers among so many people (half German, half British)."""


class NameTable:
    """The shipped name list, with the database's own counts on top.

    Made once per batch: `shipped().with_counts(frequencies, population)`. `memo` keeps string
    comparisons of the batch; nothing in it changes a result.
    """

    __slots__ = ("_classes", "_counts", "_gender", "_own", "_people", "memo", "population")

    def __init__(
        self,
        counts: dict[tuple[str, str], int],
        gender: dict[str, str],
        classes: dict[str, tuple[str, ...]],
    ) -> None:
        self._counts = counts
        self._gender = gender
        self._classes = classes
        self._own: Mapping[tuple[str, str], int] = {}
        self._people = SHIPPED_PEOPLE
        self.population = 100_000
        self.memo: dict[tuple[str, str, bool], tuple[str, str, str, bool]] = {}

    def with_counts(
        self, frequencies: Mapping[tuple[str, str], int], population: int
    ) -> "NameTable":
        """Return a table that adds the counts of a database of `population` debtors.

        Without any counts the shipped shares stand as they are.
        """
        table = NameTable(self._counts, self._gender, self._classes)
        table._own = frequencies
        table.population = population
        table._people = SHIPPED_PEOPLE + (population if frequencies else 0)
        return table

    @property
    def frequencies(self) -> Mapping[tuple[str, str], int]:
        """Return the database's own counts."""
        return self._own

    def is_given(self, name: str) -> bool:
        """Tell whether the shipped list has this given name."""
        return ("given", name) in self._counts

    def is_family(self, name: str) -> bool:
        """Tell whether the shipped list has this family name, and not as a given name."""
        return ("family", name) in self._counts and ("given", name) not in self._counts

    def known(self, field: str, name: str) -> bool:
        """Tell whether a name is one people bear, rather than a typing error.

        Known are names of the shipped list and names at least five debtors of the database bear.
        """
        return (field, name) in self._counts or self._own.get((field, name), 0) >= 5

    def share(self, field: str, name: str) -> float:
        """Return the share of people who bear this name, shipped and own counts together."""
        n = self._counts.get((field, name), 0) + self._own.get((field, name), 0)
        return max(n, 1) / self._people

    def bits(self, field: str, name: str, low: float, high: float) -> float:
        """Return what an agreement on this name is worth: log2(1 / share), clipped."""
        return min(max(-log2(self.share(field, name)), low), high)

    def town_share(self, town: str) -> float:
        """Return the share of people in a town: the database's count, else what is known of it."""
        own = self._own.get(("town", town))
        if own is not None and self.population > 1_024:
            return own / self.population
        return _TOWNS.get(town, 0.0005)

    def gender(self, given1: str) -> str:
        """Return "m", "f" or "" (unknown or both)."""
        return self._gender.get(given1, "")

    def heads(self, given: str) -> tuple[str, ...]:
        """Return the heads of the nickname classes of a given name (bob → robert)."""
        return self._classes.get(given, ())

    def related(self, a: str, b: str) -> bool:
        """Tell whether two given names are forms of one: Bob and Robert, Hans and Johannes."""
        return not set(self._classes.get(a, ())).isdisjoint(self._classes.get(b, ()))


# Share of the people of Germany, or of the United Kingdom, who live there (2022 and 2021 census).
_TOWNS = {
    "berlin": 0.044, "hamburg": 0.022, "munchen": 0.018, "koln": 0.013, "frankfurt": 0.009,
    "stuttgart": 0.0075, "dusseldorf": 0.0075, "leipzig": 0.007, "dortmund": 0.007, "essen": 0.007,
    "bremen": 0.0068, "dresden": 0.0067, "hannover": 0.0065, "nurnberg": 0.0062, "duisburg": 0.006,
    "bochum": 0.0043, "wuppertal": 0.0042, "bielefeld": 0.004, "bonn": 0.004, "munster": 0.0038,
    "mannheim": 0.0037, "karlsruhe": 0.0037, "augsburg": 0.0036, "wiesbaden": 0.0034,
    "monchengladbach": 0.0031, "gelsenkirchen": 0.0031, "aachen": 0.003, "braunschweig": 0.003,
    "kiel": 0.003, "chemnitz": 0.0029, "halle": 0.0028, "magdeburg": 0.0028, "freiburg": 0.0028,
    "krefeld": 0.0027, "mainz": 0.0026, "lubeck": 0.0026, "erfurt": 0.0025, "rostock": 0.0025,
    "kassel": 0.0024, "london": 0.13, "birmingham": 0.017, "leeds": 0.012, "glasgow": 0.0093,
    "sheffield": 0.0083, "manchester": 0.0082, "edinburgh": 0.0076, "liverpool": 0.0073,
    "bristol": 0.007, "cardiff": 0.0054, "leicester": 0.0055, "bradford": 0.008, "coventry": 0.0051,
    "belfast": 0.0051, "nottingham": 0.0048, "newcastle": 0.0045, "wien": 0.02, "zurich": 0.005,
}  # fmt: skip


def read_names(lines: Iterable[str]) -> NameTable:
    """Read the list: kind (g, f), name, gender, count, classes; a leading # is a comment."""
    counts: dict[tuple[str, str], int] = {}
    gender: dict[str, str] = {}
    classes: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        kind, name, sex, count, heads = [*line.rstrip("\n").split("\t"), "", "", ""][:5]
        key = "".join(words(name))
        field = "given" if kind == "g" else "family"
        counts[field, key] = counts.get((field, key), 0) + int(count or 1)
        if field == "given":
            gender[key] = sex if gender.get(key, sex) == sex else ""
            if heads:
                folded = tuple("".join(words(h)) for h in heads.split(","))
                classes[key] = tuple(dict.fromkeys((*classes.get(key, ()), *folded)))
    return NameTable(counts, gender, classes)


@lru_cache(1)
def shipped() -> NameTable:
    """Return the list that comes with finview, read once per process."""
    text = files("finview.matching").joinpath("names.tsv").read_text(encoding="utf-8")
    return read_names(text.splitlines())
