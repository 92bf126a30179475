"""Which graphs may be published, and what is told of the others (F14)."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from finview import files
from finview.app import BUILTINS
from finview.communications.wording import MESSAGES, MessageType
from finview.errors import Invalid
from finview.i18n import LOCALES
from finview.plugins.contracts.node import WorkflowNode
from finview.plugins.hookspecs import hookimpl
from finview.plugins.manager import Plugins
from finview.settings import Settings
from finview.workflows.checks import FAULTS_MAX, problems
from finview.workflows.graph import kept
from finview.workflows.models import WorkflowKind
from finview.workflows.shipped import SHIPPED

EMAIL = ("sent", "bounced", "no_address", "not_allowed", "failed")
CALL = ("reached", "promise", "wrong_number", "exhausted", "no_number", "not_allowed")
MAIN = WorkflowKind.MAIN

Faults = list[tuple[str | None, tuple[str, ...]]]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Plugins:
    folder: Path = tmp_path_factory.mktemp("graphs")
    return Plugins.load(Settings(data_dir=folder, secret_key="k" * 40), builtins=list(BUILTINS))


def node(name: str, kind: str, to: Any = (), **config: Any) -> dict[str, Any]:
    """Return a node; `to` is its ports, or where its only port `done` leads."""
    ports = {"done": to} if isinstance(to, str) else dict(to)
    return {"id": name, "type": kind, "config": config, "ports": ports}


def email(name: str, to: str, template: str = "first_demand") -> dict[str, Any]:
    return node(name, "email", dict.fromkeys(EMAIL, to), template=template)


def call(name: str, to: str, **config: Any) -> dict[str, Any]:
    return node(name, "phone_call", dict.fromkeys(CALL, to), **config)


END = node("end", "end")
CONDITION = {"cases": [{"port": "some", "field": "open_amount", "operator": ">", "value": "10"}]}
BOTH = {"some": "end", "else": "end"}


def graph(*nodes: dict[str, Any], start: str | None = None) -> dict[str, Any]:
    return {"start": start or nodes[0]["id"], "nodes": [*nodes, END]}


def found(plugins: Plugins, given: Any, kind: WorkflowKind = MAIN) -> Faults:
    return [(fault.reason, fault.path) for fault in problems(given, kind, plugins)]


def other(**changes: Any) -> dict[str, Any]:
    """Return a condition's only case with something else in it."""
    return {"cases": [{**CONDITION["cases"][0], **changes}]}


