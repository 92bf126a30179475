"""One letter as PDF: a composed message on a page by DIN 5008, form B."""

import threading
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

from finview.i18n import filled

_TEMPLATE = Path(__file__).with_name("letter.typ")
# A compiler keeps fonts and template warm; it is not made for several threads at once.
_TURN = threading.Lock()


def letter_pdf(
    *,
    subject: str,
    text: str,
    sender: str,
    address: tuple[str, ...],
    footer: str,
    locale: str,
    on: date,
) -> bytes:
    """Return a letter as PDF; the same letter of the same day is the same bytes.

    Every value is set as plain text: nothing in it is read as markup. Pages are numbered.
    """
    inputs = {
        "subject": subject,
        "text": text,
        "sender": sender,
        "address": "\n".join(address),
        "footer": footer,
        "lang": locale.partition("_")[0],
        "place_date": filled("{on}", locale, {"on": on}),
    }
    written = datetime.combine(on, time(), UTC)
    with _TURN:
        made: bytes = _compiler().compile(
            format="pdf", sys_inputs=inputs, timestamp=int(written.timestamp())
        )
    return made


@cache
def _compiler() -> Any:
    # Loading it takes 60 ms, which only a process that writes letters should pay.
    import typst

    return typst.Compiler(str(_TEMPLATE), root=str(_TEMPLATE.parent), ignore_system_fonts=True)
