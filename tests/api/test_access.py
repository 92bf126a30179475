"""The wall: nobody sees or changes what belongs to others, driven by the schema itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    build_schema,
    get_named_type,
    is_leaf_type,
)

from finview import clock
from finview.accounts.models import ApiToken
from finview.api.schema import sdl
from finview.app import open_services, prepare
from finview.testing import db as testing_db
from finview.testing.client import Client, client_for
from finview.testing.factories import (
    LAUNCH_DAY,
    Agency,
    consumer,
    new_agency,
    new_bucket,
    new_portfolio,
    table,
)
from finview.testing.fixtures import At
from finview.testing.story import Story

SCHEMA = build_schema(sdl())
QUERIES = sorted(SCHEMA.query_type.fields)  # type: ignore[union-attr]
MUTATIONS = sorted(SCHEMA.mutation_type.fields)  # type: ignore[union-attr]
SAMPLES = {
    "ID": "cus_1",
    "Int": 1,
    "Boolean": False,
    "CountryCode": "DE",
    "CurrencyCode": "EUR",
    "Decimal": "1.00",
    "Date": "2026-11-02",
}

EVERYTHING = """{
  viewer { customers { id name } }
  customers { nodes { id name setup { nextStep } contacts { nodes { id email } }
    portfolios { id name buckets { id name } } } }
  imports { nodes { id number file { filename url } customer { id } portfolio { id }
    job { id } columns { header } bucket { id }
    rows(first: 5) { nodes { id values { value } match { debtor { id name } } case { id } } } } }
  cases { nodes { id number debtor { id name emails { address } } invoices { id number }
    runs { id } timeline(first: 5) { nodes { text } } } }
  debtors { nodes { id name cases(first: 5) { nodes { id } } } }
}"""


def sample(kind: Any) -> Any:
    """Return a value that a type accepts, with nothing optional."""
    if isinstance(kind, GraphQLNonNull):
        return sample(kind.of_type)
    if isinstance(kind, GraphQLList):
        return []
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        needed = {n: f.type for n, f in kind.fields.items() if isinstance(f.type, GraphQLNonNull)}
        return {name: sample(one) for name, one in needed.items()}
    return {} if kind.name == "JSON" else SAMPLES.get(kind.name, "x")


def request_of(operation: str, name: str) -> tuple[str, dict[str, Any]]:
    """Return the smallest valid request for a root field."""
    root = SCHEMA.query_type if operation == "query" else SCHEMA.mutation_type
    field = root.fields[name]  # type: ignore[union-attr]
    given = {n: a.type for n, a in field.args.items() if isinstance(a.type, GraphQLNonNull)}
    head = ", ".join(f"${n}: {t}" for n, t in given.items())
    call = ", ".join(f"{n}: ${n}" for n in given)
    inner = "" if is_leaf_type(get_named_type(field.type)) else "{ __typename }"
    text = f"{operation}{f'({head})' if head else ''} {{ {name}{f'({call})' if call else ''} {inner} }}"
    return text, {n: sample(t) for n, t in given.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two customers; the second has two portfolios. Each has an import, cases and debtors."""

    north: Agency
    south: Agency
    south_two: Agency
    imports: dict[str, str]

    def user(self, name: str) -> Client:
        email = {
            "north": "nora@nord.example",
            "south": "susi@sued.example",
            "south one": "emil@sued.example",
        }[name]
        return client_for(self.north.services, email, role=None)


def contact(agency: Agency, email: str, *, portfolios: list[str] | None = None) -> None:
    agency.client.do(
        "contactCreate",
        "contact { id }",
        customerId=agency.customer,
        firstName=email.partition("@")[0].title(),
        lastName="Muster",
        email=email,
        isCommercial=portfolios is None,
        isOperational=False,
        hasAccess=True,
        portfolioIds=portfolios,
    )


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with clock.standing_at(LAUNCH_DAY):
        services = open_services(testing_db.copy_template(sqlite_template, folder))
        prepare(services)
        north = new_agency(services)
        south = north.with_customer("Wasserwerke Süd")
        second = new_portfolio(north.client, south.customer, "Zweitbuch")
        two = Agency(
            services=services,
            client=north.client,
            unit=north.unit,
            customer=south.customer,
            portfolio=second,
            bucket=new_bucket(north.client, second, "Zweitbucket"),
        )
        imports = {}
        for n, (name, agency) in enumerate({"north": north, "south": south, "two": two}.items()):
            path = table(folder, [consumer(n * 3), consumer(n * 3 + 1)], name=f"{name}.csv")
            imports[name] = Story.linked(agency, path).launch().id
        contact(north, "nora@nord.example")
        contact(south, "susi@sued.example")
        contact(south, "emil@sued.example", portfolios=[south.portfolio])
        yield World(north=north, south=south, south_two=two, imports=imports)
        services.close()


