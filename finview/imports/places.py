"""Countries by name, plate and code; postcodes by country; towns whose postcodes have four digits."""

import re
from functools import cache, lru_cache
from typing import Final, Literal

from babel import Locale
from babel.core import get_global
from rapidfuzz.process import extractOne

from finview.text import CACHE, fold, words

_PLATES: Final = (
    "A:AT B:BE D:DE E:ES F:FR H:HU I:IT L:LU N:NO P:PT S:SE V:VA FIN:FI FL:LI SLO:SI SLK:SK IRL:IE "
    "EST:EE RO:RO BIH:BA SRB:RS MNE:ME NMK:MK KOS:XK RKS:XK RUS:RU BY:BY TR:TR UA:UA UK:GB EL:GR "
    "RSM:SM AND:AD"
)
_NAMES: Final = (
    "brd:DE bundesrepublik deutschland:DE allemagne:DE germania:DE alemania:DE duitsland:DE ger:DE "
    "osterreich:AT autriche:AT oesterr:AT suisse:CH svizzera:CH helvetia:CH schweizerische "
    "eidgenossenschaft:CH sui:CH great britain:GB britain:GB grossbritannien:GB england:GB "
    "schottland:GB scotland:GB wales:GB nordirland:GB northern ireland:GB vereinigtes konigreich "
    "grossbritannien und nordirland:GB holland:NL niederl:NL nederland:NL ned:NL usa:US us of "
    "america:US united states of america:US vereinigte staaten von amerika:US u s a:US tschechische "
    "republik:CZ czech republic:CZ cesko:CZ slowakische republik:SK italia:IT france:FR espana:ES "
    "polska:PL belgique:BE belgie:BE danmark:DK sverige:SE norge:NO suomi:FI magyarorszag:HU "
    "hrvatska:HR turkiye:TR turkei:TR turkey:TR russland:RU russia:RU republic of ireland:IE eire:IE "
    "luxembourg:LU portugal:PT grece:GR hellas:GR romania:RO bulgaria:BG srbija:RS bosnien:BA "
    "bosna i hercegovina:BA mazedonien:MK kosovo:XK"
)

_POSTCODES: Final[dict[str, str]] = {
    "DE": r"(?!00)\d{5}",
    "AT": r"[1-9]\d{3}",
    "CH": r"[1-9]\d{3}",
    "LI": r"94(?:8[5-9]|9[0-8])",
    "BE": r"[1-9]\d{3}",
    "LU": r"\d{4}",
    "NL": r"[1-9]\d{3} (?!SA|SD|SS)[A-Z]{2}",
    "DK": r"\d{4}",
    "NO": r"\d{4}",
    "HU": r"[1-9]\d{3}",
    "SI": r"\d{4}",
    "BG": r"[1-9]\d{3}",
    "CY": r"\d{4}",
    "AU": r"\d{4}",
    "FR": r"(?:0[1-9]|[1-8]\d|9[0-8])\d{3}",
    "MC": r"980\d{2}",
    "ES": r"(?:0[1-9]|[1-4]\d|5[0-2])\d{3}",
    "IT": r"\d{5}",
    "SM": r"4789\d",
    "VA": r"00120",
    "FI": r"\d{5}",
    "EE": r"\d{5}",
    "HR": r"[1-5]\d{4}",
    "RS": r"\d{5}",
    "BA": r"\d{5}",
    "ME": r"8\d{4}",
    "MK": r"\d{4}",
    "TR": r"\d{5}",
    "UA": r"\d{5}",
    "LT": r"\d{5}",
    "LV": r"\d{4}",
    "RO": r"\d{6}",
    "RU": r"\d{6}",
    "BY": r"\d{6}",
    "PL": r"\d{2}-\d{3}",
    "PT": r"\d{4}-\d{3}",
    "CZ": r"[1-7]\d{2} \d{2}",
    "SK": r"[089]\d{2} \d{2}",
    "SE": r"\d{3} \d{2}",
    "GR": r"\d{3} \d{2}",
    "MT": r"[A-Z]{3} \d{4}",
    "US": r"\d{5}(?:-\d{4})?",
    "CA": r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d",
    "IE": r"(?:D6W|[AC-FHKNPRTV-Y]\d{2}) [0-9AC-FHKNPRTV-Y]{4}",
    "GB": (
        r"GIR 0AA|(?:[A-PR-UWYZ](?:\d{1,2}|[A-HK-Y]\d|[A-HK-Y]\d\d|\d[A-HJKPS-UW]|"
        r"[A-HK-Y]\d[ABEHMNPRV-Y]))\s\d[ABD-HJLNP-UW-Z]{2}"
    ),
}
"""By Universal Postal Union addressing sheets; Great Britain by BS 7666; no entry, no check."""

_CUT: Final[dict[str, int]] = {
    "GB": -3,
    "NL": 4,
    "PL": 2,
    "PT": 4,
    "CZ": 3,
    "SK": 3,
    "SE": 3,
    "GR": 3,
    "MT": 3,
    "CA": 3,
    "IE": 3,
}
"""Where the blank or hyphen of a postcode stands, counted over letters and digits."""

_HYPHENS: Final = frozenset({"PL", "PT"})
_LOSING: Final = {"DE": 5, "FR": 5, "IT": 5, "ES": 5, "US": 5, "FI": 5, "EE": 5, "TR": 5, "UA": 5}
"""Countries whose codes may start with a zero, which a number cell drops; length with it."""

