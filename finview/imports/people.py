"""Names of people and companies in cells: legal forms, order, capitals, first and last name."""
# ruff: noqa: SIM905  # tables of words are read and edited as text

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from finview.text import CACHE, fold

_FORM_WORDS: Final = (
    r"g?gmbh|gesmbh|mbh|ohg|kgaa|gbr|partg(?:mbb)?|partnerschafts?gesellschaft|aktiengesellschaft|"
    r"kommanditgesellschaft|genossenschaft|stiftung|(?:ein)?getragener verein|"
    r"haftungsbeschr(?:ä|ae)nkt|ltd|limited|llp|plc|llc|l\.l\.c|inc|incorporated|corp|corporation|"
    r"sàrl|sarl|bvba|sp\.?\s?z\s?o\.?\s?o|kft|zrt|a/s|aps|oyj|pty|cic|community interest company"
)
_FORM = re.compile(rf"(?<![\w.])(?:{_FORM_WORDS})(?!\w)", re.IGNORECASE)
_FORM_DOTTED = re.compile(
    r".*\w{2}[\w.)]*,?\s+(?:e\.\s?k(?:fm|fr)?\.?|e\.\s?v\.|e\.\s?g\.|e\.\s?u\.|s\.\s?a\.?(?:\s?r\.\s?l\.?|"
    r"\s?s\.)?|s\.\s?p\.\s?a\.?|s\.\s?r\.\s?l\.?|b\.\s?v\.|n\.\s?v\.|s\.\s?r\.\s?o\.?|d\.\s?o\.\s?o\.?)",
    re.IGNORECASE,
)
"""Forms that look like initials count at the end only: E. K. Meier is a person, Meier e.K. is not."""

_FORM_CAPITALS = re.compile(
    r"\S.*\s(?:AG|KG|UG|SE|eG|eV|eK|e\.K|BV|NV|SA|SAS|SpA|AB|AS|OY|Oy|KS|OU)\.?"
)
_COMPANY_CAPITALS = re.compile(r"\S.*\s(?:AG|KG|UG|EK|EG|EV)")

_PARTICLES: Final = frozenset(
    "von vom van der den zu zum zur ten ter du da di del della dos la le".split()
)
_SMALL_PARTICLES: Final = frozenset("von vom van der den zu zum zur ten ter und".split())
_SALUTATIONS: Final = frozenset(
    "herr herrn frau fraeulein mr mrs ms miss mister madam sir firma hr fr".split()
)
_TITLE = re.compile(
    r"(?:prof|dr|dipl|ing|mag|med|jur|phil|rer|nat|h\.?c|univ|bsc|msc|mba|ba|ma|llm)\.?",
    re.IGNORECASE,
)
_TWO_PEOPLE = re.compile(
    r"\s(?:und|u\.|and|&|\+|oder|bzw\.?)\s|^(?:eheleute|familie|fam\.|erben|erbengemeinschaft|"
    r"estate of|nachlass)\b",
    re.IGNORECASE,
)
_ROMAN: Final = frozenset({"II", "III", "IV"})
_PIECES = re.compile(r"([\s\-'’.]+)")
_INITIAL = re.compile(r"[^\W\d_]\.?")
_CAPITALS_MIN = 3
"""Shorter names in capitals (NG, AJ) may just be written so."""