# By the secret of a link or a password they find out themselves who it is: tests/api/test_sign_in.py.
OPEN = {"invitation", "invitationAccept", "passwordReset", "passwordResetRequest", "sessionCreate"}


@pytest.mark.parametrize("name", [n for n in QUERIES if n not in {"viewer", *OPEN}])
def test_no_query_answers_without_a_token(world: World, name: str) -> None:
    query, given = request_of("query", name)
    body = Client(world.north.services, None).send(query, **given)
    assert [e["extensions"]["code"] for e in body["errors"]] == ["UNAUTHENTICATED"]
    assert not (body["data"] or {}).get(name)


@pytest.mark.parametrize("name", [n for n in MUTATIONS if n not in OPEN])
def test_no_mutation_runs_without_a_token(world: World, name: str) -> None:
    query, given = request_of("mutation", name)
    body = Client(world.north.services, None).send(query, **given)
    assert [e["extensions"]["code"] for e in body["errors"]] == ["UNAUTHENTICATED"]
    assert not (body["data"] or {}).get(name)


def test_the_viewer_is_null_without_a_token_and_with_a_wrong_one(world: World) -> None:
    for token in (None, "fv_1_wrong", "fv_999_x", "nonsense"):
        answer = Client(world.north.services, token).send("{ viewer { user { email } } }")
        assert answer["data"] == {"viewer": None}


def test_an_expired_token_is_no_token(world: World) -> None:
    client = client_for(world.north.services, "late@inkasso.example")
    with world.north.services.db.unit() as session:
        newest = session.query(ApiToken).order_by(ApiToken.id.desc()).first()
        assert newest is not None
        newest.expires_at = clock.now()
    assert client.send("{ viewer { user { email } } }")["data"] == {"viewer": None}


def ids(value: Any) -> set[str]:
    """Return every id anywhere in an answer."""
    if isinstance(value, dict):
        own = {value["id"]} if isinstance(value.get("id"), str) else set()
        return own.union(*(ids(inner) for inner in value.values()))
    return set().union(*(ids(inner) for inner in value)) if isinstance(value, list) else set()


MARKS = {
    "north": ("Stadtwerke Nord", "Anna Schmidt", "north.csv", "nora@nord.example"),
    "south": ("Dieter Obermann", "south.csv"),
    "two": ("Zweitbuch", "Zweitbucket", "Gisela Zander", "two.csv"),
    "south's": ("Wasserwerke Süd",),
}


@pytest.mark.parametrize(
    ("who", "sees", "hidden"),
    [
        ("north", ("north",), ("south", "two", "south's")),
        ("south", ("south", "two", "south's"), ("north",)),
        ("south one", ("south", "south's"), ("north", "two")),
    ],
)
def test_pr5_a_customers_user_sees_its_own_at_every_depth(
    world: World, who: str, sees: tuple[str, ...], hidden: tuple[str, ...]
) -> None:
    client = world.user(who)
    text = str(client.ask(EVERYTHING))
    missing = [m for side in sees for m in MARKS[side] if m not in text and "@" not in m]
    assert missing == []
    assert [m for side in hidden for m in MARKS[side] if m in text] == []


@pytest.mark.parametrize("who", ["north", "south", "south one"])
def test_pr5_every_foreign_id_reads_as_missing(world: World, who: str) -> None:
    client = world.user(who)
    own = ids(client.ask(EVERYTHING))
    everything = ids(world.north.client.ask(EVERYTHING))
    foreign = sorted(everything - own)
    assert len(foreign) > 15
    assert len(own) > 15
    query = "query($id: ID!) { node(id: $id) { id __typename } }"
    found = {i: client.send(query, id=i) for i in foreign}
    missing = client.send(query, id="cas_999999")
    assert [i for i, answer in found.items() if answer != missing] == []
    assert [i for i in sorted(own) if client.ask(query, id=i)["node"] != {
        "id": i, "__typename": client.ask(query, id=i)["node"]["__typename"]
    }] == []  # fmt: skip


