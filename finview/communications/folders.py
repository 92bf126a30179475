"""What carries text messages and letters until a provider is bound: files in the outbox."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finview.files import write_once
from finview.i18n import N_
from finview.plugins.builtin_host import CoreHost
from finview.plugins.contracts.delivery import SAME_KEY, Accepted, SendResult
from finview.plugins.contracts.host import Host
from finview.plugins.contracts.letter import Letter, LetterSender
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.contracts.sms import Sms, SmsSender
from finview.plugins.hookspecs import hookimpl


def _outbox(host: Host, name: str) -> Path:
    if not isinstance(host, CoreHost):
        raise TypeError(f"the sender `{name}` belongs to finview and needs its host")
    return host.installation.outbox_dir


def _kept(folder: Path, key: str, suffix: str, content: bytes) -> SendResult:
    """Write one file; its name follows from the key, so the same key makes one file."""
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.{suffix}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_once(folder / name, content)
    return Accepted(reference=name)


class SmsOutbox(SmsSender[NoSettings]):
    """Writes a text file per message: the number in the first line, the text below."""

    name = "outbox"
    title = N_("Text messages as files in the outbox")
    resend = SAME_KEY

    def __init__(self, settings: NoSettings, host: Host | None = None) -> None:
        super().__init__(settings, host)
        self._folder = _outbox(self.host, self.name)

    def send(self, messages: Sequence[Sms]) -> Sequence[SendResult]:
        """Write each."""
        return [
            _kept(self._folder, sms.key, "sms.txt", f"{sms.phone}\n\n{sms.text}\n".encode())
            for sms in messages
        ]


class LetterFolder(LetterSender[NoSettings]):
    """Writes a PDF per letter into the folder `letters` of the outbox, ready for the printer."""

    name = "folder"
    title = N_("Letters as PDF files in a folder")
    resend = SAME_KEY

    def __init__(self, settings: NoSettings, host: Host | None = None) -> None:
        super().__init__(settings, host)
        self._folder = _outbox(self.host, self.name) / "letters"

    def send(self, letters: Sequence[Letter]) -> Sequence[SendResult]:
        """Write each."""
        return [_kept(self._folder, letter.key, "pdf", letter.pdf) for letter in letters]


@hookimpl
def finview_sms_senders() -> list[type[SmsSender[Any]]]:
    """Return the sender every installation has."""
    return [SmsOutbox]


@hookimpl
def finview_letter_senders() -> list[type[LetterSender[Any]]]:
    """Return the sender every installation has."""
    return [LetterFolder]
