"""Normalising addresses, phone numbers, e-mails and birth dates for comparing; pure and cached."""

import re
from datetime import date
from functools import lru_cache

from finview.plugins.contracts.matcher import PartyAddress
from finview.text import CACHE, fold, skeleton, word_set

# One spelling per street word. German and English share "st": Hauptstr. 12 and "Haupt St 12".
_STREET_WORDS = {
    "strasse": "st",
    "str": "st",
    "street": "st",
    "sankt": "st",
    "saint": "st",
    "road": "rd",
    "avenue": "ave",
    "av": "ave",
    "lane": "ln",
    "drive": "dr",
    "close": "cl",
    "court": "ct",
    "crescent": "cres",
    "place": "pl",
    "platz": "pl",
    "square": "sq",
    "terrace": "ter",
    "terr": "ter",
    "gardens": "gdns",
    "garden": "gdns",
    "grove": "gr",
    "boulevard": "blvd",
    "blv": "blvd",
    "highway": "hwy",
    "parkway": "pkwy",
    "circle": "cir",
    "circuit": "cct",
    "trail": "trl",
    "mount": "mt",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "weg": "wg",
    "allee": "all",
    "doktor": "dr",
    "professor": "prof",
    "pob": "pobox",
    "pf": "postfach",
}
_STREET_ENDS = (("strasse", "st"), ("str", "st"), ("platz", "pl"), ("weg", "wg"), ("allee", "all"))
_CARE_OF = re.compile(r"(?:\bc\s?/\s?o\b|\bz\. ?hd\.?|\bbei\s|\bcare of\b)[^,;]*[,;]?")
_UNIT = re.compile(
    r"\b(?:flat|apt|apartment|unit|suite|ste|whg|wohnung|appartement|zimmer|room)\b\.?\s?"
    r"(?:nr\.?|no\.?)?\s?\w{0,5}[,;]?"
)
_NO = r"\d{1,5}\s?[a-z]?(?:\s?[-/+&]\s?\d*\s?[a-z]?)*"
_NUMBER_FRONT = re.compile(rf"^({_NO})[\s,]+(?=[a-z])(.+)$")
_NUMBER_BEHIND = re.compile(rf"^(.*?[^\W\d][.)\]]?)[\s,]*(?:nr\.?|no\.?|#)?[\s,]*({_NO})$")
_HOUSE = re.compile(r"\d+|[a-z]+")
_ALNUM = re.compile(r"[^\W_]+")


@lru_cache(CACHE)
def _number(text: str) -> str:
    parts = [p.lstrip("0") or "0" if p.isdigit() else p for p in _HOUSE.findall(fold(text))]
    if parts and parts[0] in {"nr", "no", "hausnr"}:
        parts = parts[1:]
    text = ""
    for part in parts:
        text += ("-" if text and text[-1].isdigit() and part.isdigit() else "") + part
    return text


def _street_words(text: str) -> str:
    out: list[str] = []
    for word in _ALNUM.findall(text.replace("'", "")):
        short = _STREET_WORDS.get(word, word)
        if short == word:
            for end, canon in _STREET_ENDS:
                if word.endswith(end) and len(word) > len(end) + 1:
                    short = word[: -len(end)] + canon
                    break
        out.append(short)
    return "".join(out)


@lru_cache(CACHE)
def street_and_number(street: str, house_no: str) -> tuple[str, str]:
    """Split "12a High Street" and "Hauptstr.12 a" into (highst, 12a); `house_no` wins if given."""
    text = " ".join(_UNIT.sub(" ", _CARE_OF.sub(" ", skeleton(street))).split()).strip(" ,;")
    number = _number(house_no)
    found = _NUMBER_BEHIND.match(text)
    if found:
        name, behind = found[1], _number(found[2])
        if not number or number == behind:
            return _street_words(name), number or behind
    front = _NUMBER_FRONT.match(text)
    if front:
        ahead = _number(front[1])
        if not number or number == ahead:
            return _street_words(front[2]), number or ahead
    return _street_words(text), number


