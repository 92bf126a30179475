"""A walk in which every kind of job runs: what an agency does in two months, in a few requests."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from finview import clock
from finview.accounts.users import find_user
from finview.api.engine.ids import key_of
from finview.cases.models import Case
from finview.communications.models import Channel
from finview.communications.outreach import plan
from finview.customers.contacts import link_contact
from finview.customers.models import Customer
from finview.db.cascade import ScopeRef
from finview.db.jobs import enqueue
from finview.jobs import schedule
from finview.plugins.bindings import bind
from finview.plugins.contracts.call_centre import LOOKUP, CallRequest
from finview.plugins.manager import Plugins
from finview.testing.call_centre import SIGNED, Centre, fake_centre, outcome, told
from finview.testing.client import Client
from finview.testing.factories import Agency, Row, consumer, workbook
from finview.testing.months import GRAPH, KINDS, NO_MAIL
from finview.testing.story import Story
from finview.workflows import definitions
from finview.workflows.models import Workflow, WorkflowKind

MAILBOX = "ada@example.org"
BANK_HEADER = "Buchungstag;Wertstellung;Auftraggeber;Verwendungszweck;Betrag;Währung"
STATEMENT = """mutation($c: ID!, $f: Date!, $t: Date!) {
  clientStatementCreate(customerId: $c, from: $f, to: $t) {
    statement { id } errors { code message } } }"""
STOP = """mutation($s: ID) { outboundHoldCreate(scopeId: $s, reason: "x") {
  hold { id } errors { code message } } }"""
STOP_ENDS = "mutation($i: ID!) { outboundHoldEnd(id: $i) { errors { code message } } }"
FORGOTTEN = "mutation($e: String!) { passwordResetRequest(email: $e) { errors { code message } } }"


def _row(n: int, **changes: Any) -> Row:
    changes |= {"email": None} if n % KINDS == NO_MAIL else {}
    return consumer(n, phone=f"+49406696{n:04}", **changes)


@dataclass(slots=True)
class EveryKind:
    """One agency's walk; work is done by `agency.client.drain`, webhooks come by `tell`.

    `tracer_url` is where the sandbox of finview-trace-http answers, with the key `sandbox`.
    """

    agency: Agency
    folder: Path
    tracer_url: str
    times: int = 1
    """How often each webhook is told."""

    def walk(self) -> Centre:
        """Do all of it and return the call centre that was asked."""
        schedule.sync(self.agency.services.db, "Europe/Berlin")
        centre = fake_centre(self.agency.services, LOOKUP, collects=True)
        self._unsure_at_first(centre)
        workflow = self._set_up()
        story = self._launched()
        self._people()
        self._migrate(workflow)
        for _ in range(4):
            self.agency.later(days=1)
        self._calls(centre, story)
        self._stops(centre)
        self._by_hand()
        self._money(story)
        for days in (1, 5, 10):
            self.agency.later(days=days)
        return centre

    def _unsure_at_first(self, centre: Centre) -> None:
        """Let the answer to the first request be lost, though its call is made."""

        def lose(call: CallRequest) -> None:
            if len(centre.pushed) == 1:
                raise ConnectionResetError(call.key)

        centre.before_answer = lose

    def _set_up(self) -> int:
        agency = self.agency
        plugins = agency.services.get(Plugins)
        agency.set("enrichment", granted=True, enabled=True, intervalDays=3, attempts=1)
        agency.set("workflow", paymentPlanReminderDays=2, maxCallAttempts=2)
        agency.set("communication", linkedNotice=True, paidInFullMail=True)
        with agency.services.db.unit() as session:
            customer_id = key_of(agency.customer, "cus")
            settings = {"url": self.tracer_url, "api_key": "sandbox", "cost_per_attempt": "1.20"}
            here = ScopeRef("CUSTOMER", customer_id)
            bind(session, plugins, here, "enricher", "trace-http", settings, by=None)
            given: Any = {"kind": WorkflowKind.MAIN, "graph": GRAPH, "customer_id": customer_id}
            made = definitions.create(session, name="Every kind", by=None, **given)
            definitions.publish_draft(session, plugins, made, by=None)
            return made.id

    def _launched(self) -> Story:
        rows = [_row(n) for n in range(KINDS)]
        path = workbook(self.folder, [*rows, _row(KINDS, amount=None)])
        return Story.linked(self.agency, path).launch()

    def _people(self) -> None:
        """Invite a person, link the same one to another customer, forget a password."""
        client, services = self.agency.client, self.agency.services
        person: dict[str, Any] = {"firstName": "Ada", "lastName": "Roth", "email": MAILBOX}
        person |= {"isCommercial": True, "isOperational": False, "hasAccess": True}
        client.do("contactCreate", "contact { id }", customerId=self.agency.customer, **person)
        other = self.agency.with_customer("Wasserwerke")
        other.set("communication", linkedNotice=True)
        with services.db.unit() as session:
            customer = session.get_one(Customer, key_of(other.customer, "cus"))
            user = find_user(session, MAILBOX)
            assert user is not None
            link_contact(session, customer, user, is_commercial=True, is_operational=False, by=None)
        Client(services, None).ask(FORGOTTEN, e="operator@example.org")
        client.drain()

    def _migrate(self, workflow_id: int) -> None:
        services = self.agency.services
        with services.db.unit() as session:
            workflow = session.get_one(Workflow, workflow_id)
            before = definitions.versions_of(session, [workflow_id])[workflow_id].published
            definitions.revise(session, workflow, changes={"graph": GRAPH}, by=None)
            after = definitions.publish_draft(session, services.get(Plugins), workflow, by=None)
            assert before is not None
            args = {"from": before.id, "to": after.id, "nodes": {}, "dry_run": False}
            enqueue(session, "workflow.migrate", args)
        self.agency.client.drain()

    def _calls(self, centre: Centre, story: Story) -> None:
        """Tell one outcome, let one be collected, one taken back by money, others stay silent."""
        # Of the first, whose answer was lost, the centre is asked by its key.
        _, first, second, third = list(centre.rang)[:4]
        self.tell(centre, outcome(first, "NOT_REACHED", "n1"))
        with self.agency.services.db.reading():
            centre.collected = [outcome(second, "REACHED", "c1")]
        self.agency.later(minutes=20)
        number = centre.rang[third].case_number
        for case in story.cases("id number balance { open { amount } }"):
            if case["number"] == number:
                self._pay(case["id"], case["balance"]["open"]["amount"])
        self.agency.client.drain()

    def tell(self, centre: Centre, *outcomes: Any) -> None:
        """Post outcomes as the call centre does."""
        for _ in range(self.times):
            found = self.agency.client.http.post(
                centre.path, content=told(*outcomes), headers=SIGNED
            )
            assert found.status_code == 200

    def _stops(self, centre: Centre) -> None:
        """Stop everything of the customer for a day, and let one case rest."""
        client = self.agency.client
        stopped = client.ask(STOP, s=self.agency.customer)["outboundHoldCreate"]
        client.drain()
        cases = client.ask("{ cases { nodes { id status } } }")["cases"]["nodes"]
        case = next(one["id"] for one in cases if one["status"] == "ACTIVE")
        client.do("caseHold", "case { id }", caseId=case, reason="DEBT_ADVICE")
        self.agency.later(days=1)
        release = "mutation($c: ID!) { caseRelease(caseId: $c) { errors { code message } } }"
        assert client.ask(release, c=case)["caseRelease"]["errors"] == []
        assert client.ask(STOP_ENDS, i=stopped["hold"]["id"])["outboundHoldEnd"]["errors"] == []
        client.drain()
        assert centre.withdrawn

    def _by_hand(self) -> None:
        """Let people of the agency make the calls of another customer."""
        services = self.agency.services
        other = self.agency.with_customer("Gaswerke")
        with services.db.unit() as session:
            here = ScopeRef("CUSTOMER", key_of(other.customer, "cus"))
            plugins = services.get(Plugins)
            bind(session, plugins, here, "call_centre", "task-list", {}, by=None)
        path = workbook(self.folder, [_row(20)], name="other.xlsx")
        Story.linked(other, path).launch()
        with services.db.unit() as session:
            found = select(Case).where(Case.customer_id == key_of(other.customer, "cus"))
            case = session.scalars(found).one()
            given: Any = {"run_id": -case.id, "node": "by hand", "visit": 1}
            plan(session, case, Channel.CALL, template="call_task", **given)
        self.agency.client.drain()

    def _money(self, story: Story) -> None:
        """Import a bank statement and settle with the customer."""
        client, today = self.agency.client, self._day(timedelta())
        number = story.cases("number")[0]["number"]
        on = today[8:] + "." + today[5:7] + "." + today[:4]
        path = self.folder / "bank.csv"
        path.write_text(f"{BANK_HEADER}\n{on};{on};A B;{number};7,00;EUR")
        given = {"uploadId": client.upload(path), "businessUnitId": self.agency.unit}
        client.do("bankStatementImport", "job { id }", **given)
        client.drain()
        period = {"f": "2026-11-01", "t": self._day(-timedelta(days=1))}
        made = client.ask(STATEMENT, c=self.agency.customer, **period)["clientStatementCreate"]
        assert made["errors"] == []
        client.drain()

    def _pay(self, case: str, amount: str) -> None:
        self.agency.client.do(
            "paymentRecord",
            "case { id }",
            caseId=case,
            amount={"amount": amount, "currency": "EUR"},
            receivedOn=self._day(timedelta()),
            idempotencyKey=f"paid {case}",
        )

    def _day(self, later: timedelta) -> str:
        with self.agency.services.db.reading():
            return (clock.today("Europe/Berlin") + later).isoformat()