_FIRST: Final = frozenset(
    (
        "achim adam adelheid adrian agnes ahmed ahmet alan albert alexander alexandra alfred ali "
        "alice alina amelie amy ana anastasia andre andrea andreas andrew angela angelika anja "
        "anke ann anna anne annegret annelie anneliese annemarie annette anthony antje anton "
        "antonia arne arnold arthur astrid august ayse barbara beate ben benedikt benjamin bernd "
        "bernhard birgit bjoern boris brigitte britta bruno burkhard carina carl carla carlo "
        "carmen carola carolin caroline carsten catherine cem charles charlotte chris christa "
        "christel christian christiane christina christine christof christoph christopher clara "
        "claudia clemens constanze corinna cornelia dagmar daniel daniela david deborah denise "
        "dennis detlef diana dieter dietmar dirk dominik donald dora doris dorothea eberhard "
        "eckhard edith eduard edward egon elena elfriede elisabeth elizabeth elke ella elsa emil "
        "emily emma emre erich erik erika ernst erwin esther eugen eva fabian fatima fatma felix "
        "ferdinand finn florian frank franz franziska fred frederik frieda friederike friedrich "
        "fritz gabriel gabriela gabriele gary georg george gerald gerd gerda gerhard gert gertrud "
        "giovanni gisela giuseppe goekhan gordon greta gudrun guenter guenther guido gustav hanna "
        "hannah hannelore hannes hans harald harry hartmut hasan hedwig heide heidi heike heiko "
        "heiner heinrich heinz helen helena helene helga helmut hendrik henning henri henry "
        "herbert hermann hilde hildegard holger horst hubert hugo ian ibrahim ida igor ilona ilse "
        "ina ines inge ingeborg ingo ingrid irene iris irma isabel isabella ivan ivana jack jacob "
        "jakob james jan jana jane janet jasmin jason jean jens jessica joachim joan joana jochen "
        "joe joerg johann johanna johannes john jonas jonathan jorge jose josef joseph josephine "
        "juergen julia julian julie julius jutta kai karen karin karl karla karolina karsten "
        "katarina katharina kathrin katja katrin kenneth kerstin kevin kilian kim klara klaus "
        "konrad konstantin kristin kristina kurt lara lars laura laurenz lea lena leni leo leon "
        "leonie liam lieselotte lina linda lisa lothar louis louisa louise luca lucas lucia "
        "ludwig luis luisa luise lukas lutz lydia magdalena maik malte mandy manfred manuel "
        "manuela marc marcel marco marcus margarete margaret margit margot maria mariam marianne "
        "marie marina mario marion marius mark marko markus marlene marta martha martin martina "
        "mary maryam mathias mathilde mathis matteo matthias matthew maurice max maximilian "
        "mehmet melanie mia michael michaela michelle mika mila milan mohamed mohammad mohammed "
        "monica monika moritz murat mustafa nadine nadja nancy natalia natalie natascha nicholas "
        "nico nicola nicolas nicole niklas niko nina noah nora norbert oezlem olaf oliver olivia "
        "oskar otto pascal patricia patrick paul paula pauline pavel pawel petar peter petra "
        "philip philipp pia piotr rainer ralf ralph ramona raphael rebecca regina reiner reinhard "
        "renate rene ricarda richard rita robert roberto robin roger roland rolf roman ronald "
        "ronny rosa rosemarie roswitha rudi rudolf ruediger ruth sabine sabrina sam samuel sandra "
        "sara sarah sascha sebastian selina sibylle siegfried sigrid silke silvana silvia simon "
        "simone soeren sofia sonja sophia sophie stefan stefanie steffen stella stephan stephanie "
        "stephen steve steven susan susanna susanne sven svenja sylvia tamara tanja tatiana "
        "tatjana teresa theo theodor theresa thomas thorsten tilo tim timo tina tobias tom tomasz "
        "toni torsten udo uemit ulf uli ulrich ulrike ursula uta ute uwe valentin valentina "
        "vanessa vera verena veronika victor victoria viktor viktoria vincent volker waldemar "
        "walter waltraud werner wilfried wilhelm william willi wolfgang yasmin yusuf yvonne zoe"
    ).split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A full name in two parts; `sure` unless the last name could begin elsewhere.

    `swapped`: it was written as last name, first name.
    """

    first: str
    last: str
    sure: bool
    swapped: bool = False


@lru_cache(CACHE)
def has_legal_form(text: str) -> bool:
    """Tell whether a name carries the legal form of a company (GmbH, UG, Ltd, PLC …)."""
    if " " not in text:
        return False
    if _FORM.search(text) or _FORM_DOTTED.fullmatch(text):
        return True
    return bool((_COMPANY_CAPITALS if text.isupper() else _FORM_CAPITALS).fullmatch(text))


@lru_cache(CACHE)
def is_blank_name(text: str) -> bool:
    """Tell whether there is no letter and no digit in it ("-", "?")."""
    return not any(sign.isalnum() for sign in text)


def in_capitals(*parts: str) -> bool:
    """Tell whether a name is written in capitals only; too short ones don't tell."""
    text = "".join(parts)
    return text.isupper() and sum(sign.isalpha() for sign in text) >= _CAPITALS_MIN


@lru_cache(CACHE)
def recased(text: str) -> str:
    """Write a person's name in capitals as names are written: Müller-Lüdenscheidt, von Braun."""
    written = "".join(_word(piece) for piece in _PIECES.split(text))
    return unicodedata.normalize("NFC", written)


def _word(piece: str) -> str:
    if piece in _ROMAN:
        return piece
    small = piece.lower().replace("i̇", "i")
    if small in _SMALL_PARTICLES:
        return small
    if small.startswith("mc") and len(small) > 4:
        return "Mc" + small[2:].capitalize()
    return small[:1].upper() + small[1:]


@lru_cache(CACHE)
def split_name(text: str) -> Split:
    """Split a full name; "Müller, Jörg" and particles (van der Berg) are known, guesses are not.

    Sure are two words, particles, a middle initial, and first names that are known as such.
    """
    before, comma, after = (part.strip() for part in text.partition(","))
    if comma and before and after and "," not in after:
        if _is_title(after.split()[0]) and len(after.split()) == 1:  # "Anna Meier, Dr."
            return split_name(f"{after} {before}")
        sure = not _TWO_PEOPLE.search(text)
        return Split(first=_unsaluted(after), last=before, sure=sure, swapped=True)
    tokens = _unsaluted(text).split()
    if len(tokens) <= 1:
        return Split(first="", last=tokens[0] if tokens else text, sure=True)
    head = 0
    while head < len(tokens) - 2 and _is_title(tokens[head]):
        head += 1
    names, titles = tokens[head:], tokens[:head]
    cut, sure = _cut(names)
    sure = sure and not _TWO_PEOPLE.search(text)
    return Split(first=" ".join((*titles, *names[:cut])), last=" ".join(names[cut:]), sure=sure)


def _is_title(token: str) -> bool:
    return all(_TITLE.fullmatch(part) for part in token.split("-") if part)


def _unsaluted(text: str) -> str:
    tokens = text.split()
    while len(tokens) > 1 and fold(tokens[0]).rstrip(".") in _SALUTATIONS:
        tokens = tokens[1:]
    return " ".join(tokens)


def _known(token: str) -> bool:
    return all(part in _FIRST for part in fold(token).split("-"))


def _given(token: str) -> bool:
    return _known(token) or _INITIAL.fullmatch(token) is not None


def _cut(names: list[str]) -> tuple[int, bool]:
    """Where the last name begins, and whether that is sure."""
    for place in range(1, len(names)):
        if fold(names[place]) in _PARTICLES:
            return place, all(_given(name) for name in names[1:place])
    last = len(names) - 1
    if _INITIAL.fullmatch(names[last]):
        return last, False
    swapped = _known(names[last]) and not _given(names[0])
    return last, not swapped and all(_given(name) for name in names[1:last])


@lru_cache(CACHE)
def looks_like_person(text: str) -> bool:
    """Tell whether a name without legal form begins with a known first name."""
    tokens = _unsaluted(text).split()
    return 2 <= len(tokens) <= 3 and _known(tokens[0]) and not any(map(str.isdigit, tokens))
