"""One key, one effect: for every mutation that takes one, found by introspection."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from finview.accounts.access import Role
from finview.api.engine.documents import core_schema
from finview.db import idempotency
from finview.db.base import Base
from finview.db.runtime import Services
from finview.testing.call_centre import plan_call
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency, consumer, table
from finview.testing.fixtures import At
from finview.testing.story import Story

Given = Mapping[str, Any]


def keyed() -> dict[str, tuple[dict[str, str], str]]:
    """Return the mutations that take a key: the types of their arguments, and their object."""
    schema, found = core_schema(), {}
    assert schema.mutation_type
    for name, field in schema.mutation_type.fields.items():
        arguments = {key: str(argument.type) for key, argument in field.args.items()}
        kind = schema.type_map.get(arguments.get("input", "").strip("!"))
        if "idempotencyKey" in {*arguments, *getattr(kind, "fields", {})}:
            payload = schema.type_map[str(field.type).strip("!")].fields
            found[name] = (arguments, next(key for key in payload if key != "errors"))
    return found


MUTATIONS = keyed()


def send(client: Client, mutation: str, given: Given, public_id: str | None = None) -> Any:
    """Run a mutation and return its payload; `given` is its input, where it has one."""
    arguments, field = MUTATIONS[mutation]
    values = {"input": dict(given)} if "input" in arguments else dict(given)
    values |= {"id": public_id} if public_id else {}
    head = ", ".join(f"${name}: {arguments[name]}" for name in values)
    call = ", ".join(f"{name}: ${name}" for name in values)
    query = (
        f"mutation({head}) {{ {mutation}({call}) "
        f"{{ object: {field} {{ id }} errors {{ code path params }} }} }}"
    )
    return client.ask(query, **values)[mutation]


def unit(_: Story) -> Given:
    return {"name": "Inkasso Ost", "company": {"name": "Inkasso Ost GmbH"}}


def customer(story: Story) -> Given:
    return {"name": "Stadtwerke Ost", "businessUnitId": story.agency.unit, "currency": "EUR"}


def rights(operational: bool) -> Given:
    return {"isCommercial": True, "isOperational": operational}


def contact(story: Story) -> Given:
    customer_id = story.agency.customer
    person = {"firstName": "Ida", "lastName": "Roth", "email": "ida@example.org"}
    return {"customerId": customer_id, **person, **rights(True), "hasAccess": False}


def to_be_invited(story: Story) -> Given:
    given = {**contact(story), "hasAccess": True}
    return {"id": send(story.client, "contactCreate", given)["object"]["id"]}


def linked_contact(story: Story) -> Given:
    client_for(story.agency.services, "link@example.org", Role.CUSTOMER_USER)
    with story.agency.services.db.reading() as session:
        key = session.scalar(text("SELECT id FROM account_user WHERE email = 'link@example.org'"))
    return {"customerId": story.agency.customer, "userId": f"usr_{key}", **rights(True)}


def an_import(story: Story) -> Given:
    folder = story.agency.services.settings.data_dir
    upload = story.client.upload(table(folder, [consumer(7)], name="more.csv"))
    portfolio = {"portfolioId": story.agency.portfolio, "phoneCountry": "DE"}
    return {"uploadId": upload, "debtorKind": "CONSUMER", **portfolio}


def case_of(story: Story) -> str:
    return str(story.cases("id")[0]["id"])


def payment(story: Story) -> Given:
    amount = {"amount": "5.00", "currency": "EUR"}
    return {"caseId": case_of(story), "amount": amount, "receivedOn": story_day(story)}


def story_day(story: Story) -> str:
    opened = story.cases("openedAt")[0]["openedAt"]
    return str(opened)[:10]


def plan(story: Story) -> Given:
    return {"caseId": case_of(story), "instalments": 3, "firstDueOn": "2027-03-01"}


def settlement(story: Story) -> Given:
    amount = {"amount": "50.00", "currency": "EUR"}
    return {"caseId": case_of(story), "amount": amount, "payBy": "2027-03-01"}


def booked(story: Story) -> Given:
    send(story.client, "paymentRecord", {**payment(story), "idempotencyKey": "before"})
    query = "{ cases(first: 1) { nodes { payments { id } } } }"
    (one,) = story.client.ask(query)["cases"]["nodes"][0]["payments"]
    return {"paymentId": one["id"], "reason": "returned"}


def overpaid(story: Story) -> Given:
    much = {**payment(story), "amount": {"amount": "900.00", "currency": "EUR"}}
    send(story.client, "paymentRecord", {**much, "idempotencyKey": "before"})
    return {"caseId": case_of(story), "reason": "too much"}


def planned(story: Story) -> Given:
    send(story.client, "paymentPlanCreate", plan(story))
    query = """{ cases(first: 1) { nodes { balance { open { amount currency } } } } }"""
    left = story.client.ask(query)["cases"]["nodes"][0]["balance"]["open"]
    part = {"amount": left, "dueOn": "2027-04-01"}
    return {"caseId": case_of(story), "instalments": [part], "reason": "in one part"}


def adjustment(story: Story) -> Given:
    amount = {"amount": "5.00", "currency": "EUR"}
    return {"caseId": case_of(story), "kind": "COSTS", "amount": amount, "reason": "agreed"}


def closing(story: Story) -> Given:
    return {"caseId": case_of(story), "closeReason": "WRITTEN_OFF", "note": "insolvent"}


def a_statement(story: Story) -> Given:
    path = story.agency.services.settings.data_dir / "bank.csv"
    path.write_text("Datum;Betrag;Verwendungszweck\n02.11.2026;5,00;Danke\n")
    return {"uploadId": story.client.upload(path), "businessUnitId": story.agency.unit}


def waiting(story: Story) -> Given:
    send(story.client, "bankStatementImport", a_statement(story))
    story.client.drain()
    (line,) = story.client.ask("{ bankLines { nodes { id } } }")["bankLines"]["nodes"]
    return {"bankLineId": line["id"], "caseId": case_of(story)}


def called(story: Story) -> Given:
    plan_call(story.agency.services)
    story.client.drain()
    (task,) = story.client.ask("{ tasks { nodes { id } } }")["tasks"]["nodes"]
    return {"taskId": task["id"], "result": "NOT_REACHED"}


PERSON = {"kind": "CONSUMER", "firstName": "Ida", "lastName": "Roth"}
COLLEAGUE = {"email": "neu@inkasso.example", "name": "Ida Roth", "role": "OPERATOR"}
WORKFLOW = {"name": "Slowly", "kind": "RETRY", "graph": {"start": "a", "nodes": []}}

# Where the story stands, what is sent, and what is changed to be another input.
CASES: dict[str, tuple[str, Callable[[Story], Given], Given]] = {
    "uploadCreate": ("REVIEW", lambda _: {"filename": "a.csv", "sizeBytes": 3}, {"sizeBytes": 4}),
    "importCreate": ("REVIEW", an_import, {"debtorKind": "BUSINESS"}),
    "importReviewComplete": ("REVIEW", lambda s: {"importId": s.id}, {"importId": "imp_99"}),
    "importLinkBucket": (
        "CREATED",
        lambda s: {"importId": s.id, "bucketId": s.agency.bucket},
        {"bucketId": "bkt_99"},
    ),
    "importLaunch": ("LINKED", lambda s: {"importId": s.id}, {"importId": "imp_99"}),
    "businessUnitCreate": ("REVIEW", unit, {"name": "Inkasso West"}),
    "businessUnitUpdate": ("REVIEW", unit, {"name": "Inkasso West"}),
    "customerCreate": ("REVIEW", customer, {"name": "Stadtwerke West"}),
    "customerUpdate": ("REVIEW", lambda _: {"name": "Stadtwerke Ost"}, {"name": "West"}),
    "portfolioCreate": (
        "REVIEW", lambda s: {"customerId": s.agency.customer, "name": "Neu"}, {"name": "Anders"},
    ),
    "bucketCreate": (
        "REVIEW", lambda s: {"portfolioId": s.agency.portfolio, "name": "Neu"}, {"name": "Anders"},
    ),
    "contactCreate": ("REVIEW", contact, {"firstName": "Ada"}),
    "contactInvite": ("REVIEW", to_be_invited, {"id": "ctc_99"}),
    "contactLink": ("REVIEW", linked_contact, {"isOperational": False}),
    "paymentRecord": ("LAUNCHED", payment, {"reference": "another"}),
    "paymentPlanCreate": ("LAUNCHED", plan, {"instalments": 4}),
    "settlementAgree": ("LAUNCHED", settlement, {"payBy": "2027-04-01"}),
    "paymentRefund": ("LAUNCHED", overpaid, {"reason": "another"}),
    "paymentReverse": ("LAUNCHED", booked, {"reason": "another"}),
    "paymentPlanChange": ("LAUNCHED", planned, {"reason": "another"}),
    "caseChargeAdjust": ("LAUNCHED", adjustment, {"reason": "another"}),
    "callOutcomeRecord": ("LAUNCHED", called, {"result": "REACHED"}),
    "caseClose": ("LAUNCHED", closing, {"note": "another"}),
    "bankStatementImport": ("REVIEW", a_statement, {"businessUnitId": "bu_99"}),
    "bankLineAssign": ("LAUNCHED", waiting, {"caseId": "cas_99"}),
    "debtorCreate": ("REVIEW", lambda _: PERSON, {"firstName": "Ada"}),
    "debtorUpdate": ("LAUNCHED", lambda _: {"reference": "A 1"}, {"reference": "A 2"}),
    "workflowCreate": ("REVIEW", lambda _: WORKFLOW, {"name": "Another"}),
    "userCreate": ("REVIEW", lambda _: COLLEAGUE, {"name": "Ada Roth"}),
    "userUpdate": ("REVIEW", lambda _: {"name": "Ida Roth"}, {"name": "Ada Roth"}),
}  # fmt: skip


def about(story: Story, mutation: str) -> str | None:
    beside = {
        "businessUnitUpdate": story.agency.unit,
        "customerUpdate": story.agency.customer,
        "debtorUpdate": "dbt_1",
        "userUpdate": "usr_1",
    }
    return beside.get(mutation)


def rows(services: Services) -> dict[str, int]:
    """Return how many rows each table has; the stored answers are not an effect."""
    tables = [t for t in Base.metadata.sorted_tables if t.name != "idempotency"]
    with services.db.reading() as session:
        counted = {t.name: select(func.count()).select_from(t) for t in tables}
        return {name: session.scalar(count) or 0 for name, count in counted.items()}


def test_every_mutation_with_a_key_is_tried() -> None:
    assert set(CASES) == set(MUTATIONS)


@pytest.mark.parametrize("mutation", sorted(CASES))
def test_one_key_has_one_effect_and_one_answer(mutation: str, at: At) -> None:
    stage, made, other = CASES[mutation]
    story = at(stage)
    services, target = story.agency.services, about(story, mutation)
    given = {**made(story), "idempotencyKey": "once"}
    first = send(story.client, mutation, given, target)
    assert first["errors"] == []
    after = rows(services)
    assert send(story.client, mutation, given, target) == first
    assert rows(services) == after
    (refused,) = send(story.client, mutation, {**given, **other}, target)["errors"]
    assert refused["code"] == "IDEMPOTENCY_MISMATCH"
    assert refused["path"][-1] == "idempotencyKey"
    assert rows(services) == after


def test_the_id_beside_the_input_belongs_to_it(agency: Agency) -> None:
    other = agency.with_customer("Andere")
    given = {"name": "Neu", "idempotencyKey": "k"}
    assert not send(agency.client, "customerUpdate", given, agency.customer)["errors"]
    (error,) = send(agency.client, "customerUpdate", given, other.customer)["errors"]
    assert error["code"] == "IDEMPOTENCY_MISMATCH"


@pytest.mark.both_databases
def test_two_requests_at_once_have_one_effect(agency: Agency) -> None:
    given = {"customerId": agency.customer, "name": "Neu", "idempotencyKey": "k"}
    clients = [client_for(agency.services) for _ in range(4)]
    answers: list[Any] = []

    def run(client: Client) -> None:
        answers.append(send(client, "portfolioCreate", given))

    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({answer["object"]["id"] for answer in answers}) == 1
    assert len(answers) == 4
    assert rows(agency.services)["portfolio"] == 2


def test_a_failed_attempt_may_be_tried_again(agency: Agency) -> None:
    given = {"customerId": agency.customer, "name": "2026", "idempotencyKey": "k"}
    (error,) = send(agency.client, "portfolioCreate", given)["errors"]
    assert error["code"] == "DUPLICATE"
    given["name"] = "2027"
    assert send(agency.client, "portfolioCreate", given)["errors"] == []


def test_an_object_that_is_gone_is_not_made_again(agency: Agency) -> None:
    given = {"filename": "a.csv", "sizeBytes": 3, "idempotencyKey": "k"}
    send(agency.client, "uploadCreate", given)
    with agency.services.db.unit() as session:
        session.execute(text("DELETE FROM upload"))
    payload = send(agency.client, "uploadCreate", given)
    assert payload["object"] is None
    assert [error["code"] for error in payload["errors"]] == ["NOT_FOUND"]


def test_a_reverted_import_is_answered_as_it_is_now(agency: Agency, tmp_path: Path) -> None:
    story = Story.reviewed(agency, table(tmp_path, [consumer(0)]))
    given = {"importId": story.id, "idempotencyKey": "k"}
    send(agency.client, "importReviewComplete", given)
    agency.client.drain()
    story.revert()
    query = "mutation($i: ImportIdInput!) { importReviewComplete(input: $i) { import { state } } }"
    again = agency.client.ask(query, i=given)["importReviewComplete"]["import"]
    assert again == {"state": "REVERTED"}


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_has_a_length(agency: Agency, key: str) -> None:
    given = {"filename": "a.csv", "sizeBytes": 3, "idempotencyKey": key}
    (error,) = send(agency.client, "uploadCreate", given)["errors"]
    assert (error["code"], error["path"]) == ("INVALID", ["input", "idempotencyKey"])


def test_keys_are_forgotten_after_a_week(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "PURGED_EACH", 1)
    given = {"filename": "a.csv", "sizeBytes": 3}
    send(agency.client, "uploadCreate", {**given, "idempotencyKey": "old"})
    with agency.services.db.unit() as session:
        session.execute(text("UPDATE idempotency SET at = at - 8 * 86400000"))
    send(agency.client, "uploadCreate", {**given, "idempotencyKey": "new"})
    with agency.services.db.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM idempotency")) == 1
