"""E-mail addresses, IBANs, VAT numbers and languages: read, repaired, doubted."""
# ruff: noqa: SIM905  # tables of words are read and edited as text

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Literal

from email_validator import EmailNotValidError, validate_email
from rapidfuzz.distance import DamerauLevenshtein
from stdnum import iban as iban_rules
from stdnum.ch import uid as ch_uid
from stdnum.ch import vat as ch_vat
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.gb import vat as gb_vat
from stdnum.no import mva as no_mva

from finview.i18n import LOCALES
from finview.text import CACHE, fold

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]+)*")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}")

_KNOWN: Final = frozenset(
    (
        "gmail.com googlemail.com gmx.de gmx.net gmx.at gmx.ch gmx.com web.de t-online.de "
        "freenet.de arcor.de online.de mail.de posteo.de posteo.net mailbox.org aol.com aol.de "
        "hotmail.com hotmail.de hotmail.co.uk hotmail.fr outlook.com outlook.de live.com live.de "
        "live.co.uk msn.com yahoo.com yahoo.de yahoo.co.uk yahoo.fr ymail.com icloud.com me.com "
        "mac.com proton.me protonmail.com vodafone.de kabelmail.de unitybox.de netcologne.de "
        "ewetel.net bluewin.ch hispeed.ch sunrise.ch aon.at a1.net chello.at btinternet.com "
        "sky.com virginmedia.com ntlworld.com talktalk.net btopenworld.com orange.fr wanadoo.fr "
        "laposte.net free.fr libero.it wp.pl o2.pl onet.pl mail.ru yandex.ru"
    ).split()
)
_SURE_TYPOS: Final[dict[str, str]] = {
    "gmx.d": "gmx.de",
    "gmx.dee": "gmx.de",
    "gmx.ed": "gmx.de",
    "gxm.de": "gmx.de",
    "gmy.de": "gmx.de",
    "gmxx.de": "gmx.de",
    "gmx.ne": "gmx.net",
    "gmx.nte": "gmx.net",
    "wed.de": "web.de",
    "web.d": "web.de",
    "web.ed": "web.de",
    "web.dee": "web.de",
    "wbe.de": "web.de",
    "webb.de": "web.de",
    "web.com.de": "web.de",
    "tonline.de": "t-online.de",
    "t-online.com": "t-online.de",
    "gmail.de": "gmail.com",
    "gmail.co": "gmail.com",
    "gmail.cm": "gmail.com",
    "gmail.om": "gmail.com",
    "hotmail.co": "hotmail.com",
    "hotmail.cm": "hotmail.com",
    "outlook.co": "outlook.com",
    "outlook.cm": "outlook.com",
    "yahoo.co": "yahoo.com",
    "yahoo.cm": "yahoo.com",
    "icloud.co": "icloud.com",
    "icloud.de": "icloud.com",
}
_NEVER_TLD: Final = {
    "con": "com",
    "cmo": "com",
    "ocm": "com",
    "vom": "com",
    "comm": "com",
    "coom": "com",
    "xom": "com",
    "cpm": "com",
    "c0m": "com",
    "dee": "de",
    "ogr": "org",
    "orgg": "org",
    "nett": "net",
    "ner": "net",
    "nte": "net",
}
"""Endings that are no top-level domains, so surely mistyped."""

