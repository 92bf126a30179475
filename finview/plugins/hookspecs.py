"""What a plugin may offer; each hook returns classes, and bindings choose among them."""

from collections.abc import Iterable
from typing import Any

import pluggy

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

hookspec = pluggy.HookspecMarker("finview")
hookimpl = pluggy.HookimplMarker("finview")


@hookspec
def finview_matchers() -> Iterable[type[Matcher[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return matchers: how alike two debtors are. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_matchers() -> list[type[Matcher[Any]]]:
            return [ExactMatcher]
    """


@hookspec
def finview_enrichers() -> Iterable[type[Enricher[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return enrichers: who finds out how debtors can be reached. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_enrichers() -> list[type[Enricher[Any]]]:
            return [AcmeTrace]
    """


@hookspec
def finview_email_senders() -> Iterable[type[EmailSender[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return e-mail senders. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_email_senders() -> list[type[EmailSender[Any]]]:
            return [AcmeMail]
    """


@hookspec
def finview_sms_senders() -> Iterable[type[SmsSender[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return senders of text messages. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_sms_senders() -> list[type[SmsSender[Any]]]:
            return [AcmeSms]
    """


@hookspec
def finview_letter_senders() -> Iterable[type[LetterSender[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return senders of letters. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_letter_senders() -> list[type[LetterSender[Any]]]:
            return [PrintShop]
    """


@hookspec
def finview_call_centres() -> Iterable[type[CallCentre[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return call centres: who calls debtors up and tells what came of it. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_call_centres() -> list[type[CallCentre[Any]]]:
            return [AcmeCalls]
    """


@hookspec
def finview_jurisdictions() -> Iterable[type[Jurisdiction[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return law packs, one country each. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_jurisdictions() -> list[type[Jurisdiction[Any]]]:
            return [Austria]
    """


@hookspec
def finview_import_readers() -> Iterable[type[ImportReader[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return readers of spreadsheet formats. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_import_readers() -> list[type[ImportReader[Any]]]:
            return [OdsReader]
    """


@hookspec
def finview_statement_readers() -> Iterable[type[StatementReader[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return readers of bank statements. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_statement_readers() -> list[type[StatementReader[Any]]]:
            return [Mt940Reader]
    """


@hookspec
def finview_workflow_nodes() -> Iterable[type[WorkflowNode[Any]]]:  # type: ignore[empty-body]  # a declaration
    """Return node types of workflows. Called once at start. Since 0.1.

    Example::

        @hookimpl
        def finview_workflow_nodes() -> list[type[WorkflowNode[Any]]]:
            return [ScoreCheck]
    """