REFUSED: Mapping[str, tuple[Any, str, tuple[str, ...]]] = {
    "no object": ([], "GRAPH_SHAPE", ()),
    "no nodes": ({"start": "a"}, "GRAPH_SHAPE", ()),
    "nodes no list": ({"start": "a", "nodes": {"a": 1}}, "GRAPH_SHAPE", ()),
    "an empty list": ({"start": "a", "nodes": []}, "GRAPH_SHAPE", ()),
    "201 nodes": (graph(*(node(f"n{n}", "wait", "end", days=1) for n in range(200))), "GRAPH_TOO_LARGE", ()),
    "10,000 nodes": ({"start": "a", "nodes": [END] * 10_000}, "GRAPH_TOO_LARGE", ()),
    "another key": ({**graph(END), "nodes": [END], "begin": "end"}, "GRAPH_KEY", ()),
    "no start": ({"nodes": [END]}, "GRAPH_START", ()),
    "a start elsewhere": ({"start": "x", "nodes": [END]}, "GRAPH_START", ()),
    "two starts": ({"start": ["end", "end"], "nodes": [END]}, "GRAPH_START", ()),
    "a node that is a text": ({"start": "end", "nodes": [END, "x"]}, "GRAPH_NODE_ID", ("2",)),
    "a node without id": ({"start": "end", "nodes": [END, {"type": "end"}]}, "GRAPH_NODE_ID", ("2",)),
    "an id too long": ({"start": "end", "nodes": [END, node("x" * 61, "end")]}, "GRAPH_NODE_ID", ("2",)),
    "an id twice": ({"start": "end", "nodes": [END, END]}, "GRAPH_NODE_TWICE", ("end",)),
    "a node's other key": (graph({**node("a", "wait", "end", days=1), "port": 1}), "GRAPH_NODE_KEY", ("a", "port")),
    "a type of no text": (graph({**END, "id": "a", "type": 7}), "GRAPH_NODE_SHAPE", ("a", "type")),
    "ports of no texts": (graph({**node("a", "wait", days=1), "ports": {"done": ["end"]}}), "GRAPH_NODE_SHAPE", ("a", "ports")),
    "config no object": (graph({**node("a", "wait", "end"), "config": "x"}), "GRAPH_NODE_SHAPE", ("a", "config")),
    "no visits": (graph({**node("a", "wait", "end", days=1), "maxVisits": 0}), "GRAPH_NODE_SHAPE", ("a", "maxVisits")),
    "visits true": (graph({**node("a", "wait", "end", days=1), "maxVisits": True}), "GRAPH_NODE_SHAPE", ("a", "maxVisits")),
    "an unknown type": (graph(node("a", "fax", "end")), "GRAPH_NODE_TYPE", ("a", "type")),
    "an unknown setting": (graph(node("a", "wait", "end", days=1, weeks=1)), "GRAPH_NODE_UNKNOWN", ("a", "config", "weeks")),
    "a missing setting": (graph(node("a", "email", dict.fromkeys(EMAIL, "end"))), "GRAPH_NODE_REQUIRED", ("a", "config", "template")),
    "a setting of another type": (graph(node("a", "wait", "end", days="soon")), "GRAPH_NODE_CONFIG", ("a", "config", "days")),
    "a wait of 731 days": (graph(node("a", "wait", "end", days=731)), "GRAPH_NODE_RANGE", ("a", "config", "days")),
    "a wait back in time": (graph(node("a", "wait", "end", days=-1)), "GRAPH_NODE_RANGE", ("a", "config", "days")),
    "21 attempts": (graph(email("e", "a"), call("a", "end", attempts=21)), "GRAPH_NODE_RANGE", ("a", "config", "attempts")),
    "-1 attempts": (graph(email("e", "a"), call("a", "end", attempts=-1)), "GRAPH_NODE_RANGE", ("a", "config", "attempts")),
    "an open port": (graph(node("a", "wait", days=1)), "GRAPH_PORT", ("a", "ports", "done")),
    "an open port of a case": (graph(node("a", "condition", {"else": "end"}, **CONDITION)), "GRAPH_PORT", ("a", "ports", "some")),
    "an unknown port": (graph(node("a", "wait", {"done": "end", "late": "end"}, days=1)), "GRAPH_PORT_UNKNOWN", ("a", "ports", "late")),
    "a port to nowhere": (graph(node("a", "wait", "nowhere", days=1)), "GRAPH_PORT_TARGET", ("a", "ports", "done")),
    "an island": (graph(node("a", "wait", "end", days=1), node("b", "wait", "end", days=1)), "GRAPH_UNREACHABLE", ("b",)),
    "a dead end": (graph(node("a", "condition", {"some": "end", "else": "b"}, **CONDITION), node("b", "wait", "b", days=1)), "GRAPH_NO_END", ("b",)),
    "a loop": (graph(node("a", "condition", {"some": "a", "else": "end"}, **CONDITION)), "GRAPH_LOOP", ("a",)),
    "a loop that waits for nothing": (graph(node("a", "condition", {"some": "b", "else": "end"}, **CONDITION), node("b", "wait", "a")), "GRAPH_LOOP", ("b",)),
    "a loop by an event for ever": (graph(node("a", "wait_event", {"PAYMENT": "b"}, types=["PAYMENT"]), node("b", "condition", {"some": "a", "else": "end"}, **CONDITION)), "GRAPH_LOOP", ("a",)),
    "an unknown fact": (graph(node("a", "condition", BOTH, **other(field="shoe_size"))), "GRAPH_NODE_CONFIG", ("a", "config", "cases", "0", "field")),
    "a value of another type": (graph(node("a", "condition", BOTH, **other(value="many"))), "GRAPH_NODE_CONFIG", ("a", "config", "cases", "0")),
    "an operator of another type": (graph(node("a", "condition", BOTH, **other(operator="in", value=["1"]))), "GRAPH_NODE_CONFIG", ("a", "config", "cases", "0")),
    "an unknown template": (graph(email("a", "b"), email("b", "end", "love_letter")), "GRAPH_TEMPLATE", ("b", "config")),
    "no text for SMS": (graph(email("a", "b"), node("b", "sms", dict.fromkeys(("sent", "no_number", "not_allowed", "failed"), "end"), template="first_demand")), "GRAPH_TEMPLATE_SMS", ("b", "config")),
    "a reminder first": (graph(email("a", "end", "reminder")), "GRAPH_DEMAND_FIRST", ("a",)),
    "a call first": (graph(call("a", "end")), "GRAPH_DEMAND_FIRST", ("a",)),
    "one way without a demand": (graph(node("a", "condition", {"some": "b", "else": "c"}, **CONDITION), email("b", "c"), email("c", "end", "reminder")), "GRAPH_DEMAND_FIRST", ("c",)),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_graph_is_refused_with_its_fault_and_node(plugins: Plugins, what: str) -> None:
    given, reason, path = REFUSED[what]
    assert (reason, path) in found(plugins, given)
    for fault in problems(given, MAIN, plugins):
        told = {locale: fault.message(locale) for locale in LOCALES}
        assert not {"{", "…"} & {*told["en"]}, told
        assert told["en"] != told["de"]


def test_what_one_kind_forbids_another_may(plugins: Plugins) -> None:
    charged = graph(email("a", "b", "breathing_space_notice"), node("b", "apply_charges", "end"))
    assert found(plugins, charged) == []
    assert found(plugins, charged, WorkflowKind.BREATHING_SPACE) == [("GRAPH_CHARGES", ("b",))]
    demanded = graph(email("a", "end"))
    assert found(plugins, demanded) == []
    plan = found(plugins, demanded, WorkflowKind.PAYMENT_PLAN)
    assert plan == [("GRAPH_PLAN_DEMAND", ("a", "config"))]
    reminded = graph(email("a", "end", "reminder"))
    assert found(plugins, reminded, WorkflowKind.PAYMENT_PLAN) == []


@pytest.mark.parametrize("kind", SHIPPED)
def test_what_ships_has_no_fault(plugins: Plugins, kind: WorkflowKind) -> None:
    assert found(plugins, SHIPPED[kind][1], kind) == []


def test_the_graph_of_the_documents_can_be_published(plugins: Plugins) -> None:
    text = (files.schema().parent / "docs" / "graphql.md").read_text()
    example = text.split("```json\n", 1)[1].split("```", 1)[0]
    assert found(plugins, orjson.loads(example)) == []


@pytest.mark.parametrize("wait", [{"hours": 1}, {"days": 1}, {"working_days": 1}])
def test_a_loop_may_wait_an_hour(plugins: Plugins, wait: dict[str, int]) -> None:
    ways = {"some": "b", "else": "end"}
    looping = graph(node("a", "condition", ways, **CONDITION), node("b", "wait", "a", **wait))
    assert found(plugins, looping) == []
    event = node("b", "wait_event", {"PAYMENT": "a", "timeout": "a"}, types=["PAYMENT"], hours=1)
    assert found(plugins, graph(node("a", "condition", ways, **CONDITION), event)) == []


def test_a_template_must_be_there_in_every_language(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = MessageType(id="odd", subject="Nobody translated this", body="Nor this")
    monkeypatch.setitem(MESSAGES, "odd", odd)  # type: ignore[arg-type]  # it is a dict
    assert found(plugins, graph(email("a", "end", "odd"))) == [
        ("GRAPH_TEMPLATE_LANGUAGE", ("a", "config"))
    ]


class OddSettings(BaseModel):
    how: str = ""

    @field_validator("how")
    @classmethod
    def _fails(cls, how: str) -> str:
        if how == "settings":
            raise RuntimeError("no idea")
        return how


class OddNode(WorkflowNode[OddSettings]):
    """A plugin's node whose author did not think of everything."""

    name = "odd"
    title = "Odd"
    Settings = OddSettings
    ports = ("done",)

    def ports_of(self, config: OddSettings) -> Any:
        """Return something else."""
        return ["done"] if config.how == "ports" else self.ports

    def waits(self, config: OddSettings) -> Any:
        """Return something else."""
        return config.how if config.how == "waits" else True

    def messages(self, config: OddSettings) -> Any:
        """Fail."""
        return 1 // 0 if config.how == "messages" else ()

    def run(self, case: Any, config: Any) -> Any:
        """Do nothing."""


def test_a_node_type_that_fails_is_a_fault_of_the_graph(tmp_path: Path) -> None:
    module: Any = ModuleType("odd_nodes")
    module.finview_workflow_nodes = hookimpl(lambda: [OddNode])
    module.finview_workflow_nodes.__name__ = "finview_workflow_nodes"
    settings = Settings(data_dir=tmp_path, secret_key="k" * 40)
    odd = Plugins.load(settings, builtins=[*BUILTINS, module])
    assert found(odd, graph(node("a", "odd", "a2"), node("a2", "odd", "end"))) == []
    for how in ("settings", "ports", "waits", "messages"):
        faults = found(odd, graph(node("a", "odd", "end", how=how)))
        assert faults == [("GRAPH_NODE_CONFIG", ("a", "config"))], how


def test_every_fault_is_told_and_none_because_of_another(plugins: Plugins) -> None:
    given = graph(node("a", "fax", {"sent": "b"}), node("b", "wait", "c"), node("c", "wait"))
    assert found(plugins, given) == [
        ("GRAPH_NODE_TYPE", ("a", "type")),
        ("GRAPH_PORT", ("c", "ports", "done")),
        ("GRAPH_NO_END", ("b",)),
        ("GRAPH_NO_END", ("c",)),
        ("GRAPH_UNREACHABLE", ("end",)),
    ]


def test_hostile_graphs_end_quickly(plugins: Plugins) -> None:
    names = [f"n{n}" for n in range(199)]
    cases = [{**CONDITION["cases"][0], "port": f"p{n}"} for n in range(20)]
    everywhere = [
        node(
            name,
            "condition",
            {**{f"p{k}": names[(n * 7 + k * 13) % 199] for k in range(20)}, "else": "end"},
            cases=cases,
        )
        for n, name in enumerate(names)
    ]
    faults = found(plugins, graph(*everywhere))
    assert {reason for reason, _ in faults} == {"GRAPH_LOOP"}
    unknown = [node(name, "wait", {f"{k}": "x" for k in range(100)}) for name in names]
    assert len(found(plugins, graph(*unknown))) == FAULTS_MAX


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (nested(5_000), "GRAPH_DEPTH"),
        ({"start": "a" * 300_000}, "GRAPH_BYTES"),
        ({"start": 2**70}, "GRAPH_SHAPE"),
        ({"start": "\ud800"}, "GRAPH_SHAPE"),
        ({"start": "a\0b"}, "GRAPH_SHAPE"),
        ({"st\0art": "a"}, "GRAPH_SHAPE"),
        (None, "GRAPH_SHAPE"),
        ("graph", "GRAPH_SHAPE"),
    ],
    ids=range(8),
)
def test_what_no_draft_can_be_is_refused_at_once(given: Any, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        kept(given)
    assert refused.value.reason == reason


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["a", "end", "email", "wait", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["start", "nodes", "id", "type", "config", "ports", "done", "maxVisits"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=15,
)


@given(given=JSON, kind=st.sampled_from(WorkflowKind))
def test_nothing_that_is_sent_makes_the_check_fail(
    plugins: Plugins, given: Any, kind: WorkflowKind
) -> None:
    for fault in problems(given, kind, plugins):
        assert fault.code == "INVALID"
        assert fault.message("de")
