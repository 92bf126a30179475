"""`finview demo`: a fresh agency, and the sample workbook through every step of an import."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock, files
from finview.accounts.access import Role, Viewer
from finview.accounts.tokens import create_token
from finview.accounts.users import create_user
from finview.api.engine.errors import camel
from finview.api.engine.ids import encode
from finview.cases.components import parse_financials
from finview.cases.debtors import create_debtors
from finview.cases.models import Case, CaseStatus
from finview.cli import demo_data, show
from finview.cli.cases import case_document, show_account
from finview.cli.demo_months import Partners, answering, partners, pass_by, show_months, told
from finview.cli.demo_months import set_up as arrange
from finview.cli.imports import show_counts
from finview.cli.jobs import warn_of_failed
from finview.cli.opening import acting, opened, read_settings
from finview.cli.steps import ImportSteps
from finview.customers import contacts, customers, portfolios, preferences, units
from finview.customers.models import Bucket, Customer, Portfolio
from finview.db import testclock
from finview.db.cascade import ScopeRef
from finview.db.runtime import Services
from finview.i18n import N_, sentence
from finview.imports import decide, edits
from finview.imports.models import ImportRow, MatchOutcome, Section
from finview.jobs.runner import drain
from finview.matching.models import MatchCandidate

BREATHING_DAYS = 14
EMAIL = "demo@example.org"
WORKBOOK = "consumer_de.xlsx"
OURS = ("finview.db", "finview.db-wal", "finview.db-shm", "files", "outbox", "secret.key")
SURE_ENOUGH = 60.0
"""The demo's operator takes a proposed debtor from this percentage on."""

BY_ITSELF = ("auto", "memory", "ignored")
LABELS = {
    "bytes": N_("bytes"),
    "columns": N_("columns"),
    "mapped": N_("mapped"),
    "ignored": N_("ignored"),
    "by_itself": N_("clear by themselves"),
    "confirmed": N_("confirmed"),
    "ready_before": N_("ready at first"),
    "amended": N_("rows amended"),
    "fixed_at_once": N_("fixed at once"),
    "left_out": N_("left out"),
    "ready": N_("ready now"),
    "needs_cleansing": N_("need cleansing"),
    "faulty": N_("faulty"),
    "skipped": N_("skipped"),
    "review_before": N_("in doubt at first"),
    "decided": N_("decided"),
    "new": N_("new"),
    "matched": N_("known"),
    "review": N_("in doubt"),
    "cases": N_("cases"),
    "launched": N_("launched"),
    "emails": N_("e-mails"),
}

SOURCES = {
    "SYSTEM": N_("System"),
    "BUSINESS_UNIT": N_("Business unit"),
    "CUSTOMER": N_("Customer"),
    "BUCKET": N_("Bucket"),
}


@dataclass(slots=True)
class Report:
    """What the demo did, step by step; printed as it happens, or as JSON at the end."""

    as_json: bool
    steps: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[dict[str, int]]:
        """Time one step; the block fills in its counts."""
        counts: dict[str, int] = {}
        if not self.as_json:
            show.heading(show.say(title))
        began = perf_counter()
        yield counts
        seconds = round(perf_counter() - began, 2)
        self.steps.append({"step": name, "counts": counts, "seconds": seconds})
        told = [f"{show.say(LABELS[name])} {n}" for name, n in counts.items()]
        self.tell(f"{' · '.join(told)}  ({seconds:.1f} s)")

    def tell(self, text: str) -> None:
        """Tell a person something."""
        if text and not self.as_json:
            show.line(f"  {text}")


@dataclass(frozen=True, slots=True)
class Agency:
    """What the demo set up."""

    customer: Customer
    portfolio: Portfolio
    bucket: Bucket


def run_demo(data: Path | None, *, port: int, serve_it: bool, days: int, as_json: bool) -> None:
    """Make the demo's data folder anew, import the sample workbook, and serve."""
    configured = read_settings()
    folder = fresh((data or configured.data_dir) / "demo")
    # Never the configured database: the demo begins by deleting its own.
    settings = read_settings(
        env="development",
        data_dir=folder,
        database_url=f"sqlite:///{(folder / 'finview.db').absolute()}",
        smtp_url="",
        base_url=f"http://127.0.0.1:{port}",
    )
    with opened(settings, role="demo") as services, partners() as beside:
        found = walk(services, Report(as_json), beside, port=port, days=days)
        if as_json:
            show.document(found)
        else:
            _say_goodbye(found, folder, serve_it=serve_it)
        if serve_it:
            from finview.cli.serving import log_to_stderr, serve

            log_to_stderr()
            with answering(beside, found["addresses"]["webhook"]):
                serve(services, host="127.0.0.1", port=port, with_worker=True)


