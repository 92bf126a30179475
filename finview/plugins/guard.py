"""The only place that calls foreign code: deadline, breaker, translation, validation."""

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr

from finview.db import jobs
from finview.errors import PluginMisconfigured
from finview.plugins.contracts.provider import Provider
from finview.plugins.discovery import WHY_CHARS_MAX
from finview.plugins.errors import (
    BadSignature,
    Misconfigured,
    ProviderBusy,
    ProviderFailed,
    ProviderMisconfigured,
    ProviderPaused,
    ProviderSaid,
    ProviderTimeout,
    Rejected,
    RetryLater,
)
from finview.plugins.pool import BUSY, LATE, Outcome, pool_of
from finview.plugins.slots import SLOTS, Mode, Slot
from finview.plugins.validation import ContractError, Method, aligned, gathered

T = TypeVar("T")

log = logging.getLogger(__name__)

FAILURES_TO_OPEN = 5
PAUSE_S_FIRST = 30.0
PAUSE_S_MAX = 900.0
SECRET_CHARS_MIN = 4
AFTER_S_MAX = 7 * 86_400

# `check` belongs to every slot and carries no items.
CHECK_DEADLINE_S = 10.0
_CHECK = Method(size=lambda _items: 0, expects=None, check=lambda _p, _items, _result: None)


class Breaker:
    """Opens after five failures in a row; pauses 30 s, doubling to 15 min; then one trial call."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = Lock()
        self._failures = 0
        self._pause_s = 0.0
        self._until = 0.0
        self._trial = False

    def pause_left_s(self) -> float:
        """Return 0 when a call may be made, else the seconds to wait; takes the trial call."""
        if not self._pause_s:
            return 0.0
        with self._lock:
            left = self._until - self._now()
            if left > 0:
                return left
            if self._trial:
                return 1.0
            self._trial = True
            return 0.0

    def succeeded(self) -> None:
        """Close it."""
        if self._failures or self._pause_s:
            with self._lock:
                self._failures, self._pause_s, self._trial = 0, 0.0, False

    def failed(self) -> None:
        """Count a failure; open it, or open it for longer after a failed trial."""
        with self._lock:
            self._failures += 1
            if self._trial or (self._failures >= FAILURES_TO_OPEN and not self._pause_s):
                self._pause_s = min(max(self._pause_s * 2, PAUSE_S_FIRST), PAUSE_S_MAX)
                self._until = self._now() + self._pause_s
            self._trial = False

    def settled(self) -> None:
        """Note a call that says nothing about the provider's health."""
        with self._lock:
            self._trial = False

    @property
    def state(self) -> str:
        """Return CLOSED, OPEN or TRIAL, for people."""
        if not self._pause_s:
            return "CLOSED"
        return "OPEN" if self._until > self._now() else "TRIAL"


@dataclass(slots=True)
class Line:
    """What the guard keeps about one provider instance."""

    slot: Slot
    distribution: str
    secrets: tuple[str, ...] = ()
    breaker: Breaker = field(default_factory=Breaker)
    calls: int = 0
    failures: int = 0
    seconds: float = 0.0

    def scrubbed(self, text: str) -> str:
        """Return `text` without the provider's secrets, cut to a readable length."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def attach(provider: Provider[Any], slot: Slot, distribution: str) -> Line:
    """Make the guard's record of an instance; the registry does so when it makes one."""
    settings = getattr(provider, "settings", None)
    line = Line(slot=slot, distribution=distribution, secrets=_secrets(settings))
    provider.__dict__["_finview_line"] = line
    return line


def line_of(provider: Provider[Any]) -> Line:
    """Return the guard's record of an instance, made on first use for one nobody attached."""
    line: Line | None = provider.__dict__.get("_finview_line")
    if line is not None:
        return line
    slot = next(slot for slot in SLOTS.values() if isinstance(provider, slot.base))
    return attach(provider, slot, type(provider).__module__.partition(".")[0])


def attempt(run: Callable[[], Any]) -> Outcome:
    """Run foreign code and return what it came to, whatever it raises but KeyboardInterrupt."""
    try:
        return Outcome(result=run())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # the guard is one of the four edges
        return Outcome(error=error)


def construct(
    cls: type[Provider[Any]],
    slot: Slot,
    distribution: str,
    make: Callable[[], Provider[Any]],
    settings: BaseModel | None = None,
) -> Provider[Any]:
    """Return a new instance of foreign code, attached; raise as `call` does."""
    provider: Provider[Any] = inline(cls, slot, distribution, "__init__", make, settings)
    attach(provider, slot, distribution)
    return provider


def inline(
    cls: type[Provider[Any]],
    slot: Slot,
    distribution: str,
    what: str,
    run: Callable[[], T],
    settings: BaseModel | None = None,
) -> T:
    """Run foreign code of a class in this thread and return its result; raise as `call` does.

    `PluginMisconfigured` passes through: it is our own word about the settings.
    """
    outcome = attempt(run)
    if outcome.error is None:
        result: T = outcome.result
        return result
    if isinstance(outcome.error, PluginMisconfigured):
        raise outcome.error
    line = Line(slot=slot, distribution=distribution, secrets=_secrets(settings))
    raise _translated(cls, line, what, outcome.error, 0)


