"""Collects the messages of the code and updates the catalogues: `make locales`."""

import io
import re
import string
from collections.abc import Sequence
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

import finview
from finview import files
from finview.i18n import DOMAIN, LOCALES

KEYWORDS = {"N_": None, "translate": None, "ntranslate": (1, 2)}
# Machine words of the help articles, and the informal address: they never enter a catalogue.
BANNED = re.compile(
    r"\b(sparen|Importiere|Verknüpfung|Atmungsraum|Abrechnungsmodus|du|dein\w*|dich|dir)\b"
)
_DATES = re.compile(r'^"(POT-Creation-Date|PO-Revision-Date|Generated-By): .*\n', re.MULTILINE)


def template() -> Catalog:
    """Return the messages of the code."""
    catalogue = Catalog(project="finview", charset="utf-8", fuzzy=False)
    package = Path(finview.__file__).parent
    for name, line, message, comments, context in extract_from_dir(
        package, method_map=[("**.py", "python")], keywords=KEYWORDS
    ):
        catalogue.add(message, None, [(name, line)], auto_comments=comments, context=context)
    return catalogue


def catalogue(locale: str, messages: Catalog | None = None) -> Catalog:
    """Return the catalogue of a language, brought up to date with the code."""
    with (files.locales() / locale / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as source:
        found = read_po(source, locale=locale, domain=DOMAIN)
    found.update(messages or template(), no_fuzzy_matching=True)
    return found


def written(catalogue: Catalog) -> bytes:
    """Return a catalogue as its file: sorted, without dates, so that it changes with words only."""
    target = io.BytesIO()
    catalogue.header_comment = ""
    write_po(target, catalogue, sort_output=True, no_location=True, ignore_obsolete=True, width=100)
    return _DATES.sub("", target.getvalue().decode()).encode()


def faults(locale: str, messages: Catalog | None = None) -> list[str]:
    """Return what is wrong with a language: missing, other placeholders, banned words."""
    found: list[str] = []
    for message in catalogue(locale, messages):
        if not message.id:
            continue
        ids, texts = _forms(message.id), _forms(message.string)
        if locale != "en" and not all(texts):
            found.append(f"not translated: {ids[0]}")
        for text in filter(None, texts):
            if fields(text) not in (fields(ids[0]), fields(ids[-1])):
                found.append(f"other placeholders: {ids[0]}")
            if locale == "de" and BANNED.search(text):
                found.append(f"a word that must not stand there: {text}")
    return found


def _forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the singular and plural forms of a message, one if it has no plural."""
    return (text or "",) if isinstance(text, str) or text is None else tuple(text)


def fields(text: str) -> set[str]:
    """Return the placeholders of a message, and its blocks."""
    named = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    return named | set(re.findall(r"\[[a-z_]+\]", text))


def main() -> None:
    """Write the template and every catalogue."""
    messages = template()
    (files.locales() / f"{DOMAIN}.pot").write_bytes(written(messages))
    for locale in LOCALES:
        path = files.locales() / locale / "LC_MESSAGES" / f"{DOMAIN}.po"
        path.write_bytes(written(catalogue(locale, messages)))


if __name__ == "__main__":
    main()
