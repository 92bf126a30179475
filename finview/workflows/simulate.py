"""What would happen to a case in the next days: the same steps on a clock of their own, no effects."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.lifecycle import zone
from finview.cases.models import Case
from finview.cases.statement import Balance, balances
from finview.communications.outreach import views_of
from finview.communications.policy import ContactOutcome, Verdict
from finview.enrichment.due import terms_for
from finview.errors import FinviewError, Invalid
from finview.i18n import N_, sentences
from finview.money import parse_minor
from finview.plugins.contracts.call_centre import CallResult
from finview.plugins.contracts.node import (
    CloseCase,
    EventView,
    PlanOutreach,
    PostCharges,
    Trace,
    Withdraw,
)
from finview.plugins.manager import Plugins
from finview.workflows.checks import problems
from finview.workflows.decide import Command, Decision, RunState, decide, wanted
from finview.workflows.definitions import versions_of
from finview.workflows.effects import refused
from finview.workflows.events import (
    CALL_OUTCOME,
    ENRICHMENT,
    EVENTS,
    HOLD,
    PAYMENT,
    RELEASED,
    RESUMED,
    TIMER,
)
from finview.workflows.graph import read
from finview.workflows.imagined import Due, World, is_over
from finview.workflows.models import Run, RunStatus, Workflow, WorkflowKind, WorkflowVersion
from finview.workflows.runs import OPEN, RESTING, runner, state_of
from finview.workflows.views import Needs, needs_of, view_of

CODES = sentences(
    {
        "SIMULATE_DAYS": N_("A simulation covers 1 to {max} days."),
        "SIMULATE_DAY": N_("This day lies outside the simulation."),
        "SIMULATE_EVENT": N_("There is no event {name}; there are: {names}."),
        "SIMULATE_EVENTS": N_("At most {max} events can be assumed."),
        "SIMULATE_AMOUNT": N_("A payment needs an amount above zero."),
        "SIMULATE_RESULT": N_("The result of a call is one of: {names}."),
        "SIMULATE_NO_CALL": N_("On day {day} no call waits for a result; the assumption is lost."),
        "SIMULATE_STEPS": N_("The simulation ended after {max} steps."),
        "SIMULATE_WAITS": N_("At node {node} a contact waits without a known end: {reasons}."),
        "SIMULATE_RESTS": N_("The workflow rests now; nothing happens before it goes on."),
        "SIMULATE_INCIDENT": N_("At node {node} the workflow needs a person: {why}."),
    }
)

INVALID = "INVALID"
"""The state of a simulation whose draft has faults: its warnings tell them."""

DAYS_MAX = 365
STEPS_MAX = 500
EVENTS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """One thing that is assumed to happen, so many days from now."""

    on_day: int
    event: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStep:
    """One step that would be taken; a contact shows what the contact policy said when it was planned.

    `amount` is what a contact asks for, or what is charged; minor units.
    """

    at: datetime
    node: str
    outcome: str
    channel: str | None = None
    template: str | None = None
    gate: ContactOutcome | None = None
    reasons: tuple[str, ...] = ()
    minor: int | None = None


class Warned(FinviewError):
    """Something a simulation has to say of itself."""

    code = "INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What would happen, where the run would stand then, what would be owed, and what to know."""

    steps: tuple[SimulatedStep, ...]
    state: str
    balance: Balance
    warnings: tuple[FinviewError, ...] = ()


def simulate(
    session: Session,
    plugins: Plugins,
    case: Case,
    workflow_id: int,
    *,
    days: int = 60,
    assume: Sequence[Assumed] = (),
) -> Simulation:
    """Return what a workflow would do to a case in the next days; nothing is written.

    The draft is tried if there is one, else the published version; an open run of the case in it
    goes on from where it stands. Nobody answers and nobody pays but by what is assumed. Calls of
    other cases count for the contact policy as they are now. Raises `Invalid` (SIMULATE_…).
    """
    _check(days, assume, case)
    versions = versions_of(session, [workflow_id])[workflow_id]
    if versions.draft is not None:
        kind = WorkflowKind(session.get_one(Workflow, workflow_id).kind)
        if faults := problems(versions.draft.graph, kind, plugins):
            today = clock.today(zone(session, case))
            owed = balances(session, [case.id], today)[case.id]
            return Simulation(steps=(), state=INVALID, balance=owed, warnings=tuple(faults))
    run = _open_run(session, case, workflow_id) if versions.draft is None else None
    version = session.get_one(WorkflowVersion, run.version_id) if run else versions.checked
    return _Simulator(session, plugins, case, version, run).go(days, assume)


def _open_run(session: Session, case: Case, workflow_id: int) -> Run | None:
    return session.scalars(
        select(Run)
        .join(WorkflowVersion, WorkflowVersion.id == Run.version_id)
        .where(
            Run.case_id == case.id, Run.status.in_(OPEN), WorkflowVersion.workflow_id == workflow_id
        )
    ).one_or_none()


