"""The `finview` command: its parser, and what each way of ending means for the exit status.

Nothing heavy is imported before a command runs, so that `finview --help` answers at once.
"""

import sys
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from finview import __version__
from finview.i18n import N_

FAILED = 1


def _t(message: str) -> str:
    """Return a help text in the language of this terminal."""
    import os

    wanted = next(
        (
            os.environ[n]
            for n in ("FINVIEW_LOCALE", "LC_ALL", "LC_MESSAGES", "LANG")
            if os.environ.get(n)
        ),
        "",
    )
    if not wanted.lower().startswith("de"):
        return message  # the messages are English: no catalogue needs to be read
    from finview.i18n import message as translated

    return translated(message, "de")


app = typer.Typer(
    name="finview",
    help=_t(N_("Debt collection from the client's spreadsheet to the last cent.")),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
match_app = typer.Typer(help=_t(N_("Measure the matcher on labelled data.")), no_args_is_help=True)
user_app = typer.Typer(help=_t(N_("Users of the agency.")), no_args_is_help=True)
token_app = typer.Typer(help=_t(N_("Tokens for the API.")), no_args_is_help=True)
plugins_app = typer.Typer(help=_t(N_("Installed plugins and bindings.")), no_args_is_help=True)
jobs_app = typer.Typer(help=_t(N_("Work in the background.")), no_args_is_help=True)
clock_app = typer.Typer(help=_t(N_("The clock of a development database.")), no_args_is_help=True)
case_app = typer.Typer(help=_t(N_("Cases.")), no_args_is_help=True)
audit_app = typer.Typer(help=_t(N_("The log of every change.")), no_args_is_help=True)
ledger_app = typer.Typer(help=_t(N_("The claim accounts.")), no_args_is_help=True)
bank_app = typer.Typer(help=_t(N_("Bank accounts of the business units.")), no_args_is_help=True)
for name, group in (
    ("ledger", ledger_app),
    ("bank", bank_app),
    ("match", match_app),
    ("user", user_app),
    ("token", token_app),
    ("plugins", plugins_app),
    ("jobs", jobs_app),
    ("clock", clock_app),
    ("case", case_app),
    ("audit", audit_app),
):
    app.add_typer(group, name=name)

AsJson = Annotated[bool, typer.Option("--json", help=_t(N_("Print one JSON document.")))]


class Kind(StrEnum):
    """What the debtors of a file are."""

    CONSUMER = "consumer"
    BUSINESS = "business"


class RoleName(StrEnum):
    """The roles of the agency's own people."""

    ADMIN = "admin"
    OPERATOR = "operator"


class Language(StrEnum):
    """The languages finview speaks."""

    EN = "en"
    DE = "de"


KindOption = Annotated[
    Kind, typer.Option("--kind", case_sensitive=False, help=_t(N_("Consumers or businesses.")))
]
CountryOption = Annotated[
    str,
    typer.Option("--phone-country", help=_t(N_("Country of phone numbers without a prefix."))),
]


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _finview(
    *,
    trace: Annotated[  # here for its help; `main` takes it from anywhere
        bool, typer.Option("--trace", help=_t(N_("Show where in the program an error arose.")))
    ] = False,
    version: Annotated[  # its callback answers
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_version, help=_t(N_("Print the version."))
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command(help=_t(N_("Import the sample workbook step by step into a fresh demo, then serve.")))
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help=_t(N_("Folder the demo's data is kept in.")))
    ] = None,
    port: int = 8000,
    *,
    no_serve: Annotated[
        bool, typer.Option("--no-serve", help=_t(N_("End after the import.")))
    ] = False,
    days: Annotated[
        int,
        typer.Option(min=0, max=365, help=_t(N_("Days that pass by after the breathing space."))),
    ] = 60,
    as_json: AsJson = False,
) -> None:
    """Walk a newcomer through an import."""
    from finview.cli.demo import run_demo

    run_demo(data, port=port, serve_it=not no_serve, days=days, as_json=as_json)


@app.command(help=_t(N_("Serve the API, with a worker beside it.")))
def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help=_t(N_("Leave jobs to `finview worker`.")))
    ] = False,
) -> None:
    """Serve until stopped."""
    from finview.cli.serving import run_serve

    run_serve(host=host, port=port, with_worker=not no_worker)


