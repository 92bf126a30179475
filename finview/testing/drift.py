"""What must not drift apart from the code: the printed schema, the catalogues; for `make check`."""

import sys

from finview import files
from finview.i18n import DOMAIN, LOCALES
from finview.testing import evolution, locales


def found() -> list[str]:
    """Return what has drifted, each with the command that mends it."""
    from finview.api.engine.documents import core_schema
    from finview.api.schema import sdl

    drifted: list[str] = []
    if files.schema().read_text() != sdl():
        drifted.append("schema.graphql differs from the code: make schema")
    drifted += [f"no description: {part}" for part in evolution.undescribed(core_schema())]
    drifted += [f"breaks clients: {why}" for why in evolution.broken_since_release(core_schema())]
    messages = locales.template()
    for locale in LOCALES:
        path = files.locales() / locale / "LC_MESSAGES" / f"{DOMAIN}.po"
        if path.read_bytes() != locales.written(locales.catalogue(locale, messages)):
            drifted.append(f"{locale}: the catalogue lacks messages of the code: make locales")
        drifted += [f"{locale}: {fault}" for fault in locales.faults(locale, messages)]
    return drifted


if __name__ == "__main__":
    problems = found()
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    sys.exit(1 if problems else 0)