def _check(days: int, assume: Sequence[Assumed], case: Case) -> None:
    if not 1 <= days <= DAYS_MAX:
        raise Invalid("SIMULATE_DAYS", path=("input", "days"), max=DAYS_MAX)
    if len(assume) > EVENTS_MAX:
        raise Invalid("SIMULATE_EVENTS", path=("input", "assume"), max=EVENTS_MAX)
    for n, one in enumerate(assume):
        path = ("input", "assume", str(n))
        if one.event not in EVENTS:
            names = {"name": one.event, "names": list(EVENTS)}
            raise Invalid("SIMULATE_EVENT", path=(*path, "event"), **names)
        if not 0 <= one.on_day <= days:
            raise Invalid("SIMULATE_DAY", path=(*path, "onDay"))
        if one.event == PAYMENT and _amount(one, case.currency) <= 0:
            raise Invalid("SIMULATE_AMOUNT", path=(*path, "payload"))
        if one.event == CALL_OUTCOME and one.payload.get("result") not in list(CallResult):
            raise Invalid("SIMULATE_RESULT", path=(*path, "payload"), names=list(CallResult))


def _amount(one: Assumed, currency: str) -> int:
    given = one.payload.get("amount")
    given = given.get("amount") if isinstance(given, dict) else given
    try:
        return parse_minor(str(given), currency)
    except (FinviewError, ValueError):
        return 0