def fresh(folder: Path) -> Path:
    """Empty the demo's folder of what an earlier demo left there, and of nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return folder


def walk(
    services: Services, report: Report, beside: Partners | None, *, port: int, days: int
) -> dict[str, Any]:
    """Set up an agency, import the workbook step by step, and return what happened."""
    viewer = acting(services)
    agency = set_up(services, viewer, report)
    with services.db.unit() as session:
        hook = arrange(session, services, agency.customer, beside)
    settings = _effective(services, agency, report)
    with show.progress() as on_progress:
        steps = ImportSteps(services, viewer, on_progress)
        _import(steps, agency, report)
    found: dict[str, Any] = {
        "steps": report.steps,
        "import": steps.summary(),
        "settings": settings,
    }
    found["case"] = _watch_a_case(services, steps, report)
    found["months"] = _months(services, beside, hook, days, report)
    found["failed_jobs"] = warn_of_failed(services)
    with services.db.unit() as session:
        user = create_user(
            session,
            email=EMAIL,
            name="Demo",
            role=Role.ADMIN,
            locale=show.locale(),
            by=viewer.user_id,
        )
        token = create_token(session, user, name="demo", by=viewer.user_id)
    base = f"http://127.0.0.1:{port}"
    return {
        **found,
        "addresses": {
            "graphql": f"{base}/graphql",
            "health": f"{base}/health",
            "ready": f"{base}/ready",
            "data": str(services.settings.data_dir.absolute()),
            "outbox": str(services.settings.outbox_dir.absolute()),
            "webhook": f"{base}{hook}",
        },
        "sign_in": {"email": EMAIL, "token": token},
        "ids": {
            "customer": encode("cus", agency.customer.id),
            "portfolio": encode("pf", agency.portfolio.id),
            "bucket": encode("bkt", agency.bucket.id),
            "import": encode("imp", steps.import_id),
        },
    }


def set_up(services: Services, viewer: Viewer, report: Report) -> Agency:
    """Create the business unit, the customer with all that belongs to it, and 300 debtors."""
    by = viewer.user_id
    with services.db.unit() as session:
        unit = units.create_unit(session, name="Hanse Inkasso", blocks=demo_data.UNIT, by=by)
        units.activate_unit(session, unit, by=by)
        customer = customers.create_customer(
            session,
            name="Stadtwerke Nordlicht GmbH",
            number="SWN",
            unit=unit,
            company=demo_data.COMPANY,
            by=by,
        )
        portfolio = portfolios.create_portfolio(session, customer, name="Strom und Gas", by=by)
        _contacts(session, customer, portfolio, by)
        _settings(session, preferences.unit_chain(unit.id), demo_data.UNIT_SETTINGS, by)
        breathing = {"breathing_space_enabled": True, "breathing_space_days": BREATHING_DAYS}
        _settings(session, preferences.chain(customer), breathing, by)
        bucket = portfolios.create_bucket(
            session,
            portfolio,
            name="Verträge 2025",
            financials=parse_financials(demo_data.FINANCIALS).as_json(),
            by=by,
        )
        chain = preferences.chain(customer, bucket)
        _settings(session, chain, demo_data.BUCKET_SETTINGS, by)
        debtors = create_debtors(session, demo_data.existing_debtors(), by=by)
    if not report.as_json:
        show.heading(show.say(N_("A fresh agency")))
    report.tell(
        show.say(
            N_("{customer} is a customer of {unit}; {debtors} debtors are known already."),
            customer=customer.name,
            unit=unit.name,
            debtors=len(debtors),
        )
    )
    report.tell(
        show.say(
            N_(
                "Bucket “{bucket}”: 10 % collection costs, 5 % interest, breathing space {days} days."
            ),
            bucket=bucket.name,
            days=BREATHING_DAYS,
        )
    )
    return Agency(customer, portfolio, bucket)


def _settings(session: Session, at: list[ScopeRef], values: Mapping[str, Any], by: int) -> None:
    preferences.set_settings(session, at, values, granted=False, by=by)


def _effective(services: Services, agency: Agency, report: Report) -> dict[str, Any]:
    """Show what holds for the cases of the bucket, and where each setting was set."""
    with services.db.reading() as session:
        chain = preferences.chain(agency.customer, agency.bucket)
        found = preferences.show_settings(preferences.effective(session, chain))
    if not report.as_json:
        show.heading(show.say(N_("The settings of the bucket, and where each was set")))
        rows = [
            (camel(f"{group}.{name}"), _value(one["value"]), show.say(SOURCES[one["source"]]))
            for group, settings in found.items()
            for name, one in settings.items()
        ]
        show.table([show.say(N_("Setting")), show.say(N_("Value")), show.say(N_("Set at"))], rows)
    return found


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return show.say(N_("yes")) if value else show.say(N_("no"))
    return "–" if value is None else str(value)


def _contacts(session: Session, customer: Customer, portfolio: Portfolio, by: int) -> None:
    people = (
        ("Henrike", "Asmussen", True, False, ()),
        ("Torben", "Wiechert", False, True, ()),
        ("Malte", "Brodersen", False, False, (portfolio.id,)),
    )
    for n, (first, last, commercial, operational, linked) in enumerate(people):
        contacts.create_contact(
            session,
            customer,
            first_name=first,
            last_name=last,
            email=f"{first}.{last}@nordlicht.example".lower(),
            phone=demo_data.phone(700 + n),
            phone_country="DE",
            is_commercial=commercial,
            is_operational=operational,
            has_access=True,
            portfolio_ids=linked,
            by=by,
        )


def _import(steps: ImportSteps, agency: Agency, report: Report) -> None:
    path = files.examples() / WORKBOOK
    with report.step("upload", N_("1. Upload")) as counts:
        steps.upload(path, agency.portfolio, kind="CONSUMER", country="DE")
        counts["bytes"] = path.stat().st_size
        counts["columns"] = len(steps.summary()["columns"])
    with report.step("mapping", N_("2. Mapping of the columns")) as counts:
        steps.confirm_mapping()
        columns = steps.summary()["columns"]
        counts["mapped"] = sum(c["field"] is not None for c in columns)
        counts["ignored"] = len(columns) - counts["mapped"]
        counts["by_itself"] = sum(c["decided"] in BY_ITSELF for c in columns)
        counts["confirmed"] = len(columns) - counts["by_itself"]
    with report.step("review", N_("3. Review")) as counts:
        counts["ready_before"] = steps.summary()["sections"]["ready"]
        counts.update(_amend(steps))
        counts.update(steps.summary()["sections"])
    with report.step("matching", N_("4. Matching with known debtors")) as counts:
        steps.complete_review()
        counts["review_before"] = steps.summary()["matches"]["review"]
        counts.update(_decide(steps, report))
        counts.update(steps.summary()["matches"])
    with report.step("bucket", N_("5. Link to the bucket")) as counts:
        steps.link(agency.bucket.id)
        counts["cases"] = steps.summary()["cases"]
    with report.step("launch", N_("6. Launch of the workflows")) as counts:
        invitations = _emails(steps.services)
        steps.launch()
        counts["launched"] = steps.summary()["cases"]
        counts["emails"] = _emails(steps.services) - invitations
    if not report.as_json:
        show.heading(show.say(N_("The import now")))
        show_counts(steps.summary())


def _amend(steps: ImportSteps) -> dict[str, int]:
    """Repair what an operator would: some cells, one value in many rows, rows to leave out."""
    import_id, viewer = steps.import_id, steps.viewer
    amended = 0
    with steps.services.db.unit() as session:
        for issue, values in demo_data.AMENDMENTS.items():
            numbers = _rows_with(session, import_id, issue)
            for number in numbers:
                edits.amend_row(session, import_id, number, values, viewer=viewer)
                amended += 1
        everywhere = edits.RowWhere(issue_codes=["COUNTRY_UNKNOWN"])
        fixed = len(_rows_with(session, import_id, "COUNTRY_UNKNOWN"))
        edits.replace_values(
            session,
            import_id,
            everywhere,
            field="country",
            old="Deutschl.",
            new="DE",
            viewer=viewer,
        )
        credit = edits.RowWhere(issue_codes=["AMOUNT_NEGATIVE"])
        skipped = len(_rows_with(session, import_id, "AMOUNT_NEGATIVE"))
        edits.skip_rows(session, import_id, credit, viewer=viewer)
    return {"amended": amended, "fixed_at_once": fixed, "left_out": skipped}


def _rows_with(session: Session, import_id: int, code: str) -> list[int]:
    where = edits.RowWhere(sections=[Section.NEEDS_CLEANSING, Section.FAULTY], issue_codes=[code])
    statement = select(ImportRow.row_no).where(*edits.rows_where(import_id, where))
    return list(session.scalars(statement.order_by(ImportRow.row_no)))


def _decide(steps: ImportSteps, report: Report) -> dict[str, int]:
    """Decide the doubtful debtors but one, as an operator would who trusts a clear score."""
    with steps.services.db.reading() as session:
        doubtful = _doubtful(session, steps.import_id)
    chosen = []
    for row_no, name, candidate in doubtful[:-1]:
        sure = candidate.percent >= SURE_ENOUGH
        chosen.append(
            decide.Decision(
                row_no=row_no,
                decision="UPDATE_EXISTING" if sure else "CREATE_NEW",
                debtor_id=candidate.debtor_id if sure else None,
            )
        )
        why = " ".join(sentence(guard["code"], show.locale(), {}) for guard in candidate.guards)
        report.tell(
            show.say(
                N_("row {row}, {name}: {percent} % like a known debtor → {decision}. {why}"),
                row=row_no,
                name=name,
                percent=f"{candidate.percent:.0f}",
                decision=show.say(N_("the known one")) if sure else show.say(N_("a new one")),
                why=why,
            )
        )
    if chosen:
        steps.act(lambda s: decide.decide_matches(s, steps.import_id, chosen, viewer=steps.viewer))
    return {"decided": len(chosen)}


def _doubtful(session: Session, import_id: int) -> list[tuple[int, str, MatchCandidate]]:
    """Return the first row, the name and the best candidate of each debtor in doubt."""
    found: dict[int, tuple[int, str, MatchCandidate]] = {}
    for row, candidate in session.execute(
        select(ImportRow, MatchCandidate)
        .join(
            MatchCandidate,
            (MatchCandidate.import_id == ImportRow.import_id)
            & (MatchCandidate.party_no == ImportRow.party_no),
        )
        .where(
            ImportRow.import_id == import_id,
            ImportRow.match_state == MatchOutcome.REVIEW,
            MatchCandidate.rank == 0,
        )
        .order_by(ImportRow.row_no)
    ):
        kept = (row.data.get(name) or [""] for name in ("first_name", "last_name"))
        name = " ".join(str(value[0]) for value in kept if value[0])
        found.setdefault(candidate.party_no, (row.row_no, name, candidate))
    return list(found.values())


def _watch_a_case(services: Services, steps: ImportSteps, report: Report) -> dict[str, Any]:
    """Show a case's account in its breathing space and on the day after it."""
    with services.db.reading() as session:
        case = session.scalars(
            select(Case)
            .where(Case.import_id == steps.import_id, Case.status == CaseStatus.BREATHING_SPACE)
            .order_by(Case.id)
            .limit(1)
        ).first()
        if case is None:
            return {}
        before = case_document(session, case)
    with services.db.unit() as session:
        testclock.advance(session, timedelta(days=BREATHING_DAYS))
    with show.progress() as on_progress:
        drain(services, on_progress=on_progress)
    with services.db.reading() as session:
        after = case_document(session, session.get_one(Case, case.id))
        today = clock.today()
    if not report.as_json:
        title = N_("Case {number}, today: in its breathing space nothing is charged")
        show.heading(show.say(title, number=before["number"]))
        show_account(before)
        title = N_("The same case {days} days later, {day}: costs and interest were applied")
        show.heading(show.say(title, days=BREATHING_DAYS, day=today))
        show_account(after)
    return {"number": before["number"], "before": before, "after": after}


