"""What the guard accepts as the result of each method of each slot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, get_args

from finview.money import Money, known_currency
from finview.plugins.contracts import enricher
from finview.plugins.contracts.call_centre import CallOutcome, CallResult, Promise
from finview.plugins.contracts.email import Accepted, Deferred, Email, Refused
from finview.plugins.contracts.matcher import Evidence, MatchBatch, MatchKey, Party, Score
from finview.plugins.contracts.node import (
    CloseCase,
    Do,
    End,
    Go,
    OpenTask,
    OpenTicket,
    PlanOutreach,
    PostCharges,
    Record,
    Trace,
    Wait,
    Withdraw,
)

TEXT_CHARS_MAX = 64 * 1024
EVIDENCE_MAX = 30
GUARDS_MAX = 30
POINTS_MAX = 1e6
KEYS_PER_PARTY_MAX = 50
KEY_CHARS_MAX = 200
EFFECTS_MAX = 50
PORTS_MAX = 100
PORT_CHARS_MAX = 60
DEFER_S_MAX = 7 * 86_400
OUTCOME_ID_CHARS_MAX = 100
DISCUSSED_MAX = 50
NOTE_CHARS_MAX = 2000
AMOUNT_MINOR_MAX = 10**15
WEBHOOK_ITEMS_MAX = 1000
COLLECT_ITEMS_MAX = 10_000
TRACED_CONTACTS_MAX = 50
TRACE_CHARS_MAX = 300
TRACE_WHY_CHARS_MAX = 500
COST_MINOR_MAX = 10**12
ASK_AFTER_MAX = timedelta(days=30)

_CONTACT_KINDS = get_args(enricher.ContactKind)
_EFFECTS = (PlanOutreach, PostCharges, OpenTask, OpenTicket, Trace, Withdraw, CloseCase, Record)


class ContractError(Exception):
    """A result breaks the contract; the text says how, and never quotes personal data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How a guarded method is called and what it must return.

    `size` counts the items of a call (for the batch limit), `expects` the results, None when it is
    not a list. `spread` passes the items as separate arguments. `check(provider, items, result)`
    raises `ContractError`. `most` lists a result of any length up to that many. `inbound`: somebody
    else's request is read, which says nothing about the provider's health, so that no forger can
    open its breaker and an open one loses no outcome.
    """

    size: Callable[[Any], int]
    expects: Callable[[Any], int] | None
    check: Callable[[Any, Any, Any], None]
    spread: bool = False
    most: int | None = None
    inbound: bool = False


def aligned(result: Any, expected: int) -> list[Any]:
    """Return a plugin's iterable as a list of exactly `expected` items, reading one more at most."""
    if isinstance(result, (str, bytes, Mapping)) or not hasattr(result, "__iter__"):
        raise ContractError(f"returned {_kind(result)} where a sequence is due")
    found = list(islice(result, expected + 1))
    if len(found) != expected:
        count = "more" if len(found) > expected else str(len(found))
        raise ContractError(f"returned {count} results for {expected} items")
    return found


def gathered(result: Any, most: int) -> list[Any]:
    """Return a plugin's iterable as a list of at most `most` items."""
    if isinstance(result, (str, bytes, Mapping)) or not hasattr(result, "__iter__"):
        raise ContractError(f"returned {_kind(result)} where a sequence is due")
    found = list(islice(result, most + 1))
    if len(found) > most:
        raise ContractError(f"returned more than {most} results")
    return found


def _kind(value: Any) -> str:
    return type(value).__name__


def _text(value: Any, what: str, most: int = TEXT_CHARS_MAX) -> None:
    if type(value) is not str:
        raise ContractError(f"{what} is {_kind(value)}, not str")
    if len(value) > most:
        raise ContractError(f"{what} has {len(value)} characters, {most} are allowed")


def _number(value: Any, what: str, low: float, high: float) -> None:
    # NaN compares false with everything, so the range test catches it too.
    if type(value) not in (int, float) or not low <= value <= high:
        raise ContractError(f"{what} must be a number from {low} to {high}")