class _Simulator:
    """One simulation under way."""

    def __init__(
        self,
        session: Session,
        plugins: Plugins,
        case: Case,
        version: WorkflowVersion,
        run: Run | None,
    ) -> None:
        self.graph = read(version.graph)
        needs = Needs(settings=True, facts=needs_of(self.graph).facts)
        self.world = World(session, case, view_of(session, case, run, needs))
        self.session, self.case, self.run = session, case, run
        self.runner = runner(plugins)
        self.state = state_of(run) if run is not None else RunState()
        self.steps: list[SimulatedStep] = []
        self.warnings: list[FinviewError] = []
        self.token = 0
        self.resting = run is not None and run.status in RESTING
        self.missed: list[EventView] = []

    def go(self, days: int, assume: Sequence[Assumed]) -> Simulation:
        """Run until nothing happens any more, or the time is over."""
        begun = self.world.now
        if is_over(self.case):
            return self._result("CLOSED")
        if self.resting or (self.run is not None and self.run.status == RunStatus.INCIDENT):
            self.warnings.append(Warned("SIMULATE_RESTS"))
        for one in assume:
            self._assume(one, begun + timedelta(days=one.on_day), begun)
        self._begin()
        end = begun + timedelta(days=days)
        while not self._over():
            due = self.world.next(end)
            if due is None:
                break
            self._happen(due)
        self.world.now = max(self.world.now, end)
        return self._result(self._state())

    def _over(self) -> bool:
        if len(self.steps) >= STEPS_MAX:
            self.warnings.append(Warned("SIMULATE_STEPS", max=STEPS_MAX))
            return True
        return self.world.closed

    def _begin(self) -> None:
        run = self.run
        if run is None:
            self._hear(None)
            return
        if run.node_id is not None:
            visit = run.visits.get(run.node_id, 1)
            planned = views_of(self.session, run.id, run.node_id, visit)
            self.world.begin([(run.node_id, visit, view) for view in planned])
        if not self.resting:
            self._arm()
            self._hear(None)

    def _assume(self, one: Assumed, at: datetime, begun: datetime) -> None:
        payload = dict(one.payload)
        if one.event == PAYMENT:
            payload["minor"] = _amount(one, self.case.currency)
        payload["day"] = (at - begun).days
        event = EventView(type=one.event, at=at, payload=payload)
        self.world.at(Due(at=at, event=event, assumed=True))

    def _happen(self, due: Due) -> None:
        if due.contact is not None:
            if due.contact.view.state == "PLANNED":
                self._waits(due.contact.node, self.world.send(due.contact))
            elif due.contact.view.state == "ACCEPTED":
                self.world.silent(due.contact)
            return
        event = due.event
        if event is None or (due.token is not None and due.token != self.token):
            return
        if due.assumed and not self._assumed(event):
            return
        if self.resting:
            if event.type in self.state.events:
                self.missed.append(event)
            return
        node = event.payload.get("node_id")
        here = self.state.node, self.state.visits.get(self.state.node or "", 1)
        if node is None or (node, event.payload.get("visit")) == here:
            self._hear(event)

    def _assumed(self, event: EventView) -> bool:
        """Let an assumption come true; return whether the run is to hear of it as it is."""
        if event.type == PAYMENT:
            self.world.pay(event.payload["minor"])
            return not self.world.closed
        if event.type == CALL_OUTCOME:
            call = self.world.open_call()
            if call is None:
                self.warnings.append(Warned("SIMULATE_NO_CALL", day=event.payload["day"]))
            else:
                until = event.payload.get("until")
                zoned = datetime.fromisoformat(until) if until else None
                self.world.answer(call, event.payload["result"], until=zoned)
            return False
        if event.type == HOLD:
            self.resting = True
            self.world.withdraw()
        elif event.type == RELEASED and self.resting:
            self.resting = False
            self._hear(EventView(type=RESUMED, at=event.at))
            if self.state.until is not None and self.state.until <= self.world.now:
                self._hear(EventView(type=TIMER, at=self.state.until))
            for missed in self.missed:
                self._hear(missed)
            self.missed.clear()
        return True

    def _hear(self, event: EventView | None) -> None:
        """Take the steps that follow from an event."""
        over = self.state.ended or self.state.incident is not None
        if over or not wanted(self.state, event, self.world.now):
            return
        node = self.state.node
        visit = self.state.visits.get(node, 1) if node else 1
        decision = decide(
            self.graph, self.state, self.world.view(node, visit), event, run=self.runner
        )
        self.state = decision.state
        told = self._carry_out(decision)
        shown = [
            replace(
                told.get((step.node, step.visit), _PLAIN) if step.outcome != "end" else _PLAIN,
                at=self.world.now,
                node=step.node,
                outcome=step.outcome,
            )
            for step in decision.steps
        ]
        self.steps += shown
        if decision.state.incident:
            why = {"node": decision.state.node or "", "why": decision.state.incident}
            self.warnings.append(Warned("SIMULATE_INCIDENT", **why))
        self._arm()

    def _arm(self) -> None:
        self.token += 1
        if self.state.until is not None and not self.state.ended:
            event = EventView(type=TIMER, at=self.state.until)
            at = max(self.state.until, self.world.now)
            self.world.at(Due(at=at, event=event, token=self.token))

    def _carry_out(self, decision: Decision) -> dict[tuple[str, int], SimulatedStep]:
        """Do as if the effects were carried out; return what the steps are to tell of them."""
        told: dict[tuple[str, int], SimulatedStep] = {}
        for command in decision.commands:
            if why := refused(command.effect):
                self.state = replace(
                    self.state, node=command.node, incident="EFFECT_REFUSED", why=why, until=None
                )
                self.warnings.append(
                    Warned("SIMULATE_INCIDENT", node=command.node, why="EFFECT_REFUSED")
                )
                break
            step = self._effect(command)
            if step is not None:
                told[command.node, command.visit] = step
        return told

    def _effect(self, command: Command) -> SimulatedStep | None:
        effect, world = command.effect, self.world
        if isinstance(effect, PlanOutreach):
            _, said = world.plan(command.node, command.visit, effect)
            self._waits(command.node, said)
            return replace(
                _PLAIN,
                channel=effect.channel,
                template=effect.template,
                gate=said.outcome,
                reasons=said.reasons,
                minor=world.balance().open.minor,
            )
        if isinstance(effect, PostCharges):
            return replace(_PLAIN, minor=world.charge())
        if isinstance(effect, Withdraw):
            world.withdraw()
        elif isinstance(effect, CloseCase):
            world.closed = True
        elif isinstance(effect, Trace):
            self._trace()
        return None

    def _waits(self, node: str, said: Verdict) -> None:
        if said.outcome == ContactOutcome.DELAY and said.send_at is None:
            reasons = {"node": node, "reasons": list(said.reasons)}
            self.warnings.append(Warned("SIMULATE_WAITS", **reasons))

    def _trace(self) -> None:
        """Let a search find nothing, on the day the settings say, unless it may not be made."""
        terms = terms_for(self.session, self.case)
        against = terms.against(self.case.status, 1)
        at = max(self.world.now, terms.due(self.case.opened_at)) if against is None else None
        payload = {"state": against or "NO_HIT"}
        at = at or self.world.now
        self.world.at(Due(at=at, event=EventView(type=ENRICHMENT, at=at, payload=payload)))

    def _state(self) -> str:
        if self.world.closed:
            return "CLOSED"
        if self.state.incident:
            return RunStatus.INCIDENT.value
        if self.state.ended:
            return RunStatus.DONE.value
        return RunStatus.SUSPENDED.value if self.resting else RunStatus.WAITING.value

    def _result(self, state: str) -> Simulation:
        return Simulation(
            steps=tuple(self.steps),
            state=state,
            balance=self.world.balance(),
            warnings=tuple(self.warnings),
        )


_PLAIN = SimulatedStep(at=clock.EPOCH, node="", outcome="")