def test_pr5_foreign_filters_find_nothing(world: World) -> None:
    client = world.user("north")
    query = """query($c: ID!, $p: ID!, $i: ID!, $b: ID!) {
      a: cases(where: {customerId: $c}) { totalCount } b: cases(where: {portfolioId: $p}) { totalCount }
      c: cases(where: {importId: $i}) { totalCount } d: cases(where: {bucketId: $b}) { totalCount }
      e: imports(where: {customerId: $c}) { totalCount } f: cases(where: {text: "Obermann"}) { totalCount }
      g: debtors(where: {text: "Obermann"}) { totalCount } h: customers(where: {text: "Wasser"}) { totalCount }
      customer(id: $c) { name } import(id: $i) { number } }"""
    answer = client.ask(
        query,
        c=world.south.customer,
        p=world.south.portfolio,
        i=world.imports["south"],
        b=world.south.bucket,
    )
    assert [answer[key]["totalCount"] for key in "abcdefgh"] == [0] * 8
    assert (answer["customer"], answer["import"]) == (None, None)


def test_numbers_of_others_find_nothing(world: World) -> None:
    query = "query($n: String) { case(number: $n) { id } debtor(number: $n) { id } }"
    admin, client = world.north.client, world.user("north")
    cases = admin.ask("{ cases { nodes { number debtor { number } customer { name } } } }")
    for case in cases["cases"]["nodes"]:
        own = case["customer"]["name"] == "Stadtwerke Nord"
        for number in (case["number"], case["debtor"]["number"]):
            assert any(client.ask(query, n=number).values()) == own


OWN = {
    "importMap": lambda w: {"importId": w.imports["north"], "columns": []},
    "importRowAmend": lambda w: {"importId": w.imports["north"], "rowNumber": 2, "values": []},
    "importRowsFix": lambda w: {"importId": w.imports["north"], "kind": "SKIP", "where": {}},
    "importReviewComplete": lambda w: {"importId": w.imports["north"]},
    "importMatchDecide": lambda w: {"importId": w.imports["north"], "decisions": []},
    "importLinkBucket": lambda w: {"importId": w.imports["north"], "bucketId": w.north.bucket},
    "importLaunch": lambda w: {"importId": w.imports["north"]},
    "importRevert": lambda w: {"importId": w.imports["north"], "confirm": True},
    "uploadCreate": lambda _: {"filename": "a.csv", "sizeBytes": 3},
    "businessUnitCreate": lambda _: {"name": "Meins"},
    "customerCreate": lambda _: {"name": "Meins"},
    "customerSettingsUpdate": lambda w: {"customerId": w.north.customer, "imports": {}},
    "portfolioCreate": lambda w: {"customerId": w.north.customer, "name": "Meins"},
    "bucketCreate": lambda w: {"portfolioId": w.north.portfolio, "name": "Meins"},
    "bucketSettingsUpdate": lambda w: {"bucketId": w.north.bucket, "workflow": {}},
    "pluginBind": lambda w: {
        "scopeId": w.north.customer, "slot": "matcher", "provider": "exact", "settings": {}
    },
}  # fmt: skip


@pytest.mark.parametrize("mutation", OWN)
def test_a_customers_user_reads_its_own_but_changes_nothing(world: World, mutation: str) -> None:
    given = OWN[mutation](world)  # type: ignore[no-untyped-call]
    payload = world.user("north").attempt(mutation, "__typename", **given)
    assert [e["code"] for e in payload["errors"]] == ["FORBIDDEN"]


@pytest.mark.parametrize("mutation", [m for m in OWN if m.startswith(("import", "bucket", "port"))])
def test_what_belongs_to_others_reads_as_missing_when_it_is_changed(
    world: World, mutation: str
) -> None:
    given = OWN[mutation](world)  # type: ignore[no-untyped-call]
    foreign = world.user("south").attempt(mutation, "__typename", **given)
    missing = {k: f"{v.split('_')[0]}_99" if k.endswith("Id") else v for k, v in given.items()}
    nothing = world.user("south").attempt(mutation, "__typename", **missing)
    assert foreign == nothing
    assert [e["code"] for e in foreign["errors"]] == ["NOT_FOUND"]