def _scores(_provider: Any, _batch: MatchBatch, scores: Sequence[Any]) -> None:
    for score in scores:
        if type(score) is not Score:
            raise ContractError(f"returned {_kind(score)} where a Score is due")
        _number(score.percent, "percent", 0, 100)
        if type(score.evidence) is not tuple or type(score.guards) is not tuple:
            raise ContractError("evidence and guards must be tuples")
        if len(score.evidence) > EVIDENCE_MAX or len(score.guards) > GUARDS_MAX:
            raise ContractError(f"more than {EVIDENCE_MAX} pieces of evidence or guards for a pair")
        for piece in score.evidence:
            if type(piece) is not Evidence:
                raise ContractError(f"evidence holds {_kind(piece)}")
            _evidence(piece)
        for guard in score.guards:
            _text(guard, "a guard", KEY_CHARS_MAX)


def _evidence(piece: Evidence) -> None:
    field, level, points = piece.field, piece.level, piece.points
    incoming, existing = piece.incoming, piece.existing
    # The common case in one expression: this runs for each field of each pair of an import.
    if (
        type(field) is type(level) is type(incoming) is type(existing) is str
        and len(field) + len(level) + len(incoming) + len(existing) <= TEXT_CHARS_MAX
        and type(points) is float
        and -POINTS_MAX <= points <= POINTS_MAX
    ):
        return
    for text in (field, level, incoming, existing):
        _text(text, "a text of the evidence")
    _number(points, "points of evidence", -POINTS_MAX, POINTS_MAX)


def _keys(_provider: Any, _parties: Sequence[Party], lists: Sequence[Any]) -> None:
    for keys in lists:
        if not isinstance(keys, (list, tuple)) or len(keys) > KEYS_PER_PARTY_MAX:
            raise ContractError(f"keys of a party must be at most {KEYS_PER_PARTY_MAX} MatchKeys")
        for key in keys:
            if type(key) is not MatchKey:
                raise ContractError(f"returned {_kind(key)} where a MatchKey is due")
            _text(key.value, "a key", KEY_CHARS_MAX)
            if type(key.weight) is not int or not 1 <= key.weight <= 6:
                raise ContractError("the weight of a key must be a whole number from 1 to 6")


def _sent(_provider: Any, _emails: Sequence[Email], results: Sequence[Any]) -> None:
    for result in results:
        if type(result) is Accepted:
            _text(result.reference, "a reference", 1000)
        elif type(result) is Refused:
            _text(result.why, "a reason")
        elif type(result) is Deferred:
            _text(result.why, "a reason")
            if type(result.after_s) is not int or not 0 <= result.after_s <= DEFER_S_MAX:
                raise ContractError(f"after_s must be a whole number from 0 to {DEFER_S_MAX}")
        else:
            raise ContractError(f"returned {_kind(result)} where a result of sending is due")


def _looked_up(provider: Any, keys: Sequence[str], results: Sequence[Any]) -> None:
    known = [result for result in results if result is not None]
    if any(type(result) is Deferred for result in known):
        raise ContractError("a look-up answers Accepted, Refused or None")
    _sent(provider, (), known)
    assert len(keys) == len(results)


def _step(provider: Any, items: Any, step: Any) -> None:
    ports = provider.ports_of(items[1])
    then = step
    if type(step) is Do:
        if type(step.effects) is not tuple or len(step.effects) > EFFECTS_MAX:
            raise ContractError(f"effects must be a tuple of at most {EFFECTS_MAX}")
        for effect in step.effects:
            if type(effect) not in _EFFECTS:
                raise ContractError(f"{_kind(effect)} is not an effect")
        then = step.then
    if type(then) is Go:
        if then.port not in ports:
            raise ContractError(f"{then.port!r} is not one of its ports")
    elif type(then) is Wait:
        if then.until is None and not then.events:
            raise ContractError("waits for nothing")
        if then.until is not None and then.until.tzinfo is None:
            raise ContractError("waits until an instant without a time zone")
    elif type(then) is End:
        if ports:
            raise ContractError("ends the run although it has ports")
    else:
        raise ContractError(f"returned {_kind(then)} where Go, Wait, End or Do is due")


