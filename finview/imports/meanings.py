"""What the amount of a file means: still open, or as invoiced, so that nothing is taken off twice."""

from collections.abc import Mapping
from typing import Any, Final

from finview.imports.aliases import normalise_header
from finview.imports.vocabulary import words_of

OPTION: Final = "amountIs"
OPEN: Final = "OPEN"
INVOICED: Final = "INVOICED"

_STEMS: Final = ("offen", "offn", "saldo", "rueckst", "ausstehend", "aussenst", "outstand")
_STARTS: Final = ("rest", "unbezahlt", "remain")
_ONCE: Final = frozenset({"original", "originally", "urspruenglich", "urspruenglicher", "initial"})


def amount_is(header: str, options: Mapping[str, Any]) -> str:
    """Return OPEN when an amount is what is left to pay, INVOICED when payments are still to come off.

    A person may say so (`amountIs` among the column's options); else the header does: "offener
    Betrag", "Restforderung", "Saldo", "Amount due" are open, "Rechnungsbetrag" is not.
    """
    chosen = options.get(OPTION)
    if chosen in (OPEN, INVOICED):
        return str(chosen)
    words = normalise_header(header).split()
    if _ONCE & set(words):
        return INVOICED
    said = any(
        word in words_of("header_open")
        or word.startswith(_STARTS)
        or any(stem in word for stem in _STEMS)
        for word in words
    )
    return OPEN if said or "zu zahlen" in " ".join(words) else INVOICED