_ANY = re.compile(r"[A-Z0-9][A-Z0-9 \-]{0,10}[A-Z0-9]|[A-Z0-9]")
_COUNTRY_PREFIX = re.compile(r"([A-Z]{1,3})[\s\-–]+(?=\d)")

_TOWNS: Final[dict[str, str]] = {
    "AT": (
        "wien vienna graz linz salzburg innsbruck klagenfurt villach wels dornbirn steyr wiener "
        "feldkirch bregenz leonding klosterneuburg baden wolfsberg leoben krems traun amstetten "
        "lustenau kapfenberg moedling hallein kufstein traiskirchen schwechat braunau stockerau "
        "saalfelden ansfelden tulln hohenems spittal telfs ternitz perchtoldsdorf eisenstadt "
        "bludenz schwaz woergl hard gmunden voecklabruck lienz judenburg knittelfeld zwettl"
    ),
    "CH": (
        "zuerich zurich genf geneve basel lausanne bern winterthur luzern lugano biel thun koeniz "
        "bellinzona freiburg fribourg schaffhausen chur vernier neuenburg neuchatel uster sion "
        "sitten lancy emmen yverdon zug kriens rapperswil dietikon dietlikon montreux frauenfeld "
        "waedenswil riehen baar wettingen carouge wil kreuzlingen allschwil nyon renens buelach "
        "aarau horgen reinach vevey baden kloten onex adliswil muttenz pratteln olten solothurn "
        "martigny davos sierre locarno glarus liestal altdorf schwyz"
    ),
}
_AMBIGUOUS_TOWNS: Final = frozenset({"baden", "freiburg", "reinach", "hard", "wil"})

State = Literal["CLEAR", "ZERO", "INVALID"]


@cache
def _countries() -> dict[str, str]:
    """Folded names, plates and codes → ISO code; German and English, plus usual other ones."""
    table: dict[str, str] = {}
    codes = {c for c in map(str, Locale("en").territories) if len(c) == 2 and c.isalpha()} - {
        "EU",
        "EZ",
        "UN",
    }
    for old, new in get_global("territory_aliases").items():
        if len(old) == 3 and old.isalpha() and new and new[0] in codes:
            table[old.lower()] = new[0]
    for language in ("de", "en"):
        for code, name in Locale(language).territories.items():
            if code in codes:
                table.setdefault(_key(str(name)), str(code))
    for source in (_PLATES, _NAMES):
        for name, code in re.findall(r"([^:]+?):([A-Z]{2})(?: |$)", source):
            table[_key(name)] = code
    table.update({code.lower(): code for code in codes - {"UK"}})
    return table


def _key(name: str) -> str:
    return " ".join(words(name)) or fold(name)


@lru_cache(CACHE)
def read_country(text: str) -> str | None:
    """Return the ISO code of a country name (de, en), plate code or ISO code; else None."""
    if len(text) == 2 and text.isupper() and text.isascii() and text != "UK":
        return text if _countries().get(text.lower()) == text else None
    return _countries().get(_key(text)) or _countries().get(_key(text.replace(".", "")))


@lru_cache(CACHE)
def nearest_country(text: str) -> str | None:
    """Return the ISO code of the country whose name is one typing error away, if there is one."""
    key = _key(text)
    if len(key) < 5:
        return None
    found = extractOne(key, [name for name in _countries() if len(name) > 4], score_cutoff=85)
    return _countries()[found[0]] if found else None


@lru_cache(CACHE)
def town_abroad(city: str) -> str | None:
    """Return AT or CH when the town is known to lie there and nowhere else."""
    first = fold(city).replace(".", " ").replace(",", " ").split()
    return next(
        (
            country
            for country, towns in _town_sets().items()
            if first and first[0] in towns and first[0] not in _AMBIGUOUS_TOWNS
        ),
        "AT" if fold(city).startswith(("st. poelten", "sankt poelten", "st poelten")) else None,
    )


@cache
def _town_sets() -> dict[str, frozenset[str]]:
    return {country: frozenset(towns.split()) for country, towns in _TOWNS.items()}


@cache
def _pattern(country: str) -> re.Pattern[str]:
    return re.compile(_POSTCODES[country])


@lru_cache(CACHE)
def read_postcode(text: str, country: str, *, number: bool = False) -> tuple[State, str]:
    """Return the postcode as its country writes it, and whether a leading zero was given back.

    A country prefix (D-04109) is cut off. `number`: the cell held a number, so several leading
    zeros may be lost (Italy); a text may have lost one.
    """
    plain = text.upper().strip()
    if prefix := _COUNTRY_PREFIX.match(plain):
        stated = read_country(prefix[1])
        if stated == country:
            plain = plain[prefix.end() :]
        elif stated is not None:
            return "INVALID", text
    if country not in _POSTCODES:
        return ("CLEAR" if _ANY.fullmatch(plain) else "INVALID"), plain
    code = _spaced(plain, country)
    if _pattern(country).fullmatch(code):
        return "CLEAR", code
    length = _LOSING.get(country, 0)
    if plain.isdecimal() and length - (3 if number else 1) <= len(plain) < length:
        filled = plain.zfill(length)
        if _pattern(country).fullmatch(filled):
            return "ZERO", filled
    return "INVALID", text


def _spaced(plain: str, country: str) -> str:
    cut = _CUT.get(country)
    if cut is None:
        return plain.replace(" ", "") if plain.replace(" ", "").isdecimal() else plain
    bare = plain.replace(" ", "").replace("-", "")
    return f"{bare[:cut]}{'-' if country in _HYPHENS else ' '}{bare[cut:]}"
