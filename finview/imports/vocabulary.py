"""Word lists of `vocabulary.tsv`: first names, towns, street words … and words inside headers."""

from functools import cache
from pathlib import Path


@cache
def words_of(name: str) -> frozenset[str]:
    """One list, lower case with umlauts written out; blanks inside a word stand between bars.

    header_open says that an amount is what is left to pay. header_neutral says whose fact it is, not which ("Schuldner: PLZ"); header_contrary that the fact
    belongs to somebody else or is one no field takes ("Fax Gläubiger"). Raises KeyError.
    """
    text = Path(__file__).with_name("vocabulary.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith(f"{name}\t"):
            listed = line.split("\t")[1]
            return frozenset(listed.split("|") if "|" in listed else listed.split())
    raise KeyError(name)
