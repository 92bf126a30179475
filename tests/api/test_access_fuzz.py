"""The wall, found out by the schema: whatever can be asked, nobody sees what belongs to others."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
)

from finview.api.engine.sources import SOURCES
from finview.api.schema import NODES
from finview.testing import db as testing_db
from finview.testing.asking import Answer, ask
from finview.testing.divided import Divided, divided
from finview.testing.mutations import BY_TYPE, call, id_places, mutations, put, sample, tag_of
from finview.testing.tables import contents
from finview.testing.walks import (
    is_node,
    leaves,
    node_query,
    reachable,
    root_fields,
    root_query,
    typenames,
)

FOREIGN = ("commercial", "employee")
NOTHING = 999_999
NONSENSE = "Nirgendwo-4711"

TABLES = {
    "aud": "audit_event",
    "pay": "ledger_txn",
    "pln": "payment_plan",
    "row": "import_row",
    "ses": "sign_in_session",
    "tok": "api_token",
    "upl": "upload",
    "usr": "account_user",
    **{s.tag: s.model.__tablename__ for s in SOURCES.values() if s.tag},
}
"""The table of each tag of public ids."""

ONE_SIDED = {
    "ApiToken": "of the one who asks",
    "Session": "of the one who asks",
    "AuditEvent": "the agency's own, for administrators",
    "AuditEventConnection": "as AuditEvent",
    "BusinessUnit": "the agency's own",
    "BusinessUnitConnection": "as BusinessUnit",
    "FinancialsPreview": "reckoned from what the one who asks gives",
    "ImportField": "the same for everybody",
    "OutboundHold": "the agency's own",
    "Plugin": "the agency's own",
    "PluginProvider": "as Plugin",
    "Upload": "seen by the one alone who announced it",
    "Viewer": "the one who asks",
    "Workflow": "the shipped ones are the agency's own",
    "WorkflowConnection": "as Workflow",
    "WorkflowSimulation": "reckoned for whoever asks, and stored nowhere",
}
"""Types that are not on the sides of customers, with the reason; they must be reached, too."""


ANY = ("id", "subjectId")
"""Arguments that take ids of several kinds."""

UNREACHED = {
    "InvitationInfo": "for whoever holds the link of a mail, without signing in",
    "SimulatedStep": "what a simulation of a case and a workflow by their ids comes to",
    "Upload": "gone into an import, or of the one who announced it",
}
"""Types no walk meets, with the reason."""


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Divided]:
    folder = tmp_path_factory.mktemp("divided")
    yield from divided(testing_db.copy_template(sqlite_template, folder))


def asked(world: Divided, who: str, query: str, **given: Any) -> Answer:
    """Ask, and fail when the answer holds anything that belongs to others alone."""
    # The agency sees everything: it is asked for what there is, not for what must not be.
    answer = ask(world.services, world.viewers[who], query, given, plans=who != "staff")
    whole, parts = world.forbidden[who]
    foreign = foreign_ids(world, who)
    found = {leaf for leaf in leaves(answer.data) if leaf in whole or leaf in foreign}
    found |= {part for part in parts if part in answer.text}
    assert not found, (who, query, given, sorted(found))
    return answer


def ids(world: Divided, *, own: str | None = None, not_of: str | None = None) -> list[str]:
    """Return public ids: those of rows a viewer owns, or of rows it does not."""
    assert TABLES.keys() >= NODES.keys(), f"no table known of {NODES.keys() - TABLES.keys()}"
    found = world.owners.ids({TABLES[tag]: tag for tag in NODES})
    if own is not None:
        return [key for key, sides in found if sides & world.own[own]]
    assert not_of is not None
    return [key for key, sides in found if not sides & world.own[not_of]]


_KINDS: dict[str, str] = {}
"""The types of the tags that were met."""

_FOREIGN_IDS: dict[str, frozenset[str]] = {}


def foreign_ids(world: Divided, who: str) -> frozenset[str]:
    """Return the ids of everything that belongs to others."""
    if who not in _FOREIGN_IDS:
        _FOREIGN_IDS[who] = frozenset(ids(world, not_of=who))
    return _FOREIGN_IDS[who]


def missing(public_id: str) -> str:
    """Return the id of nothing, of the same kind."""
    tag, _, *rest = public_id.split("_")
    return "_".join((tag, str(NOTHING), *rest))


def few(public_ids: list[str], world: Divided, most: int = 2) -> list[str]:
    """Return two ids of each kind and side: the others are like them."""
    sides = dict(world.owners.ids({TABLES[tag]: tag for tag in NODES}))
    kept: dict[Any, list[str]] = defaultdict(list)
    for key in public_ids:
        kept[key.partition("_")[0], sides[key]].append(key)
    return [key for keys in kept.values() for key in keys[:most]]


def whole(world: Divided, who: str, public_id: str) -> Answer:
    """Ask for everything of one object."""
    tag = public_id.partition("_")[0]
    if tag not in _KINDS:
        kind = asked(world, "staff", "query($i: ID!) { node(id: $i) { __typename } }", i=public_id)
        if kind.data["node"] is None:
            return kind
        _KINDS[tag] = kind.data["node"]["__typename"]
    return asked(world, who, node_query()[_KINDS[tag]], id=public_id)


@pytest.mark.parametrize("side", ["commercial", "others"])
def test_every_type_of_the_schema_is_on_both_sides(world: Divided, side: str) -> None:
    """Without this the walks below would prove nothing of a type that nobody has."""
    given = ids(world, own=side) if side != "others" else ids(world, not_of="commercial")
    reached = {n for key in few(given, world) for n in typenames(whole(world, "staff", key).data)}
    for name, field in root_fields().items():
        given = {n: needed(a.type) for n, a in field.args.items() if is_non_null_type(a.type)}
        found = set(typenames(asked(world, "staff", root_query(name, given), **given).data))
        reached |= {n for n in found if n in ONE_SIDED or n.endswith("Connection")}
    assert "\n".join(sorted(reachable() - reached - UNREACHED.keys())) == ""
    assert sorted(ONE_SIDED.keys() - reachable()) == []


@pytest.mark.parametrize("who", FOREIGN)
def test_objects_show_nothing_of_others(world: Divided, who: str) -> None:
    answers = [whole(world, who, key).data for key in few(ids(world, own=who), world)]
    assert sum(1 for data in answers if next(iter(data.values()))) > 20


@pytest.mark.parametrize("who", FOREIGN)
def test_foreign_ids_read_as_missing_ones(world: Divided, who: str) -> None:
    foreign = ids(world, not_of=who)
    assert len(foreign) > 100
    for start in range(0, len(foreign), 50):
        chunk = foreign[start : start + 50]
        parts = [f'n{n}: node(id: "{key}") {{ __typename id }}' for n, key in enumerate(chunk)]
        answer = asked(world, who, f"{{ {' '.join(parts)} }}")
        seen = [key for key, found in zip(chunk, answer.data.values(), strict=True) if found]
        assert (seen, answer.errors) == ([], ())


@pytest.mark.parametrize("who", FOREIGN)
@pytest.mark.parametrize("name", sorted(root_fields()))
def test_roots_show_nothing_of_others(world: Divided, who: str, name: str) -> None:
    field = root_fields()[name]
    if any(is_non_null_type(argument.type) for argument in field.args.values()):
        pytest.skip("asked with ids of others elsewhere")
    found = asked(world, who, root_query(name, {})).data["found"]
    if isinstance(found, dict) and "totalCount" in found:
        every = asked(
            world,
            who,
            root_query(name, {"first": 200}, inner="{ totalCount nodes { id } }"),
            first=200,
        )
        assert len(every.data["found"]["nodes"]) == every.data["found"]["totalCount"]


def needed(kind: Any) -> Any:
    """Return the smallest valid value of a type."""
    inner = get_nullable_type(kind)
    if is_list_type(inner):
        return []
    if isinstance(inner, GraphQLEnumType):
        return next(iter(inner.values))
    if isinstance(inner, GraphQLInputObjectType):
        required = {n: p.type for n, p in inner.fields.items() if is_non_null_type(p.type)}
        return {name: needed(part) for name, part in required.items()}
    return BY_TYPE.get(str(inner), NONSENSE)


def values_for(kind: Any, world: Divided, who: str, name: str = "id") -> Iterator[tuple[Any, Any]]:
    """Yield for an argument: a value that means something of others, and one that means nothing."""
    inner = get_nullable_type(kind)
    if is_list_type(inner):
        yield from (([a], [b]) for a, b in values_for(inner.of_type, world, who, name))
    elif isinstance(inner, GraphQLInputObjectType):
        for name, part in inner.fields.items():
            if get_named_type(part.type) is not inner:
                for foreign, nothing in values_for(part.type, world, who, name):
                    yield {**needed(inner), name: foreign}, {**needed(inner), name: nothing}
    elif str(inner) == "ID":
        fitting = "" if name in ANY else f"{tag_of('', name)}_"
        for key in few(ids(world, not_of=who), world, most=1):
            if key.startswith(fitting):
                yield key, missing(key)
    elif str(inner) == "String":
        for word in world.words[who]:
            yield word, NONSENSE
    elif isinstance(inner, GraphQLEnumType):
        yield from ((value, value) for value in inner.values)


def texts(value: Any) -> list[str]:
    """Return the texts of an argument."""
    return list(leaves(value))


def places() -> list[tuple[str, str]]:
    """Return every argument of every root field but those of paging."""
    return [
        (name, argument)
        for name, field in sorted(root_fields().items())
        for argument in field.args
        if argument not in {"first", "after"}
    ]


@pytest.mark.parametrize("who", FOREIGN)
@pytest.mark.parametrize("place", places(), ids=".".join)
def test_filters_tell_nothing_of_others(world: Divided, who: str, place: tuple[str, str]) -> None:
    name, argument = place
    field = root_fields()[name]
    answered = get_named_type(field.type)
    inner = "{ __typename id }" if is_node(answered.name) else None
    if "totalCount" in getattr(answered, "fields", {}):
        inner = "{ __typename totalCount nodes { id } }"
    query = root_query(name, {argument: None}, inner=inner)
    for foreign, nothing in values_for(field.args[argument].type, world, who):
        answer = asked(world, who, query, **{argument: foreign}).text
        if foreign == nothing:
            continue  # a plain choice: nothing of others may follow from it, that is all
        other = asked(world, who, query, **{argument: nothing}).text
        for one, two in zip(texts(foreign), texts(nothing), strict=True):
            answer = answer.replace(one, two)  # an error may repeat what it was given
        assert answer == other, foreign


def test_commercial_and_operational_contacts_see_the_same(world: Divided) -> None:
    """That is why the walks are made as one of them."""
    one, two = world.viewers["commercial"], world.viewers["operational"]
    assert (one.roles, one.granted) == (two.roles, two.granted)


TOUCHED = ("api_token", "attempts", "idempotency", "sign_in_session")
"""Tables in which asking leaves traces."""

SEEN = ("account_user.last_seen_at",)

PAGED = sorted(name for name, field in root_fields().items() if "after" in field.args)


@pytest.mark.parametrize("name", PAGED)
def test_cursors_of_others_lead_to_nothing_of_others(world: Divided, name: str) -> None:
    page = "{ nodes { id } pageInfo { endCursor hasNextPage } }"
    after: str | None = None
    for _ in range(8):
        given = {"first": 2, "after": after}
        query = root_query(name, given, inner=page)
        found = asked(world, "staff", query, **given).data["found"]
        after = found["pageInfo"]["endCursor"]
        asked(world, "employee", query, first=2, after=after)
        if not found["pageInfo"]["hasNextPage"]:
            break


@pytest.mark.parametrize("name", sorted(root_fields("subscription")))
def test_subscriptions_to_others_are_to_nothing(world: Divided, name: str) -> None:
    query = f"subscription($id: ID!) {{ {name}(id: $id) {{ id }} }}"

    def told(key: str) -> str:
        sent = {"query": query, "variables": {"id": key}}
        stream = {"accept": "text/event-stream"}
        http = world.clients["employee"].http
        return str(http.post("/graphql", json=sent, headers=stream).text)

    for key in few(ids(world, not_of="employee"), world, most=1):
        assert told(key) == told(missing(key)), key


@pytest.mark.parametrize("who", FOREIGN)
def test_files_of_others_are_missing(world: Divided, who: str) -> None:
    http = world.clients[who].http
    nothing = http.get(f"/files/{NOTHING}")
    files = world.owners.sides["stored_file"]
    assert {http.get(f"/files/{key}").status_code for key in files} == {200, 404}
    for key, sides in files.items():
        if not sides & world.own[who]:
            answer = http.get(f"/files/{key}")
            assert (answer.status_code, answer.content) == (404, nothing.content)


@pytest.mark.parametrize("who", FOREIGN)
def test_mutations_treat_what_belongs_to_others_as_missing(world: Divided, who: str) -> None:
    database = world.services.db
    kept = contents(database, without=TOUCHED, columns=SEEN)
    foreign = few(ids(world, not_of=who), world, most=1)
    tried = 0
    for name in mutations():
        for place in id_places(name):
            for key in (k for k in foreign if k.startswith(f"{place.tag}_")):
                answers = []
                for value in (key, missing(key)):
                    given = sample(world.services, name, place.path)
                    put(given, place.path, value)
                    answers.append(str(call(world.clients[who], name, given, "__typename")))
                assert answers[0].replace(key, missing(key)) == answers[1], (name, place)
                tried += 1
    assert tried > 30
    assert contents(database, without=TOUCHED, columns=SEEN) == kept