def call(
    provider: Provider[Any], method: str, items: Any = None, deadline_s: float | None = None
) -> Any:
    """Call `method` of a provider with `items` and return its validated result.

    A list result has one entry for each item; empty items give an empty list without a call. No
    session may be open during a pooled call. Raises `RetryLater`, `Rejected`, `Misconfigured` and
    `BadSignature` as the provider did, `ProviderTimeout` (outcome unknown), `ProviderBusy` and `ProviderPaused`
    (surely not called) and `ProviderFailed` for everything else.
    """
    line = line_of(provider)
    rules = line.slot.methods.get(method, _CHECK) if method != "check" else _CHECK
    size = rules.size(items)
    if size > line.slot.batch:
        raise ValueError(f"{line.slot.name} takes {line.slot.batch} items a call, not {size}")
    expected = None if rules.expects is None else rules.expects(items)
    if expected == 0:
        return []
    run = partial(_run, provider, method, items, rules, expected)
    breaker = Breaker() if rules.inbound else line.breaker
    started = time.perf_counter()
    if line.slot.mode is Mode.POOL:
        left = breaker.pause_left_s()
        if left > 0:
            raise ProviderPaused(provider.name, line.distribution, seconds=max(1, round(left)))
        limit = _deadline(provider, method, deadline_s)
        outcome = pool_of(type(provider)).run(partial(attempt, run), limit)
    else:
        limit = 0.0
        outcome = attempt(run)
    line.calls += 1
    line.seconds += time.perf_counter() - started
    if outcome.error is None:
        breaker.succeeded()
        log.debug("%s.%s %d items ok", provider.name, method, size)
        return outcome.result
    raise _translated(provider, line, method, outcome.error, limit, breaker)


def _deadline(provider: Provider[Any], method: str, wanted: float | None) -> float:
    if wanted is not None:
        return wanted
    return CHECK_DEADLINE_S if method == "check" else float(provider.deadline_s)


def _run(
    provider: Provider[Any], method: str, items: Any, rules: Method, expected: int | None
) -> Any:
    function = getattr(provider, method)
    if rules is _CHECK:
        return function()
    result = function(*items) if rules.spread else function(items)
    if expected is not None:
        result = aligned(result, expected)
    elif rules.most is not None:
        result = gathered(result, rules.most)
    rules.check(provider, items, result)
    return result


def _translated(
    provider: Provider[Any] | type[Provider[Any]],
    line: Line,
    method: str,
    error: BaseException,
    limit: float,
    breaker: Breaker | None = None,
) -> BaseException:
    """Return what the core shall see; built anew, so that no secret rides along in a context."""
    name, distribution = provider.name, line.distribution
    breaker = breaker or line.breaker
    if isinstance(error, KeyboardInterrupt):
        return error
    if isinstance(error, (jobs.RetryLater, jobs.Rejected, jobs.Misconfigured)):
        breaker.settled()
        return _asked(provider, line, error)
    if isinstance(error, BadSignature):
        breaker.settled()
        return BadSignature()
    if error is BUSY:
        breaker.settled()
        return ProviderBusy(name, distribution)
    line.failures += 1
    breaker.failed()
    if error is LATE:
        log.warning("%s.%s gave no answer within %s s", name, method, limit)
        return ProviderTimeout(name, distribution, seconds=max(1, round(limit)))
    failed = ProviderFailed(name, distribution, _why(line, _said(error)))
    if not isinstance(error, ContractError):
        failed.add_note(line.scrubbed("".join(traceback.format_exception(error))))
    log.warning("%s.%s failed: %s", name, method, failed.why)
    return failed


def _asked(
    provider: Provider[Any] | type[Provider[Any]],
    line: Line,
    error: jobs.RetryLater | jobs.Rejected | jobs.Misconfigured,
) -> BaseException:
    facts = {
        "provider": provider.name,
        "distribution": line.distribution,
        "why": _why(line, error.why),
    }
    if isinstance(error, jobs.RetryLater):
        after_s = _after_s(error.after_s)
        return RetryLater(ProviderSaid("PROVIDER_RETRY_LATER", seconds=after_s, **facts), after_s)
    if isinstance(error, jobs.Rejected):
        return Rejected(ProviderSaid("PROVIDER_REJECTED", **facts))
    return Misconfigured(ProviderMisconfigured("PROVIDER_MISCONFIGURED", **facts))


def _said(error: BaseException) -> str:
    if isinstance(error, ContractError):
        return str(error)
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  # foreign __str__; the guard is one of the four edges
        return type(error).__name__


def _why(line: Line, text: Any) -> str:
    return line.scrubbed(str(text))[:WHY_CHARS_MAX]


def _after_s(wanted: Any) -> int:
    return min(max(int(wanted), 1), AFTER_S_MAX) if isinstance(wanted, (int, float)) else 60


def _secrets(value: Any) -> tuple[str, ...]:
    found: list[str] = []
    if isinstance(value, SecretStr):
        found.append(value.get_secret_value())
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            found.extend(_secrets(getattr(value, name)))
    elif isinstance(value, Mapping):
        for item in value.values():
            found.extend(_secrets(item))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            found.extend(_secrets(item))
    return tuple(secret for secret in found if len(secret) >= SECRET_CHARS_MIN)