def _ports(_provider: Any, _config: Any, ports: Any) -> None:
    if type(ports) is not tuple or len(ports) > PORTS_MAX:
        raise ContractError(f"ports must be a tuple of at most {PORTS_MAX}")
    for port in ports:
        _text(port, "a port", PORT_CHARS_MAX)
    if len(set(ports)) < len(ports) or "" in ports:
        raise ContractError("ports must be distinct names")


def _waits(_provider: Any, _config: Any, waits: Any) -> None:
    if type(waits) is not bool:
        raise ContractError(f"returned {_kind(waits)} where True or False is due")


def _messages(_provider: Any, _config: Any, messages: Any) -> None:
    if type(messages) is not tuple or len(messages) > EFFECTS_MAX:
        raise ContractError(f"messages must be a tuple of at most {EFFECTS_MAX}")
    for message in messages:
        if type(message) is not PlanOutreach:
            raise ContractError(f"returned {_kind(message)} where a PlanOutreach is due")


def _nothing(_provider: Any, _items: Any, result: Any) -> None:
    if result is not None:
        raise ContractError(f"returned {_kind(result)} where nothing is due")


def _outcomes(_provider: Any, _items: Any, outcomes: Sequence[Any]) -> None:
    for outcome in outcomes:
        if type(outcome) is not CallOutcome:
            raise ContractError(f"returned {_kind(outcome)} where a CallOutcome is due")
        for text, what in ((outcome.key, "a key"), (outcome.outcome_id, "an outcome_id")):
            _text(text, what, OUTCOME_ID_CHARS_MAX)
            if not text:
                raise ContractError(f"{what} is empty")
        _text(outcome.note, "a note", NOTE_CHARS_MAX)
        _discussed(outcome.discussed)
        if type(outcome.result) is not CallResult:
            raise ContractError(f"a result is {_kind(outcome.result)}, not CallResult")
        _instant(outcome.at, "at")
        if outcome.call_back_at is not None or outcome.result == CallResult.CALL_BACK:
            _instant(outcome.call_back_at, "call_back_at")
        if outcome.promise is not None or outcome.result == CallResult.PROMISE:
            _promise(outcome.promise)


def _discussed(numbers: Any) -> None:
    if not isinstance(numbers, tuple) or len(numbers) > DISCUSSED_MAX:
        raise ContractError(f"discussed must be a tuple of at most {DISCUSSED_MAX} case numbers")
    for number in numbers:
        _text(number, "a discussed case number", OUTCOME_ID_CHARS_MAX)


def _instant(value: Any, what: str) -> None:
    if not isinstance(value, datetime):
        raise ContractError(f"{what} is {_kind(value)}, not datetime")
    if value.utcoffset() is None:
        raise ContractError(f"{what} has no time zone")


def _promise(promise: Any) -> None:
    if type(promise) is not Promise:
        raise ContractError(f"a promise is {_kind(promise)}, not Promise")
    if type(promise.amount_minor) is not int or not 0 < promise.amount_minor <= AMOUNT_MINOR_MAX:
        raise ContractError("the amount of a promise must be a whole number of minor units")
    _text(promise.currency, "a currency", 3)
    if type(promise.on) is not date:
        raise ContractError("a promise needs a day")


def _money(value: Any, what: str) -> None:
    if type(value) is not Money:
        raise ContractError(f"{what} is {type(value).__name__}, not Money")
    if type(value.minor) is not int or not 0 <= value.minor <= COST_MINOR_MAX:
        raise ContractError(f"{what} must be whole minor units from 0 to {COST_MINOR_MAX}")
    if type(value.currency) is not str or not known_currency(value.currency):
        raise ContractError(f"{what} has no currency of ISO 4217")


