"""The one table of slots: registry, guard, command line and API are driven by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from finview.plugins import validation
from finview.plugins.contracts.call_centre import CallCentre
from finview.plugins.contracts.email import EmailSender
from finview.plugins.contracts.enricher import Enricher
from finview.plugins.contracts.jurisdiction import Jurisdiction
from finview.plugins.contracts.letter import LetterSender
from finview.plugins.contracts.matcher import Matcher
from finview.plugins.contracts.node import WorkflowNode
from finview.plugins.contracts.reader import ImportReader
from finview.plugins.contracts.sms import SmsSender
from finview.plugins.contracts.statement import StatementReader
from finview.plugins.validation import Method


class Choice(StrEnum):
    """How one provider of a slot is picked."""

    BINDING = "BINDING"
    TYPE_NAME = "TYPE_NAME"
    SNIFF = "SNIFF"
    CODE = "CODE"


class Mode(StrEnum):
    """Where a provider of a slot runs."""

    POOL = "POOL"
    INLINE = "INLINE"
    PROCESS = "PROCESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One place where plugins fit.

    `default` is the provider used while nothing is bound; `batch` is how many items one call may
    carry; `base` is the class that providers extend. An `ordered` slot takes a list of providers by
    position. `on_saved` is a kind of job to enqueue, with the `binding_id`, when a binding is saved.
    """

    name: str
    hook: str
    base: type[Any]
    choice: Choice
    mode: Mode
    default: str | None = None
    batch: int = 500
    ordered: bool = False
    on_saved: str | None = None
    methods: Mapping[str, Method] = field(default_factory=dict)


def _sender(name: str, base: type[Any], *, default: str) -> Slot:
    """Return the slot of those who send messages of one kind."""
    return Slot(
        name=name,
        hook=f"finview_{name}_senders",
        base=base,
        choice=Choice.BINDING,
        mode=Mode.POOL,
        default=default,
        methods={"send": validation.SEND, "lookup": validation.LOOKUP},
    )


_TABLE = (
    Slot(
        name="matcher",
        hook="finview_matchers",
        base=Matcher,
        choice=Choice.BINDING,
        mode=Mode.POOL,
        default="standard",
        batch=2000,
        methods={"keys": validation.KEYS, "score": validation.SCORE},
    ),
    Slot(
        name="enricher",
        hook="finview_enrichers",
        base=Enricher,
        choice=Choice.BINDING,
        mode=Mode.POOL,
        ordered=True,
        on_saved="enrichment.price",
        methods={
            "quote": validation.QUOTE,
            "trace": validation.TRACE,
            "poll": validation.POLL,
            "lookup": validation.TRACE_LOOKUP,
        },
    ),
    _sender("email", EmailSender, default="system"),
    _sender("sms", SmsSender, default="outbox"),
    _sender("letter", LetterSender, default="folder"),
    Slot(
        name="call_centre",
        hook="finview_call_centres",
        base=CallCentre,
        choice=Choice.BINDING,
        mode=Mode.POOL,
        default="task-list",
        methods={
            "push": validation.SEND,
            "lookup": validation.LOOKUP,
            "withdraw": validation.WITHDRAW,
            "parse_webhook": validation.CALL_WEBHOOK,
            "collect": validation.COLLECT,
        },
    ),
    Slot(
        name="jurisdiction",
        hook="finview_jurisdictions",
        base=Jurisdiction,
        choice=Choice.CODE,
        mode=Mode.INLINE,
    ),
    Slot(
        name="import_reader",
        hook="finview_import_readers",
        base=ImportReader,
        choice=Choice.SNIFF,
        mode=Mode.PROCESS,
    ),
    Slot(
        name="statement_reader",
        hook="finview_statement_readers",
        base=StatementReader,
        choice=Choice.SNIFF,
        mode=Mode.PROCESS,
    ),
    Slot(
        name="workflow_node",
        hook="finview_workflow_nodes",
        base=WorkflowNode,
        choice=Choice.TYPE_NAME,
        mode=Mode.INLINE,
        methods={
            "run": validation.RUN,
            "ports_of": validation.PORTS,
            "waits": validation.WAITS,
            "messages": validation.MESSAGES,
        },
    ),
)

SLOTS: Mapping[str, Slot] = MappingProxyType({slot.name: slot for slot in _TABLE})
BY_HOOK: Mapping[str, Slot] = MappingProxyType({slot.hook: slot for slot in _TABLE})