@app.command(help=_t(N_("Run jobs.")))
def worker(
    queues: Annotated[
        str | None, typer.Option(help=_t(N_("Names of queues, separated by commas.")))
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=64)] = 1,
    threads: Annotated[int | None, typer.Option(min=1, max=64)] = None,
) -> None:
    """Run jobs until stopped."""
    from finview.cli.serving import run_worker

    names = [name.strip() for name in queues.split(",")] if queues else None
    if not run_worker(queues=names, processes=processes, threads=threads):
        raise typer.Exit(FAILED)


@app.command(help=_t(N_("Bring the database up to date.")))
def migrate(*, as_json: AsJson = False) -> None:
    """Run the migrations that are missing."""
    from finview.cli import show
    from finview.cli.setup import run_migrate

    found = run_migrate()
    _print(found, as_json, lambda: show.line(show.say(N_("The database is up to date."))))


@app.command("import", help=_t(N_("Import a workbook: review, matching, cases, launch.")))
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    customer: Annotated[str, typer.Option(help=_t(N_("Name, number or id.")))],
    portfolio: Annotated[str, typer.Option(help=_t(N_("Name or id.")))],
    kind: KindOption = Kind.CONSUMER,
    country: CountryOption = "DE",
    bucket: Annotated[
        str | None, typer.Option(help=_t(N_("Name or id; without it the import stops before.")))
    ] = None,
    *,
    launch: Annotated[bool, typer.Option("--launch", help=_t(N_("Launch the workflows.")))] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=_t(N_("End after the review and keep nothing.")))
    ] = False,
    rows: Annotated[bool, typer.Option("--rows", help=_t(N_("Show every row.")))] = False,
    as_json: AsJson = False,
) -> None:
    """Import one file."""
    from finview.cli.imports import Order, run_import, show_import

    if launch and bucket is None and not dry_run:
        raise typer.BadParameter(_t(N_("--launch needs --bucket.")))
    order = Order(
        file=file,
        customer=customer,
        portfolio=portfolio,
        kind=kind.name,
        country=country.upper(),
        bucket=bucket,
        launch=launch,
        dry_run=dry_run,
        rows=rows,
    )
    found = run_import(order)
    _print(found, as_json, lambda: show_import(found))


@app.command(help=_t(N_("Show which field each column of a workbook would go to.")))
def columns(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    kind: KindOption = Kind.CONSUMER,
    country: CountryOption = "DE",
    *,
    as_json: AsJson = False,
) -> None:
    """Propose a mapping."""
    from finview.cli.imports import run_columns, show_columns

    found = run_columns(file, kind=kind.name, country=country.upper())
    _print({"columns": found}, as_json, lambda: show_columns(found))


