"""Optimistic locking: of many who change what they have read exactly one wins, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from finview.testing.client import client_for
from finview.testing.factories import Agency

WRITERS = 4
UPDATES: dict[str, tuple[str, Callable[[Agency], str]]] = {
    "businessUnitUpdate": ("businessUnit", lambda a: a.unit),
    "customerUpdate": ("customer", lambda a: a.customer),
    "portfolioUpdate": ("portfolio", lambda a: a.portfolio),
    "bucketUpdate": ("bucket", lambda a: a.bucket),
}


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """Call all at the same moment, each in a thread of its own; return what each gave."""
    ready = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        ready.wait(timeout=30)
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        futures = [threads.submit(copy_context().run, run, act) for act in acts]
        return [future.result(timeout=60) for future in futures]


def version(agency: Agency, noun: str, public_id: str) -> int:
    kind = noun[0].upper() + noun[1:]
    query = f"query($i: ID!) {{ node(id: $i) {{ ... on {kind} {{ lockVersion }} }} }}"
    return int(agency.client.ask(query, i=public_id)["node"]["lockVersion"])


@pytest.mark.both_databases
def test_of_writers_at_the_same_moment_one_wins(agency: Agency) -> None:
    clients = [client_for(agency.services) for _ in range(WRITERS)]
    for mutation, (noun, target) in UPDATES.items():
        answer, public_id = f"{noun} {{ id name lockVersion }}", target(agency)
        seen = version(agency, noun, public_id)
        payloads = at_once(
            [
                partial(client.update, mutation, public_id, answer, name=f"N{n}", lockVersion=seen)
                for n, client in enumerate(clients)
            ]
        )
        won = [p[noun] for p in payloads if not p["errors"]]
        lost = [p for p in payloads if p["errors"]]
        assert (len(won), won[0]["lockVersion"]) == (1, seen + 1), mutation
        assert {p["errors"][0]["code"] for p in lost} == {"CONFLICT"}
        # Beside the error stands what the winner made of it.
        assert [p[noun] for p in lost] == won * (WRITERS - 1)


def test_without_a_version_the_last_one_wins(agency: Agency) -> None:
    answer = "portfolio { name lockVersion }"
    for n in range(1, 4):
        payload = agency.client.update("portfolioUpdate", agency.portfolio, answer, name=f"P{n}")
        assert payload["portfolio"] == {"name": f"P{n}", "lockVersion": n + 1}


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "Jemand anderes hat dies geändert, nachdem Sie es gelesen haben."),
        ("en", "Somebody else changed this after you read it."),
    ],
)
def test_a_stale_write_is_told_in_words_and_changes_nothing(
    agency: Agency, language: str, said: str
) -> None:
    client = client_for(agency.services, language=language)
    given = {"customerId": agency.customer, "workflow": {"maxCallAttempts": 9}}
    answer = "customer { lockVersion settings { workflow { maxCallAttempts { value } } } }"
    payload = client.attempt("customerSettingsUpdate", answer, lockVersion=7, **given)
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == ("CONFLICT", ["input", "lockVersion"])
    assert error["message"].startswith(said)
    assert error["params"] == {"reason": "VERSION_STALE"}
    assert payload["customer"] == {
        "lockVersion": 1, "settings": {"workflow": {"maxCallAttempts": {"value": 3}}}
    }  # fmt: skip


def test_a_contact_that_loses_the_primary_role_has_a_new_version(agency: Agency) -> None:
    answer = "contact { id isPrimary lockVersion }"
    made = [
        agency.client.do(
            "contactCreate",
            answer,
            customerId=agency.customer,
            firstName=name,
            lastName="Muster",
            email=f"{name.lower()}@kunde.example",
            isCommercial=True,
            isOperational=False,
            hasAccess=False,
        )
        for name in ("Anna", "Bert")
    ]
    update = agency.client.update
    moved = update("contactUpdate", made[1]["id"], answer, isPrimary=True, lockVersion=1)
    assert moved["contact"]["isPrimary"]
    stale = update("contactUpdate", made[0]["id"], answer, firstName="Anne", lockVersion=1)
    assert stale["errors"][0]["code"] == "CONFLICT"
    assert stale["contact"] == {"id": made[0]["id"], "isPrimary": False, "lockVersion": 2}
