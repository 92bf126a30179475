"""What the guard accepts as the result of each method of each slot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from finview.plugins.contracts.email import Accepted, Deferred, Email, Refused
from finview.plugins.contracts.matcher import Evidence, MatchBatch, MatchKey, Party, Score
from finview.plugins.contracts.node import (
    CloseCase,
    Do,
    Go,
    OpenTask,
    PlanOutreach,
    PostCharges,
    Record,
    Wait,
)

TEXT_CHARS_MAX = 64 * 1024
EVIDENCE_MAX = 30
GUARDS_MAX = 30
POINTS_MAX = 1e6
KEYS_PER_PARTY_MAX = 50
KEY_CHARS_MAX = 200
EFFECTS_MAX = 50
DEFER_S_MAX = 7 * 86_400

_EFFECTS = (PlanOutreach, PostCharges, OpenTask, CloseCase, Record)


class ContractError(Exception):
    """A result breaks the contract; the text says how, and never quotes personal data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How a guarded method is called and what it must return.

    `size` counts the items of a call (for the batch limit), `expects` the results, None when it is
    not a list. `spread` passes the items as separate arguments. `check(provider, items, result)`
    raises `ContractError`.
    """

    size: Callable[[Any], int]
    expects: Callable[[Any], int] | None
    check: Callable[[Any, Any, Any], None]
    spread: bool = False


def aligned(result: Any, expected: int) -> list[Any]:
    """Return a plugin's iterable as a list of exactly `expected` items, reading one more at most."""
    if isinstance(result, (str, bytes, Mapping)) or not hasattr(result, "__iter__"):
        raise ContractError(f"returned {_kind(result)} where a sequence is due")
    found = list(islice(result, expected + 1))
    if len(found) != expected:
        count = "more" if len(found) > expected else str(len(found))
        raise ContractError(f"returned {count} results for {expected} items")
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


def _step(provider: Any, _items: Any, step: Any) -> None:
    then = step
    if type(step) is Do:
        if type(step.effects) is not tuple or len(step.effects) > EFFECTS_MAX:
            raise ContractError(f"effects must be a tuple of at most {EFFECTS_MAX}")
        for effect in step.effects:
            if type(effect) not in _EFFECTS:
                raise ContractError(f"{_kind(effect)} is not an effect")
        then = step.then
    if type(then) is Go:
        if then.port not in provider.ports:
            raise ContractError(f"{then.port!r} is not one of its ports")
    elif type(then) is Wait:
        if then.until is None and not then.events:
            raise ContractError("waits for nothing")
        if then.until is not None and then.until.tzinfo is None:
            raise ContractError("waits until an instant without a time zone")
    else:
        raise ContractError(f"returned {_kind(then)} where Go, Wait or Do is due")


KEYS = Method(size=len, expects=len, check=_keys)
SCORE = Method(
    size=lambda batch: len(batch.incoming), expects=lambda batch: len(batch.pairs), check=_scores
)
SEND = Method(size=len, expects=len, check=_sent)
LOOKUP = Method(size=len, expects=len, check=_looked_up)
RUN = Method(size=lambda _items: 1, expects=None, check=_step, spread=True)
