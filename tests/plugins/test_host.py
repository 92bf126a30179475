"""What a plugin borrows, and the words of every error."""

import re
import socket
from typing import Any

import httpx
import pytest

from finview.i18n import translate
from finview.plugins import errors
from finview.plugins.contracts.host import Host
from finview.plugins.http import Budget, is_public, public_client
from finview.settings import Settings
from finview.testing.identities import identities


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0"),
        *("::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "100.64.0.1", "224.0.0.1"),
    ],
)
def test_private_addresses_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are(address):
    assert is_public(address)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://localhost:8080/", "http://[::1]/"])
def test_the_client_refuses_the_own_network(url):
    with Host("acme").http as client, pytest.raises(httpx.ConnectError, match="not a public"):
        client.get(url)


def test_in_development_a_plugin_may_call_this_machine_and_nothing_else_of_the_network():
    with identities() as server:
        port = int(server.issuer.rpartition(":")[2])
        for host in (Host("acme", loopback=True), Host("acme", trusted=[("127.0.0.1", port)])):
            with host.http as client:
                assert client.get(f"{server.issuer}/keys").status_code == 200
                with pytest.raises(httpx.ConnectError, match="not a public"):
                    client.get(f"http://10.0.0.1:{port}/")


def test_the_installation_names_what_plugins_may_call_inside():
    given = Settings(plugin_hosts="trace.intern:8443, [fd00::1]:80")
    assert given.trusted_hosts == {("trace.intern", 8443), ("fd00::1", 80)}
    with pytest.raises(ValueError, match="no host:port"):
        Settings(plugin_hosts="trace.intern")


def test_a_name_that_also_leads_inside_is_refused(monkeypatch):
    def resolved(*_args: Any, **_options: Any) -> Any:
        addresses = ["93.184.215.14", "10.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80)) for a in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with Host("acme").http as client, pytest.raises(httpx.ConnectError, match="not a public"):
        client.get("http://rebinding.example/")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_budget_ends_whatever_takes_too_long(at_once):
    budget = Budget(seconds=0 if at_once else 60, bytes_max=10_000)

    def over() -> None:
        budget._until = 0.0

    with identities() as server:
        server.while_asked = over  # the answer begins; its end would come too late
        trusted = [("127.0.0.1", int(server.issuer.rpartition(":")[2]))]
        with public_client(trusted=trusted, budget=budget) as client:
            with pytest.raises(httpx.ReadTimeout):
                client.get(f"{server.issuer}/keys")
            assert server.asked == ([] if at_once else ["/keys"])


@pytest.mark.parametrize("code", sorted(errors.SENTENCES))
def test_every_error_has_a_german_sentence_with_the_same_parts(code):
    english = errors.SENTENCES[code]
    parts = set(re.findall(r"{\w+}", english))
    filled = {part.strip("{}"): part for part in parts}
    german = translate(english, "de", **filled)
    assert set(re.findall(r"{\w+}", german)) == parts
    assert german != english or code == "SETTING_INVALID"