def _months(
    services: Services, beside: Partners | None, hook: str, days: int, report: Report
) -> dict[str, Any]:
    """Let more days pass, and tell what happened and the story of one case."""
    if not report.as_json:
        show.heading(show.say(N_("{days} more days, one by one"), days=days))
    if beside is None:
        report.tell(
            show.say(N_("Calls and tracing are left out: their plugins are not installed."))
        )
    with show.progress() as on_progress:
        pass_by(services, beside, hook, days, on_progress)
    found = told(services, beside)
    if not report.as_json:
        show_months(found)
    return found


def _emails(services: Services) -> int:
    outbox = services.settings.outbox_dir
    return sum(1 for _ in outbox.glob("*.eml")) if outbox.is_dir() else 0


def _say_goodbye(found: Mapping[str, Any], folder: Path, *, serve_it: bool) -> None:
    addresses, sign_in = found["addresses"], found["sign_in"]
    show.heading(show.say(N_("Where things are")))
    show.line("  " + show.say(N_("Mails the workflows sent: {outbox}"), outbox=addresses["outbox"]))
    show.line(f"  GraphQL: {addresses['graphql']}")
    show.line("  " + show.say(N_("User: {email}"), email=sign_in["email"]))
    show.line("  " + show.say(N_("Token: {token}"), token=sign_in["token"]))
    query = json.dumps({"query": "{ customers { nodes { number name } } }"})
    show.line("\n  curl -s " + addresses["graphql"] + " \\")
    show.line(f"    -H 'Authorization: Bearer {sign_in['token']}' \\")
    show.line(f"    -H 'Content-Type: application/json' -d '{query}'\n")
    if serve_it:
        show.line(show.say(N_("Serving. Stop with Ctrl-C.")))
    else:
        show.line(show.say(N_("Serve it with:")))
        command = sys.argv[0] if Path(sys.argv[0]).name == "finview" else "finview"
        show.line(f"  FINVIEW_DATA_DIR={folder} {command} serve")
