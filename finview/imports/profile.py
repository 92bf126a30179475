"""What the values of a column look like: shares of e-mails, dates, names … over the sample."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from finview.imports.vocabulary import words_of

Cell = tuple[str, str]
"""(text, type) as the reader gives it: "" blank, s text, n number, d ISO date, b, e error, f."""

Day = tuple[int, int, int]

LOOKED_AT: Final = 200
"""Characters of a cell that are looked at: patterns stay fast on hostile cells."""

_EMAIL: Final = re.compile(r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$", re.IGNORECASE)
_MONEY: Final = re.compile(
    r"^\s*(?:[€$£]|eur|usd|gbp|chf)?\s*[-−(]?\s*\d{1,3}(?:[.,'’ \xa0]?\d{3})*(?:[.,](?:\d{1,2}|-))?\s*\)?\s*-?\s*(?:[€$£]|eur|usd|gbp|chf)?\s*$",
    re.IGNORECASE,
)
_CENTS: Final = re.compile(r"[.,]\d{1,2}\)?-?\s*(?:[€$£]|eur|usd|gbp|chf)?\s*$", re.IGNORECASE)
_IBAN: Final = re.compile(r"^[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}$")
_VAT: Final = re.compile(
    r"^(?:ATU\d{8}|CHE\d{9}(?:MWST|TVA|IVA)?|NL\d{9}B\d{2}|FR[A-Z0-9]{2}\d{9}|ES[A-Z0-9]\d{7}[A-Z0-9]"
    r"|CY\d{8}[A-Z]|IE\d[A-Z0-9]\d{5}[A-Z]{1,2}|(?:BE|BG|CZ|DE|DK|EE|EL|FI|GB|HR|HU|IT|LT|LU|LV|MT|"
    r"PL|PT|RO|SE|SI|SK|XI)\d{8,12})$"
)
_PHONE: Final = re.compile(r"^(?:\+|00|0|\(0|\(\+)[\d\s()/.\-–]{6,22}\d(?:\s*(?:/|,|;|ext).*)?$")
_MOBILE: Final = re.compile(
    r"^(?:(?:49|0)1[567]\d{7,9}|(?:44|0)7[1-9]\d{8}|(?:43|0)6[5-9]\d{6,10}|(?:41|0)7[5-9]\d{7}|(?:31|0)6\d{8})$"
)
_HOUSE: Final = re.compile(r"^\d{1,4}\s?[a-z]?(?:\s?[-/–]\s?\d{1,4}\s?[a-z]?)?$", re.IGNORECASE)
_POSTCODES: Final[Mapping[str, re.Pattern[str]]] = {
    "DE": re.compile(r"^(?:D-)?\d{5}$"),
    "AT": re.compile(r"^(?:A-)?\d{4}$"),
    "CH": re.compile(r"^(?:CH-)?\d{4}$"),
    "NL": re.compile(r"^\d{4} ?[A-Z]{2}$", re.IGNORECASE),
    "GB": re.compile(r"^[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$", re.IGNORECASE),
    "US": re.compile(r"^\d{5}(?:-\d{4})?$"),
}
_ANY_POSTCODE: Final = re.compile(
    r"^(?:[A-Z]{1,2}-)?\d{4,5}$|^[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$|^\d{4} ?[A-Z]{2}$",
    re.IGNORECASE,
)
_DATES: Final = (
    (re.compile(r"^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?$"), (1, 2, 3)),
    (re.compile(r"^(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})(?: .*)?$"), (3, 2, 1)),
    (re.compile(r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})(?: .*)?$"), (3, 2, 1)),
    (re.compile(r"^(19\d\d|20\d\d)(0[1-9]|1[0-2])([0-3]\d)$"), (1, 2, 3)),
)
_MONTH_DATE: Final = re.compile(
    r"^(\d{1,2})\.?[ -]([a-zäé]{3,9})\.?,?[ -](\d{4})$|^([a-z]{3,9})\.? (\d{1,2}),? (\d{4})$",
    re.IGNORECASE,
)
_MONTHS: Final = {
    word: number
    for number, words in enumerate(
        (
            "jan",
            "feb",
            "mar mär mae",
            "apr",
            "may mai",
            "jun",
            "jul",
            "aug",
            "sep",
            "oct okt",
            "nov",
            "dec dez",
        ),
        start=1,
    )
    for word in words.split()
}
_FOLD: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_WORDS: Final = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_BIC: Final = re.compile(r"^[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$")


def fold(text: str) -> str:
    """Lower case, umlauts written out: the spelling of the vocabulary."""
    return text.strip().lower().translate(_FOLD)


@dataclass(slots=True, kw_only=True)
class Profile:
    """Shares are of the filled cells of the sample, 0…1."""

    filled: int
    fill: float
    unique: float
    length: float
    shares: dict[str, float]
    median: float = 0.0
    zeros: float = 0.0
    numbers: list[float | None]
    days: list[Day | None]
    texts: list[str]
    top: float = 0.0
    counting: bool = False

    def share(self, fact: str) -> float:
        """Share of the filled cells that are such a thing."""
        return self.shares.get(fact, 0.0)


def profile(cells: Sequence[Cell], *, country: str) -> Profile:
    """Looks at every cell of one column once; error cells count as blank."""
    texts = [text.strip() if kind not in {"", "e"} else "" for text, kind in cells]
    filled = [
        (text, kind)
        for text, (_raw, kind) in zip(texts, cells, strict=True)
        if text and text not in {"-", "–", "n/a", "N/A", "#N/A", "null", "NULL", "?"}
    ]
    counts: dict[str, int] = {}
    seen: dict[str, int] = {}
    facts_of: dict[tuple[str, str], frozenset[str]] = {}
    for cell in filled:
        if cell not in facts_of:
            facts_of[cell] = frozenset(_facts(cell[0][:LOOKED_AT], cell[1], country))
        for fact in facts_of[cell]:
            counts[fact] = counts.get(fact, 0) + 1
        seen[cell[0]] = seen.get(cell[0], 0) + 1
    total = len(filled)
    numbers = [_number(text) for text in texts]
    known = [number for number in numbers if number is not None]
    return Profile(
        filled=total,
        fill=total / len(cells) if cells else 0.0,
        unique=len(seen) / total if total else 0.0,
        length=sum(len(text) for text, _kind in filled) / total if total else 0.0,
        shares={fact: count / total for fact, count in counts.items()},
        median=median([abs(number) for number in known if number] or [0.0]),
        zeros=sum(1 for number in known if not number) / len(known) if known else 0.0,
        numbers=numbers,
        days=_days(cells),
        texts=texts,
        top=max(seen.values()) / total if total else 0.0,
        counting=len(known) == total >= 3 and known == [known[0] + step for step in range(total)],
    )


def _facts(text: str, kind: str, country: str) -> list[str]:
    """Everything one cell may be; the shares of these are the profile."""
    if kind == "d" or _day(text) is not None:
        return ["date"]
    if kind == "b":
        return ["flag"]
    facts: list[str] = []
    digits = sum(map(str.isdecimal, text))
    low = fold(text)
    if low in words_of("flags"):
        facts.append("flag")
    if digits:
        facts += _digit_facts(text, kind, digits, country)
    else:
        facts += _word_facts(text, low)
    if "@" in text:
        return ["email" if _EMAIL.match(text) else "email_like"]
    if low.startswith(("http", "www.")):
        facts.append("url")
    if text.endswith("%"):
        facts.append("percent")
    facts += _street_facts(low, digits)
    if low in words_of("currencies"):
        facts.append("currency")
    tokens = low.replace(",", " ").split()
    if any(token in words_of("legal_forms") for token in tokens[1:]):
        facts.append("legal")
    if len(tokens) >= 4 or len(text) > 40:
        facts.append("sentence")
    return facts


def _digit_facts(text: str, kind: str, digits: int, country: str) -> list[str]:
    facts = ["digits"]
    compact = re.sub(r"[\s()/.\-–+]", "", text)
    upper = text.upper()
    if kind == "n" or _MONEY.match(text):
        facts.append("money")
        if _CENTS.search(text):
            facts.append("cents")
    if text.isdecimal():
        facts.append("whole")
    if kind == "n" and len(text) == 5 and text.isdecimal() and "20000" <= text <= "60000":
        facts.append("serial")  # days of Excel, 1954 to 2064
    if text.isdecimal() and len(text) <= 2:
        facts.append("tiny")
    if _IBAN.match(upper) and len(compact) >= 15:
        facts.append("iban")
    elif _VAT.match(re.sub(r"[\s.\-]", "", upper)) and not text.isdecimal():
        facts.append("vat")
    if _PHONE.match(text) and 7 <= digits <= 30 and "," not in text[:-3]:
        facts.append("phone")
        first = re.split(r"[,;]|\s/\s", text)[0]
        bare = re.sub(r"\D", "", first).removeprefix("00")
        if text.startswith(("+", "00")):
            bare = bare.replace("0", "", 1) if bare[2:3] == "0" else bare
        if _MOBILE.match(bare):
            facts.append("mobile")
    elif kind == "n" and compact.isdecimal() and 9 <= digits <= 13:
        facts.append("phone_lost_zero")
    if _HOUSE.match(text):
        facts.append("house")
        if not text.isdecimal():
            facts.append("house_letter")
    own = _POSTCODES.get(country)
    if own is not None and own.match(text):
        facts.append("postcode")
    elif _ANY_POSTCODE.match(text):
        facts.append("postcode_like")
    if text[0] == "0" and text.isdecimal():
        facts.append("leading_zero")
    if digits >= 2 and " " not in text and len(text) >= 3:
        facts.append("id")
        if any(map(str.isalpha, text)):
            facts.append("id_mixed")
    return facts


def _word_facts(text: str, low: str) -> list[str]:
    facts: list[str] = []
    found = _WORDS.findall(text)
    if len(found) == 1 and len(found[0]) > 1 and found[0][0].isupper():
        facts.append("one_word")
    if 2 <= len(found) <= 3 and all(word[0].isupper() for word in found):
        facts.append("two_words")
    names = words_of("first_names")
    parts = [fold(word) for word in found]
    if parts and len(parts) <= 2 and all(p in names or p.split("-")[0] in names for p in parts):
        facts.append("first_name")
    elif 2 <= len(parts) <= 4 and any(p.split("-")[0] in names for p in parts):
        facts.append("person")
        if "," in text:
            facts.append("comma_name")
    if low in words_of("towns"):
        facts.append("town")
    if low in words_of("countries") or low == "united kingdom":
        facts.append("country")
        if text.isupper() and len(text) <= 3:
            facts.append("code")
    if low in words_of("languages"):
        facts.append("language")
        if text.islower() or len(text) > 3:
            facts.append("language_word")
    if low in words_of("salutations"):
        facts.append("salutation")
    if len(text) in {8, 11} and _BIC.match(text):
        facts.append("bic")
    return facts


def _street_facts(low: str, digits: int) -> list[str]:
    tokens = re.split(r"[\s,]+", low)
    plain = [token.rstrip(".") for token in tokens if not token[:1].isdecimal()]
    ends = tuple(words_of("street_ends"))
    streetish = any(
        token in words_of("street_words") or (len(token) > 5 and token.endswith(ends))
        for token in plain
    )
    facts = ["street"] if streetish and (len(plain) > 1 or low.endswith(ends) or digits) else []
    if digits and re.search(
        r"[^\W\d]{3,}\.?\s+\d{1,4}\s?[a-z]?$|^\d{1,4}\s?[a-z]?,?\s+[^\W\d]{3,}", low
    ):
        facts.append("street_number")
    return facts


def _number(text: str) -> float | None:
    """A rough figure to rank columns by; no money is computed from it."""
    if not text or len(text) > 40 or not _MONEY.match(text):
        return None
    bare = re.sub(r"[^\d.,\-−(]", "", text)
    negative = "-" in bare or "−" in bare or "(" in bare
    bare = re.sub(r"[^\d.,]", "", bare)
    cut = max(bare.rfind("."), bare.rfind(","))
    if cut >= 0 and len(bare) - cut - 1 != 3:
        bare = re.sub(r"[.,]", "", bare[:cut]) + "." + bare[cut + 1 :]
    else:
        bare = re.sub(r"[.,]", "", bare)
    try:
        return -float(bare) if negative else float(bare)
    except ValueError:
        return None


def _day(text: str) -> Day | None:
    if not 6 <= len(text) <= 32:
        return None
    for pattern, (year, month, day) in _DATES:
        found = pattern.match(text)
        if found:
            return _valid(int(found.group(year)), int(found.group(month)), int(found.group(day)))
    found = _MONTH_DATE.match(text)
    if found is None:
        return None
    one = found.group(2) or found.group(4)
    number = _MONTHS.get(one[:3].lower())
    if number is None:
        return None
    return _valid(
        int(found.group(3) or found.group(6)), number, int(found.group(1) or found.group(5))
    )


def _valid(year: int, month: int, day: int) -> Day | None:
    if year < 100:
        year += 2000 if year < 50 else 1900
    if month > 12 and day <= 12:
        month, day = day, month
    return (year, month, day) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _days(cells: Sequence[Cell]) -> list[Day | None]:
    """Days of a column, one per row; d/m and m/d settled by the first value that can only be one."""
    days = [_day(text.strip()) if kind not in {"", "e"} else None for text, kind in cells]
    american = False
    for text, kind in cells:
        parts = re.match(r"^(\d{1,2})/(\d{1,2})/\d{2,4}", text) if kind == "s" else None
        if parts and int(parts.group(2)) > 12:
            american = True
            break
    if not american:
        return days
    slashed = ["/" in text for text, _kind in cells]
    return [
        (day[0], day[2], day[1]) if day and flip and day[2] <= 12 else day
        for day, flip in zip(days, slashed, strict=True)
    ]