@lru_cache(CACHE)
def postcode(text: str, country: str) -> str:
    """Fold a postcode: no blanks, no country prefix, lost leading zeros of DE and US put back."""
    code = "".join(_ALNUM.findall(fold(text)))
    for prefix in (country.lower(), country.lower()[:1]):
        if prefix and code.startswith(prefix) and code[len(prefix) :].isdigit():
            code = code[len(prefix) :]
    if code.isdigit():
        if country in {"DE", "FR", "ES", "IT"} and len(code) == 4:
            return "0" + code
        if country == "US":
            return code[:5].zfill(5)
    return code


_EXONYMS = {
    "cologne": "koln",
    "munich": "munchen",
    "nuremberg": "nurnberg",
    "hanover": "hannover",
    "brunswick": "braunschweig",
    "vienna": "wien",
    "zurich": "zurich",
    "geneva": "genf",
    "geneve": "genf",
    "brussels": "brussel",
    "bruxelles": "brussel",
    "the hague": "den haag",
    "milan": "mailand",
    "milano": "mailand",
    "prague": "prag",
    "warsaw": "warschau",
    "warszawa": "warschau",
}
_CITY_TAIL = re.compile(
    r"(?:[,(/].*|\s(?:a\.|am|an der|a\.\s?d\.|ob der|bei|im|in|i\.|upon|near|v\.\s?d\.|vor der)\s.*|\s\d+)$"
)


@lru_cache(CACHE)
def city(text: str) -> str:
    """Fold a town: "Frankfurt am Main", "Frankfurt/M." and "Frankfurt" are one; Cologne is Köln."""
    low = skeleton(text).strip()
    cut = _CITY_TAIL.sub("", low).strip() or low
    if "oder" in low and cut.startswith("frankfurt"):
        return "frankfurt oder"
    name = " ".join(_ALNUM.findall(cut.replace("'", "")))
    name = name.removeprefix("stadt ").removeprefix("landeshauptstadt ")
    return _EXONYMS.get(name, name)


@lru_cache(CACHE)
def address(street: str, house_no: str, code: str, town: str, country: str) -> PartyAddress:
    """Return one normalised address; what is empty stays empty."""
    name, number = street_and_number(street, house_no)
    return PartyAddress(
        street=name,
        house_no=number,
        postcode=postcode(code, country),
        city=city(town),
        country=country,
    )


# Calling code and trunk prefix of the countries our customers' debtors live in.
_DIAL = {
    "DE": ("49", "0"),
    "GB": ("44", "0"),
    "AT": ("43", "0"),
    "CH": ("41", "0"),
    "LI": ("423", ""),
    "NL": ("31", "0"),
    "BE": ("32", "0"),
    "LU": ("352", ""),
    "FR": ("33", "0"),
    "IE": ("353", "0"),
    "ES": ("34", ""),
    "PT": ("351", ""),
    "IT": ("39", ""),
    "PL": ("48", ""),
    "CZ": ("420", ""),
    "SK": ("421", "0"),
    "HU": ("36", "06"),
    "RO": ("40", "0"),
    "BG": ("359", "0"),
    "GR": ("30", ""),
    "TR": ("90", "0"),
    "DK": ("45", ""),
    "SE": ("46", "0"),
    "NO": ("47", ""),
    "FI": ("358", "0"),
    "HR": ("385", "0"),
    "SI": ("386", "0"),
    "RS": ("381", "0"),
    "BA": ("387", "0"),
    "UA": ("380", "0"),
    "RU": ("7", "8"),
    "LT": ("370", "8"),
    "LV": ("371", ""),
    "EE": ("372", ""),
    "US": ("1", "1"),
    "CA": ("1", "1"),
    "AU": ("61", "0"),
    "NZ": ("64", "0"),
    "IN": ("91", "0"),
}
_TRUNK_IN_BRACKETS = re.compile(r"\(\s*0\s*\)")
_EXTENSION = re.compile(r"\s*(?:ext|x|durchwahl|dw)\.?\s*\d+\s*$")
_NOT_DIGITS = re.compile(r"\D")


