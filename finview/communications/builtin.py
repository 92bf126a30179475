"""The e-mail sender `system`: the installation's SMTP server, else `.eml` files in the outbox."""

import hashlib
import re
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from finview.files import write_once
from finview.i18n import N_
from finview.plugins.builtin_host import CoreHost
from finview.plugins.contracts.email import (
    NEVER,
    SAME_KEY,
    Accepted,
    Deferred,
    Email,
    EmailSender,
    Mailbox,
    Refused,
    SendResult,
)
from finview.plugins.contracts.host import Host
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.errors import Misconfigured, RetryLater
from finview.plugins.hookspecs import hookimpl

CONNECT_S = 10.0
DEFER_S = 300
_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
_OURS = {
    *("from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id"),
    *("mime-version", "content-type", "content-transfer-encoding", "content-disposition"),
}


@hookimpl
def finview_email_senders() -> list[type[EmailSender[Any]]]:
    """Return the sender every installation has."""
    return [SystemSender]


class SystemSender(EmailSender[NoSettings]):
    """Sends by FINVIEW_SMTP_URL; without one it writes a file per message, which loses nothing.

    The name of the file and the Message-ID come from the key, so the same key makes one file.
    """

    name = "system"
    title = N_("E-mail server of this installation")
    deadline_s = 60

    def __init__(self, settings: NoSettings, host: Host | None = None) -> None:
        super().__init__(settings, host)
        if not isinstance(self.host, CoreHost):
            raise TypeError("the sender `system` belongs to finview and needs its host")
        self._installation = self.host.installation
        # A lost answer of an SMTP server stays unknown; a file of the same name is the same file.
        self.resend = NEVER if self._installation.smtp_url else SAME_KEY

    def check(self) -> None:
        """Raise `Misconfigured` when the server can't be reached or refuses the password."""
        if not self._installation.smtp_url:
            self._installation.outbox_dir.mkdir(parents=True, exist_ok=True)
            return
        try:
            with _connected(_Server.parse(self._installation.smtp_url)):
                return
        except RetryLater as error:
            raise Misconfigured(error.why) from None

    def send(self, emails: Sequence[Email]) -> Sequence[SendResult]:
        """Send or write each; one that can't be written as a header-safe message is refused.

        Raises `RetryLater` when the server can't be reached, and ConnectionError when its answer
        to a message was lost: then nobody knows, and nothing is sent again.
        """
        composed = [self._composed(email) for email in emails]
        if not self._installation.smtp_url:
            return [self._kept(item) for item in composed]
        if all(isinstance(item, Refused) for item in composed):
            return [item for item in composed if isinstance(item, Refused)]
        with _connected(_Server.parse(self._installation.smtp_url)) as server:
            return [item if isinstance(item, Refused) else _sent(server, item) for item in composed]

    def _composed(self, email: Email) -> "_Letter | Refused":
        sender = email.sender or Mailbox(address=self._installation.mail_from)
        try:
            return _composed(email, sender, format_datetime(self.host.clock.now()))
        except ValueError as error:
            return Refused(why=str(error))

    def _kept(self, item: "_Letter | Refused") -> SendResult:
        if isinstance(item, Refused):
            return item
        folder = self._installation.outbox_dir
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(folder / f"{item.digest}.eml", item.content)
        return Accepted(reference=item.message_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    digest: str
    message_id: str
    sender: str
    recipient: str
    content: bytes


def _composed(email: Email, sender: Mailbox, date: str) -> _Letter:
    """Return the message as bytes; raise ValueError for anything that could smuggle a header."""
    digest = hashlib.sha256(email.key.encode()).hexdigest()[:32]
    author, recipient = _address(sender), _address(email.to)
    message = EmailMessage(policy=SMTP)
    message["From"] = author
    message["To"] = recipient
    message["Subject"] = _one_line(email.subject, "the subject")
    message["Date"] = date
    message["Message-ID"] = f"<{digest}@{author.domain}>"
    if email.reply_to is not None:
        message["Reply-To"] = _address(email.reply_to)
    for name, value in email.headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            raise ValueError("a header has a name that is not allowed")
        message[name] = _one_line(value, f"the header {name}")
    message.set_content(email.text)
    if email.html:
        message.add_alternative(email.html, subtype="html")
    for attachment in email.attachments:
        main, _, sub = _one_line(attachment.content_type, "a content type").partition("/")
        message.add_attachment(
            attachment.content,
            maintype=main,
            subtype=sub or "octet-stream",
            filename=_one_line(attachment.filename, "a file name"),
        )
    return _Letter(
        digest=digest,
        message_id=str(message["Message-ID"]),
        sender=author.addr_spec,
        recipient=recipient.addr_spec,
        content=message.as_bytes(),
    )


def _one_line(text: str, what: str) -> str:
    if _CONTROL.search(text):
        raise ValueError(f"{what} holds a line break or control character")
    return text


def _address(mailbox: Mailbox) -> Address:
    name, text = _one_line(mailbox.name, "a name"), _one_line(mailbox.address, "an address")
    user, _, domain = text.rpartition("@")
    if not user or not domain or " " in text or not user.isascii():
        raise ValueError("an address is not valid")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
        return Address(display_name=name, addr_spec=f"{user}@{ascii_domain}")
    except (ValueError, IndexError, AttributeError, MessageError) as error:
        raise ValueError("an address is not valid") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    host: str
    port: int
    implicit_tls: bool
    user: str = ""
    password: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read smtp://user:password@host:587 or smtps://…; raise `Misconfigured`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Misconfigured("FINVIEW_SMTP_URL is not an address") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise Misconfigured("FINVIEW_SMTP_URL must be smtp://host or smtps://host")
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            implicit_tls=parts.scheme == "smtps",
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


@contextmanager
def _connected(server: _Server) -> Iterator[smtplib.SMTP]:
    try:
        smtp = _opened(server)
    except smtplib.SMTPAuthenticationError:
        raise Misconfigured("the e-mail server refuses user or password") from None
    except (OSError, smtplib.SMTPException) as error:
        # Nothing was handed over yet, so another try is safe.
        raise RetryLater(f"the e-mail server can't be reached ({type(error).__name__})") from None
    try:
        yield smtp
    finally:
        with suppress(OSError, smtplib.SMTPException):
            smtp.quit()
        smtp.close()


def _opened(server: _Server) -> smtplib.SMTP:
    context = ssl.create_default_context()
    smtp: smtplib.SMTP
    if server.implicit_tls:
        smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=CONNECT_S, context=context)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=CONNECT_S)
    with ExitStack() as stack:
        stack.callback(smtp.close)
        smtp.ehlo_or_helo_if_needed()
        encrypted = server.implicit_tls
        if not encrypted and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            smtp.ehlo()
            encrypted = True
        if server.user:
            if not encrypted and server.host not in _LOOPBACK:
                raise Misconfigured("the e-mail server offers no encryption for the password")
            smtp.login(server.user, server.password)
        stack.pop_all()
    return smtp


def _sent(smtp: smtplib.SMTP, letter: _Letter) -> SendResult:
    try:
        code, answer = smtp.mail(letter.sender)
        if code == 250:
            code, answer = smtp.rcpt(letter.recipient)
        if code not in (250, 251):
            smtp.rset()
            return _declined(code, answer)
    except (OSError, smtplib.SMTPException) as error:
        return Deferred(why=f"the connection broke ({type(error).__name__})", after_s=DEFER_S)
    try:
        code, answer = smtp.data(letter.content)
    except smtplib.SMTPDataError as error:
        return _declined(error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        raise ConnectionError("the answer to a message was lost") from error
    return Accepted(reference=letter.message_id) if code == 250 else _declined(code, answer)


def _declined(code: int, answer: bytes | str) -> SendResult:
    said = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    why = f"{code} {said}"[:300]
    # RFC 5321, 4.2.1: 4yz may be tried again, 5yz may not.
    return Deferred(why=why, after_s=DEFER_S) if 400 <= code < 500 else Refused(why=why)