@pytest.mark.parametrize("mutation", ["customerUpdate", "businessUnitUpdate", "contactUpdate"])
def test_updates_by_id_keep_the_wall(world: World, mutation: str) -> None:
    kind = {
        "customerUpdate": "CustomerInput",
        "businessUnitUpdate": "BusinessUnitInput",
        "contactUpdate": "ContactUpdateInput",
    }[mutation]
    query = f"mutation($id: ID!, $i: {kind}!) {{ {mutation}(id: $id, input: $i) {{ errors {{ code }} }} }}"
    people = world.north.client.ask("{ customers { nodes { contacts { nodes { id } } } } }")
    mine = {
        "customerUpdate": world.north.customer,
        "businessUnitUpdate": world.north.unit,
        "contactUpdate": people["customers"]["nodes"][0]["contacts"]["nodes"][0]["id"],
    }[mutation]
    for who in ("north", "south"):
        (error,) = world.user(who).ask(query, id=mine, i={})[mutation]["errors"]
        # The unit serves both customers, so both see it.
        shown = who == "north" or mutation == "businessUnitUpdate"
        assert error["code"] == ("FORBIDDEN" if shown else "NOT_FOUND")


def test_files_of_others_are_missing(world: World) -> None:
    url = "query($i: ID!) { import(id: $i) { file { url } } }"
    admin = world.north.client
    urls = {n: admin.ask(url, i=i)["import"]["file"]["url"] for n, i in world.imports.items()}
    seen = {
        who: [world.user(who).http.get(urls[n]).status_code for n in ("north", "south", "two")]
        for who in ("north", "south", "south one")
    }
    assert seen == {
        "north": [200, 404, 404],
        "south": [404, 200, 200],
        "south one": [404, 200, 404],
    }
    foreign = world.user("north").http.get(urls["south"])
    missing = world.user("north").http.get("/files/99999")
    assert (foreign.content, missing.status_code) == (missing.content, 404)
    assert Client(world.north.services, None).http.get(urls["north"]).status_code == 404


def test_an_upload_belongs_to_the_one_who_announced_it(world: World) -> None:
    made = world.north.client.do("uploadCreate", "upload { id url }", filename="a.csv", sizeBytes=3)
    other = client_for(world.north.services, "other@inkasso.example")
    assert other.http.put(made["url"], content=b"a;b").status_code == 404
    assert world.user("north").http.put(made["url"], content=b"a;b").status_code == 403
    assert (
        Client(world.north.services, None).http.put(made["url"], content=b"abc").status_code == 401
    )
    assert other.ask("query($i: ID!) { node(id: $i) { id } }", i=made["id"]) == {"node": None}
    assert world.north.client.http.put(made["url"], content=b"a;b").status_code == 204


def test_the_list_of_plugins_is_for_the_agency(world: World) -> None:
    assert world.user("north").ask("{ plugins { name } }") == {"plugins": []}
    assert world.north.client.ask("{ plugins { name } }")["plugins"]


def test_a_right_taken_away_is_gone_with_the_next_request(world: World) -> None:
    contact(world.south, "kurz@sued.example")
    client = client_for(world.north.services, "kurz@sued.example", role=None)
    assert client.ask("{ cases { totalCount } }")["cases"]["totalCount"] == 4
    listed = world.north.client.ask(
        "query($c: ID!) { customer(id: $c) { contacts { nodes { id email } } } }",
        c=world.south.customer,
    )["customer"]["contacts"]["nodes"]
    key = next(c["id"] for c in listed if c["email"] == "kurz@sued.example")
    query = (
        "mutation($i: ID!) { contactUpdate(id: $i, input: {hasAccess: false}) { errors { code } } }"
    )
    assert world.north.client.ask(query, i=key)["contactUpdate"]["errors"] == []
    assert client.ask("{ cases { totalCount } }")["cases"]["totalCount"] == 0


def test_a_customer_never_sees_what_another_customer_told_of_the_same_debtor(
    at: At, tmp_path: Path
) -> None:
    first = at("CREATED")
    other = first.agency.with_customer("Wasserwerke Süd")
    row = consumer(0, customer_case_number="N", invoice_number="N", phone="030 23125001")
    assert Story.created(other, table(tmp_path, [row])).matches == (0, 1, 0)
    contact(first.agency, "nora@nord.example")
    nora = client_for(first.agency.services, "nora@nord.example", role=None)
    (seen,) = nora.ask('{ debtors(where: {text: "Anna"}) { nodes { phones { number } } } }')[
        "debtors"
    ]["nodes"]
    assert seen == {"phones": []}


def test_what_a_filter_excludes_is_the_rest_of_the_list(at: At) -> None:
    query = '{ cases(where: {not: {text: "Schmidt"}}) { nodes { debtor { name } } } }'
    found = at("CREATED").client.ask(query)["cases"]["nodes"]
    assert found == [{"debtor": {"name": "Bernd Lange"}}]