@lru_cache(CACHE)
def phone(text: str, country: str) -> str:
    """Return +<calling code><number>, or "" for what can't be a number (too short, 000000).

    A number without calling code is read as one of `country`; with none known, its digits stay.
    """
    raw = _EXTENSION.sub("", _TRUNK_IN_BRACKETS.sub("", text.lower()))
    digits = _NOT_DIGITS.sub("", raw)
    if len(digits) < 6 or len(set(digits)) < 3 or digits in "01234567890":
        return ""
    code, trunk = _DIAL.get(country, ("", "0"))
    if raw.lstrip(" (").startswith("+"):
        return "+" + digits
    if digits.startswith("00"):
        return "+" + digits[2:]
    if trunk and digits.startswith(trunk):
        return "+" + code + digits[len(trunk) :] if code else digits[len(trunk) :]
    if code and len(digits) > 10 and digits.startswith(code):
        return "+" + digits
    return "+" + code + digits if code else digits


FREE_MAIL = word_set(
    "gmail.com web.de gmx.de gmx.net gmx.at gmx.ch gmx.com t-online.de freenet.de outlook.com "
    "outlook.de hotmail.com hotmail.de hotmail.co.uk live.com live.de live.co.uk msn.com yahoo.com "
    "yahoo.de yahoo.co.uk ymail.com aol.com aol.de icloud.com me.com mac.com mail.de mail.com "
    "email.de posteo.de mailbox.org protonmail.com proton.me arcor.de online.de vodafone.de "
    "kabelmail.de unity-mail.de 1und1.de btinternet.com sky.com talktalk.net virginmedia.com "
    "ntlworld.com blueyonder.co.uk tiscali.co.uk orange.fr wanadoo.fr bluewin.ch a1.net chello.at "
    "comcast.net verizon.net att.net mail.ru yandex.ru wp.pl o2.pl onet.pl interia.pl libero.it "
    "example.com example.org example.net"
)
ROLE_MAILBOXES = word_set(
    "info office kontakt contact contactus buchhaltung rechnung rechnungen rechnungswesen accounts "
    "account accounting invoice invoices billing finance finanzen mail post postmaster service "
    "support sales vertrieb verkauf admin administration hello hallo team verwaltung sekretariat "
    "zentrale empfang reception enquiries enquiry einkauf purchasing orders bestellung shop "
    "kundenservice kundendienst hr personal payroll payments kreditoren debitoren ap ar webmaster "
    "bookings reservierung praxis kanzlei firma company gf geschaeftsfuehrung management"
)
_FAMILY_BOX = re.compile(r"^(?:fam|familie|family|haushalt|home|eheleute|the)|s?family$|familie$")
_NO_MAILBOX = word_set(
    "keine kein none no na nomail noemail noreply no-reply unbekannt unknown test x xx xxx"
)


@lru_cache(CACHE)
def email(text: str) -> str:
    """Return the comparable mailbox: lower case, +tag off, Gmail's dots off; "" for none@…."""
    low = fold(text).strip().removeprefix("mailto:").strip("<>;, ")
    local, at, domain = low.partition("@")
    if not at or "." not in domain:
        return ""
    local = local.partition("+")[0]
    if domain in {"gmail.com", "googlemail.com"}:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}" if local and local not in _NO_MAILBOX else ""


@lru_cache(CACHE)
def is_role_mailbox(address: str) -> bool:
    """Tell whether several people read this mailbox: info@, buchhaltung@, familie.franke@."""
    local = address.partition("@")[0]
    return re.sub(r"[\W\d_]+", "", local) in ROLE_MAILBOXES or bool(_FAMILY_BOX.search(local))


@lru_cache(CACHE)
def own_domain(address: str) -> str:
    """Return a mailbox's domain unless it belongs to a public provider."""
    domain = address.rpartition("@")[2]
    return "" if domain in FREE_MAIL or domain.startswith("example.") else domain


_PLACEHOLDERS = frozenset(
    date(year, 1, 1)
    for year in (1, 1000, 1582, 1601, 1753, 1800, 1899, 1900, 1901, 1904, 1910, 1911, 1970, 2000)
) | {date(1111, 11, 11), date(1899, 12, 30), date(1899, 12, 31), date(1900, 1, 2)}


def birth_date(value: date | None) -> date | None:
    """Return the date unless it is one that programs write for "not known"."""
    if value is None or value in _PLACEHOLDERS or value.year < 1890 or value.year > 2100:
        return None
    return value


@lru_cache(CACHE)
def register_id(text: str) -> str:
    """Return a register or VAT number as plain capitals and digits: "HRB 1234 B" → HRB1234B."""
    return "".join(_ALNUM.findall(fold(text))).upper()
