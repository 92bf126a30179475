"""The sender `system`: one file per key, or a real SMTP server with everything it may answer."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from finview.communications.builtin import SystemSender
from finview.plugins import guard
from finview.plugins.builtin_host import CoreHost
from finview.plugins.contracts.email import (
    NEVER,
    SAME_KEY,
    Accepted,
    Attachment,
    Deferred,
    Mailbox,
    Refused,
)
from finview.plugins.contracts.host import Host
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.errors import Misconfigured, ProviderFailed, RetryLater
from finview.settings import Settings
from finview.testing.contracts import email


def sender(settings: Settings) -> SystemSender:
    return SystemSender(NoSettings(), CoreHost("system", settings))


def outbox(settings: Settings) -> list[EmailMessage]:
    found = sorted(settings.outbox_dir.iterdir())
    assert all(path.suffix == ".eml" for path in found)
    return [message_from_bytes(p.read_bytes(), policy=policy.default) for p in found]  # type: ignore[misc] # the default policy makes EmailMessage


def test_the_same_key_is_one_file_and_one_message_id(bare):
    first = sender(bare).send([email("case-1")])
    again = sender(bare).send([email("case-1", subject="Zweiter Versuch")])
    assert first == again
    (message,) = outbox(bare)
    assert message["Message-ID"] == first[0].reference
    assert message["Subject"] == "Ihr Vorgang 4711"
    assert sender(bare).resend == SAME_KEY


def test_many_threads_write_one_file(bare):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: sender(bare).send([email("k")])[0], range(16)))
    assert len(set(results)) == len(outbox(bare)) == 1


def test_a_message_reads_as_it_was_written(bare):
    invoice = Attachment(filename="Rechnung Ä.pdf", content_type="application/pdf", content=b"%PDF")
    whole = email(
        "k", html="<p>Größe</p>", attachments=(invoice,), reply_to=Mailbox(address="a@b.de")
    )
    sender(bare).send([whole])
    (message,) = outbox(bare)
    assert message["From"] == "Müller Inkasso <inkasso@example.com>"
    assert message["To"] == "Anna Bärg <anna.berg@example.org>"
    assert message["Reply-To"] == "a@b.de"
    assert "Größe" in message.get_body(("plain",)).get_content()
    assert message.get_body(("html",)).get_content().strip() == "<p>Größe</p>"
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("Rechnung Ä.pdf", b"%PDF")


def test_a_domain_with_umlauts_is_written_in_ascii(bare):
    sender(bare).send([email("k", to=Mailbox(address="anna@müller.example"))])
    assert outbox(bare)[0]["To"] == "anna@xn--mller-kva.example"


@pytest.mark.parametrize(
    "address", ["", "anna", "@example.org", "anna@", "a b@example.org", "a@b@c", "a@.."]
)
def test_an_impossible_address_is_refused(bare, address):
    (result,) = sender(bare).send([email("k", to=Mailbox(address=address))])
    assert isinstance(result, Refused)


@pytest.mark.parametrize("name", ["Subject", "BCC", "X Case", "X:Case", "message-id"])
def test_headers_of_our_own_can_not_be_replaced(bare, name):
    (result,) = sender(bare).send([email("k", headers={name: "x"})])
    assert isinstance(result, Refused)


def test_a_key_is_never_a_path(bare):
    sender(bare).send([email("../../evil")])
    assert len(outbox(bare)) == 1


def test_it_needs_the_host_of_the_installation():
    with pytest.raises(TypeError):
        SystemSender(NoSettings(), Host("system"))


class Server:
    """What the server answers to each recipient."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answers = {"full@example.org": "452 mailbox full", "gone@example.org": "550 no such user"}
        if address in answers:
            return answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.taken.append(envelope)
        if envelope.rcpt_tos == ["lost@example.org"]:
            server.transport.abort()
        return "554 spam" if envelope.rcpt_tos == ["spam@example.org"] else "250 queued"


@pytest.fixture
def smtp(bare: Settings) -> Iterator[tuple[Server, SystemSender]]:
    handler = Server()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    url = f"smtp://127.0.0.1:{port}"
    yield handler, sender(bare.model_copy(update={"smtp_url": url}))
    controller.stop()


def to(address: str) -> Any:
    return email(address, to=Mailbox(address=address))


def test_one_connection_carries_a_batch_and_each_message_has_its_own_answer(smtp):
    server, system = smtp
    people = ["anna", "full", "gone", "spam", "ben"]
    results = guard.call(system, "send", [to(f"{name}@example.org") for name in people])
    assert [type(r) for r in results] == [Accepted, Deferred, Refused, Refused, Accepted]
    assert results[2].why == "550 no such user"
    assert len(server.taken) == 3
    assert system.resend == NEVER


def test_a_lost_answer_is_unknown_and_never_sent_again(smtp):
    _, system = smtp
    with pytest.raises(ProviderFailed):
        guard.call(system, "send", [to("lost@example.org")])


def test_a_refused_message_takes_no_other_along(smtp):
    _, system = smtp
    results = system.send([to("not an address"), to("anna@example.org")])
    assert [type(r) for r in results] == [Refused, Accepted]


def test_a_server_that_is_away_is_tried_later(bare):
    away = bare.model_copy(update={"smtp_url": "smtp://127.0.0.1:9"})
    with pytest.raises(RetryLater):
        sender(away).send([email("k")])
    with pytest.raises(Misconfigured):
        sender(away).check()


@pytest.mark.parametrize("url", ["http://host", "smtp://", "smtp://host:port", "host:25"])
def test_a_wrong_address_of_the_server_is_said(bare, url):
    with pytest.raises(Misconfigured, match="FINVIEW_SMTP_URL"):
        sender(bare.model_copy(update={"smtp_url": url})).check()
