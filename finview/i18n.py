"""Catalogues, sentences by code, and the output of money, numbers and dates in a language."""

import gettext
import io
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from types import MappingProxyType
from typing import Any

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from finview import files

LOCALES = ("en", "de")
DEFAULT_LOCALE = "en"
DOMAIN = "finview"

_sentences: dict[str, str] = {}


def N_(message: str) -> str:  # noqa: N802  # gettext's own name for "translate later"
    """Mark a message for extraction and return it unchanged."""
    return message


def sentences(table: Mapping[str, str]) -> Mapping[str, str]:
    """Register one English sentence per code, process wide; raise ValueError on a clash."""
    for code, text in table.items():
        if _sentences.setdefault(code, text) != text:
            raise ValueError(f"two sentences for {code}")
    return MappingProxyType(dict(table))


def known_codes() -> Mapping[str, str]:
    """Return every registered code with its English sentence."""
    return MappingProxyType(_sentences)


def sentence(code: str, locale: str, params: Mapping[str, Any] | None = None) -> str:
    """Return the sentence of `code` in `locale`, filled with `params`; an unknown code is itself."""
    text = _sentences.get(code)
    return code if text is None else translate(text, locale, **(params or {}))


def message(text: str, locale: str) -> str:
    """Return `text` in `locale` as it stands, its `{names}` still unfilled."""
    return catalogue(locale).gettext(text)


def translate(text: str, locale: str, /, **params: Any) -> str:
    """Return `text` in `locale`; values of `params` are written as the language does."""
    return filled(catalogue(locale).gettext(text), locale, params)


def ntranslate(one: str, many: str, n: int, locale: str, /, **params: Any) -> str:
    """Return the form of the message that fits `n`, which fills `{n}`."""
    return filled(catalogue(locale).ngettext(one, many, n), locale, {"n": n, **params})


def negotiate(wanted: str | None, *, default: str = DEFAULT_LOCALE) -> str:
    """Return the shipped language nearest to a BCP 47 tag or an Accept-Language header."""
    ranked: list[tuple[float, str]] = []
    for part in (wanted or "").replace("_", "-").split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), tag.split("-")[0].lower()))
        except ValueError:
            continue
    return next((tag for _, tag in sorted(ranked, key=lambda r: r[0]) if tag in LOCALES), default)


@cache
def catalogue(locale: str) -> gettext.NullTranslations:
    """Return the catalogue of `locale`: compiled where one is shipped, else made in memory."""
    folder = files.locales() / negotiate(locale) / "LC_MESSAGES"
    compiled, source = folder / f"{DOMAIN}.mo", folder / f"{DOMAIN}.po"
    if source.exists():
        with source.open("rb") as readable:
            parsed = read_po(readable, locale=negotiate(locale), domain=DOMAIN)
        buffer = io.BytesIO()
        write_mo(buffer, parsed)
        buffer.seek(0)
        return gettext.GNUTranslations(buffer)
    if compiled.exists():
        with compiled.open("rb") as readable:
            return gettext.GNUTranslations(readable)
    return gettext.NullTranslations()


def written(value: Any, locale: str) -> str:
    """Return `value` as `locale` writes it: dates, whole numbers, lists; else its text."""
    if isinstance(value, datetime):
        return format_datetime(value, "medium", locale=locale)
    if isinstance(value, date):
        return format_date(value, "medium", locale=locale)
    if isinstance(value, int) and not isinstance(value, bool):
        return format_decimal(value, locale=locale)
    if isinstance(value, (list, tuple)):
        return ", ".join(written(item, locale) for item in value)
    if value is None or isinstance(value, str):
        return value or ""
    return str(value.format(locale)) if hasattr(value, "format") else str(value)


class _Params(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "…"


def filled(text: str, locale: str, params: Mapping[str, Any]) -> str:
    """Return a translated text with its `{names}` replaced; an unknown one shows as an ellipsis."""
    if "{" not in text:
        return text
    return text.format_map(_Params({k: written(v, locale) for k, v in params.items()}))