@match_app.command(help=_t(N_("Match RIGHT against LEFT and compare with the true pairs.")))
def evaluate(
    left: Annotated[Path, typer.Argument(metavar="LEFT.csv")],
    right: Annotated[Path, typer.Argument(metavar="RIGHT.csv")],
    truth: Annotated[Path, typer.Option("--truth", metavar="PAIRS.csv")],
    matcher: Annotated[str | None, typer.Option(help=_t(N_("Instead of the one bound.")))] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Measure a matcher."""
    from finview.cli.match import run_evaluate, show_evaluation

    found = run_evaluate(left, right, truth, matcher)
    _print(found, as_json, lambda: show_evaluation(found))


@match_app.command(help=_t(N_("Judge each pair of a file.")))
def pairs(
    file: Annotated[Path, typer.Argument(metavar="PAIRS.csv")],
    matcher: Annotated[str | None, typer.Option(help=_t(N_("Instead of the one bound.")))] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Judge pairs."""
    from finview.cli.match import run_pairs, show_pairs

    found = run_pairs(file, matcher)
    _print(found, as_json, lambda: show_pairs(found))


@user_app.command("create", help=_t(N_("Create a user of the agency.")))
def user_create(
    email: Annotated[str, typer.Option()],
    name: Annotated[str, typer.Option()],
    role: Annotated[RoleName, typer.Option(case_sensitive=False)],
    language: Annotated[Language, typer.Option(case_sensitive=False)] = Language.EN,
    *,
    as_json: AsJson = False,
) -> None:
    """Create a user."""
    from finview.cli import show
    from finview.cli.setup import run_user_create

    found = run_user_create(email=email, name=name, role=role.value, language=language.value)
    done = show.say(N_("Created. Now: finview token create --email {email}"), **found["user"])
    _print(found, as_json, lambda: show.note(done))


@token_app.command("create", help=_t(N_("Create a token; it is printed this once.")))
def token_create(
    email: Annotated[str, typer.Option()],
    name: Annotated[str, typer.Option()] = "terminal",
    *,
    as_json: AsJson = False,
) -> None:
    """Create a token and print it alone."""
    from finview.cli.setup import run_token_create

    found = run_token_create(email=email, name=name)
    _print(found, as_json, lambda: print(found["token"]))


@plugins_app.command("list", help=_t(N_("List plugins and bindings.")))
def plugins_list(*, as_json: AsJson = False) -> None:
    """List plugins."""
    from finview.cli.plugins import run_list, show_plugins

    found = run_list()
    _print(found, as_json, lambda: show_plugins(found))


@plugins_app.command("check", help=_t(N_("List them; fail when one does not work.")))
def plugins_check(*, as_json: AsJson = False) -> None:
    """List plugins and fail when one is broken."""
    from finview.cli.plugins import healthy, run_list, show_plugins

    found = run_list()
    _print(found, as_json, lambda: show_plugins(found))
    if not healthy(found):
        raise typer.Exit(FAILED)


@plugins_app.command("bind", help=_t(N_("Choose the provider of a slot.")))
def plugins_bind(
    slot: Annotated[str, typer.Argument()],
    provider: Annotated[str, typer.Argument()],
    customer: Annotated[
        str | None, typer.Option(help=_t(N_("Without it: the whole agency.")))
    ] = None,
    portfolio: Annotated[str | None, typer.Option()] = None,
    bucket: Annotated[str | None, typer.Option()] = None,
    settings: Annotated[str, typer.Option(help=_t(N_("A JSON object.")))] = "{}",
    position: Annotated[
        int, typer.Option(help=_t(N_("The place in the list of an ordered slot, from 0.")))
    ] = 0,
    *,
    disabled: Annotated[
        bool, typer.Option("--disabled", help=_t(N_("Let nobody serve this slot here.")))
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bind a provider."""
    from finview.cli import show
    from finview.cli.plugins import run_bind

    found = run_bind(
        slot,
        provider,
        customer=customer,
        portfolio=portfolio,
        bucket=bucket,
        settings=settings,
        enabled=not disabled,
        position=position,
    )
    done = show.say(N_("{slot} is served by {provider} now."), slot=slot, provider=provider)
    address = found["binding"]["webhook"]
    if address:
        done += "\n" + show.say(N_("It tells what happened at {address}"), address=address)
    _print(found, as_json, lambda: show.line(done))


@jobs_app.command("list", help=_t(N_("List the newest jobs.")))
def jobs_list(
    state: Annotated[
        str | None,
        typer.Option(help=_t(N_("One of ready, running, done, failed, cancelled, parked."))),
    ] = None,
    kind: Annotated[str | None, typer.Option()] = None,
    queue: Annotated[str | None, typer.Option()] = None,
    *,
    failed: Annotated[
        bool, typer.Option("--failed", help=_t(N_("Only those that failed, or wait for a person.")))
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs."""
    from finview.cli.jobs import run_list, show_jobs

    found = run_list(state=state, kind=kind, queue=queue, failed=failed)
    _print(found, as_json, lambda: show_jobs(found))


JobIds = Annotated[list[str] | None, typer.Argument(metavar="ID…")]


@jobs_app.command("retry", help=_t(N_("Run jobs again that stopped.")))
def jobs_retry(
    ids: JobIds = None,
    kind: Annotated[
        str | None, typer.Option(help=_t(N_("All of this kind that failed or wait.")))
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Retry jobs."""
    from finview.cli.jobs import run_retry, show_jobs

    if bool(ids) == (kind is not None):
        raise typer.BadParameter(_t(N_("Give ids, or --kind.")))
    found = run_retry(ids or [], kind=kind)
    _print(found, as_json, lambda: show_jobs(found))


@jobs_app.command("cancel", help=_t(N_("Call jobs off.")))
def jobs_cancel(
    ids: Annotated[list[str], typer.Argument(metavar="ID…")], *, as_json: AsJson = False
) -> None:
    """Cancel jobs."""
    from finview.cli.jobs import run_cancel, show_jobs

    found = run_cancel(ids)
    _print(found, as_json, lambda: show_jobs(found))


@clock_app.command("advance", help=_t(N_("Move it forward and run what is due by then.")))
def clock_advance(
    days: Annotated[int, typer.Argument(min=0, max=36_500)], *, as_json: AsJson = False
) -> None:
    """Advance the clock."""
    from finview.cli import show
    from finview.cli.jobs import run_advance

    found = run_advance(days)
    done = show.say(N_("It is {now}; {jobs} jobs ran."), now=found["now"][:16], jobs=found["jobs"])
    _print(found, as_json, lambda: show.line(done))


@case_app.command("show", help=_t(N_("Show a case with its claim account.")))
def case_show(
    number: Annotated[str, typer.Argument()],
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help=_t(N_("The day; else today.")))
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a case."""
    from finview.cli.cases import run_show, show_case

    day: date | None = as_of.date() if as_of else None
    found = run_show(number, day)
    _print(found, as_json, lambda: show_case(found["case"]))


@audit_app.command("verify", help=_t(N_("Check that no entry was changed, moved or removed.")))
def audit_verify(
    head: Annotated[
        list[str] | None, typer.Option(help=_t(N_("A head noted earlier, number:hash.")))
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Verify the audit log."""
    from finview.cli.audit import run_verify, show_verdict

    found = run_verify(head or [])
    _print(found, as_json, lambda: show_verdict(found))
    if not found["ok"]:
        raise typer.Exit(FAILED)


@ledger_app.command("verify", help=_t(N_("Recompute sums, seals and digests of the bookings.")))
def ledger_verify(
    case: Annotated[str | None, typer.Option(help=_t(N_("Only the case of this number.")))] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Verify the ledger."""
    from finview.cli.ledger import run_verify, show_verdict

    found = run_verify(case)
    _print(found, as_json, lambda: show_verdict(found))
    if not found["ok"]:
        raise typer.Exit(FAILED)


@bank_app.command("import", help=_t(N_("Import a bank statement: CSV or CAMT.053.")))
def bank_import(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    unit: Annotated[
        str, typer.Option(help=_t(N_("Name or id of the business unit whose account it is.")))
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Import one bank statement."""
    from finview.cli.bank import run_import, show_statement

    found = run_import(file, unit)
    _print(found, as_json, lambda: show_statement(found))


@app.command(help=_t(N_("Print the GraphQL schema.")))
def schema() -> None:
    """Print the SDL."""
    from finview.cli.setup import run_schema

    print(run_schema().rstrip("\n"))


@app.command(help=_t(N_("Check settings, database, mail and plugins.")))
def doctor(*, as_json: AsJson = False) -> None:
    """Check the installation."""
    from dataclasses import asdict

    from finview.cli import show
    from finview.cli.setup import run_doctor

    checks = run_doctor()
    headers = ["", show.say(N_("What")), show.say(N_("Found")), show.say(N_("Advice"))]
    rows = [("✓" if c.ok else "✗", c.name, c.detail, c.advice) for c in checks]
    found = {"ok": all(c.ok for c in checks), "checks": [asdict(c) for c in checks]}
    _print(found, as_json, lambda: show.table(headers, rows))
    if not found["ok"]:
        raise typer.Exit(FAILED)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    from finview.errors import FinviewError

    given = list(sys.argv[1:] if argv is None else argv)
    trace = "--trace" in given
    try:
        app([word for word in given if word != "--trace"], prog_name="finview")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED
    except FinviewError as failure:
        return _failed(failure, as_json="--json" in given, trace=trace)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left; Python would complain again
        return FAILED
    except Exception as error:  # noqa: BLE001  # the edge: a person reads a sentence
        return _broken(error, as_json="--json" in given, trace=trace)
    return 0


def _failed(failure: Any, *, as_json: bool, trace: bool) -> int:
    from finview.cli import show

    document = {
        "code": failure.code,
        "reason": failure.reason,
        "message": failure.message(show.locale()),
        "params": {k: v for k, v in failure.params.items() if k != "reason"},
    }
    if as_json:
        show.document({"error": document})
    _trace(trace)
    show.note(document["message"])
    return FAILED


def _broken(error: Exception, *, as_json: bool, trace: bool) -> int:
    from finview.cli import show

    message = show.say(
        N_("This is an error in finview ({error}); run `finview --trace …` to see where."),
        error=f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}",
    )
    if as_json:
        show.document({"error": {"code": "INTERNAL", "reason": None, "message": message}})
    _trace(trace)
    show.note(message)
    return FAILED


def _trace(wanted: bool) -> None:
    if wanted:
        import traceback

        traceback.print_exc()


def _print(found: Any, as_json: bool, shown: Any) -> None:
    from finview.cli import show

    if as_json:
        show.document(found)
    else:
        shown()
