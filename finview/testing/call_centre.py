"""A call centre that tests steer: it remembers what it was asked, and says what it is told to say."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import ModuleType
from typing import Any

import orjson
from sqlalchemy import select

from finview import clock
from finview.app import BUILTINS
from finview.cases.models import Case, PhonePoint, PointState
from finview.communications.facts import phone_of
from finview.communications.models import Channel
from finview.communications.outreach import plan
from finview.db.cascade import SYSTEM
from finview.db.runtime import Services
from finview.plugins.bindings import bind
from finview.plugins.contracts.call_centre import (
    SAME_KEY,
    Accepted,
    CallCentre,
    CallOutcome,
    CallRequest,
    CallResult,
    Promise,
    Refused,
    Resend,
    SendResult,
    WebhookRequest,
)
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.errors import BadSignature
from finview.plugins.hookspecs import hookimpl
from finview.plugins.manager import Plugins
from finview.plugins.webhooks import path_of

RUN = -1
NUMBER = "+493023125000"
SIGNED = {"x-signature": "genuine"}


@dataclass(slots=True, kw_only=True)
class Centre:
    """The world behind the fake: `pushed` is every request in order, `rang` each key once.

    `answer` decides on a request, `before_answer` runs when it is known but not answered yet;
    `collected` is what it tells when asked.
    """

    pushed: list[CallRequest] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    rang: dict[str, CallRequest] = field(default_factory=dict)
    collected: list[CallOutcome] = field(default_factory=list)
    answer: Callable[[CallRequest], SendResult] = lambda call: Accepted(reference=f"ref-{call.key}")
    before_answer: Callable[[CallRequest], None] = lambda _call: None
    binding_id: int = 0
    path: str = ""

    def push(self, calls: Sequence[CallRequest]) -> list[SendResult]:
        """Take calls; one whose key is known is not made twice."""
        results = []
        for call in calls:
            self.pushed.append(call)
            result = self.answer(call)
            if isinstance(result, Accepted):
                self.rang.setdefault(call.key, call)
            self.before_answer(call)
            results.append(result)
        return results

    def lookup(self, keys: Sequence[str]) -> list[Accepted | Refused | None]:
        """Tell which calls it knows."""
        return [Accepted(reference=f"ref-{key}") if key in self.rang else None for key in keys]

    @property
    def key(self) -> str:
        """Return the key of the newest request."""
        return self.pushed[-1].key


def outcome(
    key: str, result: str = "REACHED", outcome_id: str = "o1", **changes: Any
) -> CallOutcome:
    """Return an outcome with what its result needs."""
    whole: dict[str, Any] = {"at": clock.now(), **changes}
    if result == "CALL_BACK":
        whole.setdefault("call_back_at", clock.now())
    if result == "PROMISE":
        day = date(2026, 11, 20)
        whole.setdefault("promise", Promise(amount_minor=5_000, currency="EUR", on=day))
    return CallOutcome(key=key, outcome_id=outcome_id, result=CallResult(result), **whole)


def told(*outcomes: CallOutcome) -> bytes:
    """Return the body of a webhook of the fake."""
    return orjson.dumps(outcomes)


def fake_centre(services: Services, resend: Resend = SAME_KEY, *, collects: bool = False) -> Centre:
    """Bind a new call centre called `fake` everywhere and return the world behind it."""
    centre = Centre()

    class Fake(CallCentre[NoSettings]):
        name = "fake"
        title = "Fake"

        def push(self, calls: Sequence[CallRequest]) -> Sequence[SendResult]:
            return centre.push(calls)

        def withdraw(self, keys: Sequence[str]) -> None:
            centre.withdrawn.extend(keys)

        def lookup(self, keys: Sequence[str]) -> Sequence[Accepted | Refused | None]:
            return centre.lookup(keys)

        def parse_webhook(self, request: WebhookRequest) -> Iterable[CallOutcome]:
            if request.headers.get("x-signature") != SIGNED["x-signature"]:
                raise BadSignature
            return [_read(one) for one in orjson.loads(request.body)]

    def collect(_self: Any, since: datetime) -> Iterable[CallOutcome]:
        return [one for one in centre.collected if one.at >= since]

    Fake.resend = resend
    if collects:
        Fake.collect = collect  # type: ignore[method-assign, assignment]  # not every centre is asked

    @hookimpl
    def finview_call_centres() -> list[type[CallCentre[Any]]]:
        return [Fake]

    module = ModuleType("fake_call_centre")
    module.finview_call_centres = finview_call_centres  # type: ignore[attr-defined]  # made here
    plugins = Plugins.load(services.settings, builtins=[*BUILTINS, module])
    services.put(plugins)
    with services.db.unit() as session:
        view = bind(session, plugins, SYSTEM, "call_centre", "fake", {}, by=None)
    centre.binding_id = view.id
    centre.path = path_of(plugins, view.id, "call_centre", "fake") or ""
    return centre


def give_number(services: Services) -> int:
    """Give the debtor of the first case a number, unless there is one; return the case's id."""
    with services.db.unit() as session:
        case = session.scalars(select(Case).order_by(Case.id).limit(1)).one()
        if phone_of(session, case.debtor_id) is None:
            session.add(
                PhonePoint(
                    debtor_id=case.debtor_id,
                    raw=NUMBER,
                    e164=NUMBER,
                    state=PointState.NOT_CONFIRMED,
                    source="test",
                    created_at=clock.now(),
                )
            )
        return case.id


def plan_call(services: Services, *, run_id: int = RUN, **params: Any) -> int:
    """Plan a call to the debtor of the first case, who has a number; return the id of the case."""
    case_id = give_number(services)
    with services.db.unit() as session:
        case = session.get_one(Case, case_id)
        plan(
            session,
            case,
            Channel.CALL,
            run_id=run_id,
            node="call",
            visit=1,
            template="call_task",
            params=params,
        )
    return case_id


def _read(one: dict[str, Any]) -> CallOutcome:
    promise = one["promise"]
    back = one["call_back_at"]
    return CallOutcome(
        key=one["key"],
        outcome_id=one["outcome_id"],
        result=CallResult(one["result"]),
        at=datetime.fromisoformat(one["at"]),
        call_back_at=datetime.fromisoformat(back) if back else None,
        promise=Promise(**{**promise, "on": date.fromisoformat(promise["on"])})
        if promise
        else None,
        note=one["note"],
    )