_FUZZY: Final = frozenset(domain for domain in _KNOWN if len(domain.partition(".")[0]) >= 5)
_OWN: Final = frozenset({"email.com", "emails.com", "mail.com", "fmail.com", "hushmail.com"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """An address, or what is wrong with it, with the address that was probably meant."""

    state: Literal["VALID", "CASED", "TYPO", "INVALID"]
    address: str = ""
    suggestion: str | None = None


@lru_cache(CACHE)
def read_email(text: str) -> Email:
    """Read one address; CASED = only the domain had to be written in small letters.

    Nothing is looked up in the network.
    """
    address = _address(text)
    if address is None:
        return Email(state="INVALID", suggestion=_repaired(text))
    local, _, domain = address.rpartition("@")
    if (meant := _typo_of(domain)) is not None:
        return Email(state="TYPO", address=address, suggestion=f"{local}@{meant}")
    return Email(state="VALID" if address == text else "CASED", address=address)


def _address(text: str) -> str | None:
    """Return the address with its domain in small letters, or None."""
    local, at, domain = text.rpartition("@")
    if at and len(text) <= 254 and len(local) <= 64:
        if _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain):
            return f"{local}@{domain.lower()}"
        if not text.isascii():
            try:
                return str(validate_email(text, check_deliverability=False).normalized)
            except EmailNotValidError:
                return None
    return None


def _repaired(text: str) -> str | None:
    """Return the one address that the text was probably meant to be."""
    low = re.sub(r"^\s*mailto:\s*", "", text, flags=re.IGNORECASE)
    if found := re.search(r"<([^<>]+)>", low):
        low = found[1]
    low = re.split(r"[;,|]\s*(?=\S+@)|\s+/\s+", low)[0]
    low = re.sub(r"\s*[\[({]\s*(?:at|ät)\s*[\])}]\s*|\s+at\s+", "@", low, flags=re.IGNORECASE)
    low = re.sub(
        r"\s*[\[({]\s*(?:dot|punkt)\s*[\])}]\s*|\s+(?:dot|punkt)\s+", ".", low, flags=re.IGNORECASE
    )
    low = re.sub(r"\s+", "", low).strip(".,;:'\"<>()")
    low = re.sub(r"@{2,}", "@", low)
    low = re.sub(r"\.{2,}", ".", low).replace(",", ".").replace(".@", "@").replace("@.", "@")
    address = _address(low)
    if address is None:
        return None
    local, _, domain = address.rpartition("@")
    return f"{local}@{_typo_of(domain) or domain}"


@lru_cache(CACHE)
def _typo_of(domain: str) -> str | None:
    """Return the known domain that this one is a typing error of, or None."""
    if domain in _KNOWN or domain in _OWN:
        return None
    if domain in _SURE_TYPOS:
        return _SURE_TYPOS[domain]
    name, _, ending = domain.rpartition(".")
    if ending in _NEVER_TLD:
        meant = f"{name}.{_NEVER_TLD[ending]}"
        return _typo_of(meant) or meant
    label, _, rest = domain.partition(".")
    near = [
        known
        for known in _FUZZY
        if known.partition(".")[2] == rest
        and DamerauLevenshtein.distance(label, known.partition(".")[0], score_cutoff=1) == 1
    ]
    return near[0] if len(near) == 1 else None


@lru_cache(CACHE)
def read_iban(text: str) -> str | None:
    """Return the IBAN without blanks, or None when length, pattern or checksum is wrong."""
    try:
        return str(iban_rules.validate(re.sub(r"^IBAN[\s:]*", "", text, flags=re.IGNORECASE)))
    except ValidationError:
        return None


@lru_cache(CACHE)
def read_vat(text: str, country: str) -> str | None:
    """Return the VAT number with its country prefix, or None; `country` is for bare numbers.

    Only formats and checksums, no network. Countries without known rules pass by shape.
    """
    bare = re.sub(r"[\s.\-/]+", "", text.upper())
    if not re.fullmatch(r"[A-Z0-9]{4,16}", bare):
        return None
    prefix = bare[:2] if bare[:2].isalpha() else ""
    for home in dict.fromkeys((prefix, "" if prefix in _vat_homes() else country)):
        if home and (number := _vat_of(bare, home)) is not None:
            return number
    return None


@cache
def _vat_homes() -> frozenset[str]:
    return frozenset(code.upper() for code in eu_vat.MEMBER_STATES) | {"EL", "GB", "CH"}


def _vat_of(bare: str, home: str) -> str | None:
    prefix = "EL" if home == "GR" else home
    body = bare.removeprefix(prefix)
    try:
        if home == "GB":
            return f"GB{gb_vat.validate(body)}"
        if home in {"CH", "LI"}:
            body = bare.removeprefix("CHE")
            if re.fullmatch(r"\d{9}", body):
                return str(ch_uid.validate(f"CHE{body}"))
            return str(ch_vat.validate(f"CHE{body}"))
        if home == "NO":
            return f"NO{no_mva.validate(body if body.endswith('MVA') else body + 'MVA')}"
        if home in _vat_homes():
            return str(eu_vat.validate(prefix + body))
    except ValidationError:
        return None
    return bare if re.search(r"\d{4}", bare) else None


def masked(text: str) -> str:
    """Return a number as it may stand in a message: two first signs, three last ones."""
    bare = text.replace(" ", "")
    return f"{bare[:2]}…{bare[-3:]}" if len(bare) > 6 else f"{bare[:1]}…"


_LANGUAGES: Final = {
    "de": "de deu ger german deutsch allemand de-de de_de de-at de-ch",
    "en": "en eng english englisch anglais en-gb en_gb en-us en_us",
}


@lru_cache(CACHE)
def read_language(text: str) -> str | None:
    """Return the code of a language that is shipped (de, en), or None."""
    folded = fold(text).strip()
    for code in LOCALES:
        if folded in _LANGUAGES.get(code, code).split():
            return code
    return None