def _contact(contact: Any) -> None:
    if type(contact) is not enricher.FoundContact:
        raise ContractError(f"contacts hold {type(contact).__name__}")
    if contact.kind not in _CONTACT_KINDS:
        raise ContractError(f"the kind of a contact must be one of {', '.join(_CONTACT_KINDS)}")
    if contact.kind == "ADDRESS":
        if type(contact.value) is not enricher.PostalAddress:
            raise ContractError("the value of an ADDRESS must be a PostalAddress")
        for name in enricher.PostalAddress.__slots__:
            _text(getattr(contact.value, name), f"the {name} of an address", TRACE_CHARS_MAX)
    else:
        _text(contact.value, "the value of a contact", TRACE_CHARS_MAX)
    _number(contact.confidence, "a confidence", 0, 1)
    _text(contact.source, "the source of a contact", TRACE_CHARS_MAX)


def _traced(_provider: Any, _items: Any, results: Sequence[Any]) -> None:
    for result in results:
        if type(result) is enricher.Found:
            if type(result.contacts) is not tuple or len(result.contacts) > TRACED_CONTACTS_MAX:
                raise ContractError(f"contacts must be a tuple of at most {TRACED_CONTACTS_MAX}")
            for contact in result.contacts:
                _contact(contact)
            _money(result.cost, "a cost")
        elif type(result) is enricher.NotFound:
            _money(result.cost, "a cost")
        elif type(result) is enricher.Pending:
            _pending(result)
        elif type(result) is enricher.Refused:
            _text(result.why, "a reason", TRACE_WHY_CHARS_MAX)
            if result.cost is not None:
                _money(result.cost, "a cost")
        else:
            raise ContractError(f"returned {type(result).__name__} where a result is due")


def _pending(result: enricher.Pending) -> None:
    _text(result.reference, "a reference", TRACE_CHARS_MAX)
    if not result.reference:
        raise ContractError("a reference is empty")
    if type(result.ask_after) is not timedelta:
        raise ContractError("ask_after must be a timedelta")
    if not timedelta() <= result.ask_after <= ASK_AFTER_MAX:
        raise ContractError(f"ask_after must lie between 0 and {ASK_AFTER_MAX.days} days")


def _traces_known(provider: Any, items: Any, results: Sequence[Any]) -> None:
    _traced(provider, items, [result for result in results if result is not None])


def _quoted(_provider: Any, _items: Any, results: Sequence[Any]) -> None:
    for result in results:
        _money(result, "a quote")


KEYS = Method(size=len, expects=len, check=_keys)
SCORE = Method(
    size=lambda batch: len(batch.incoming), expects=lambda batch: len(batch.pairs), check=_scores
)
SEND = Method(size=len, expects=len, check=_sent)
LOOKUP = Method(size=len, expects=len, check=_looked_up)
WITHDRAW = Method(size=len, expects=None, check=_nothing)
CALL_WEBHOOK = Method(
    size=lambda _request: 1, expects=None, check=_outcomes, most=WEBHOOK_ITEMS_MAX, inbound=True
)
COLLECT = Method(size=lambda _since: 1, expects=None, check=_outcomes, most=COLLECT_ITEMS_MAX)
PORTS = Method(size=lambda _config: 1, expects=None, check=_ports)
WAITS = Method(size=lambda _config: 1, expects=None, check=_waits)
MESSAGES = Method(size=lambda _config: 1, expects=None, check=_messages)
RUN = Method(size=lambda _items: 1, expects=None, check=_step, spread=True)
QUOTE = Method(size=len, expects=len, check=_quoted)
TRACE = Method(size=len, expects=len, check=_traced)
POLL = Method(size=len, expects=len, check=_traced)
TRACE_LOOKUP = Method(size=len, expects=len, check=_traces_known)
