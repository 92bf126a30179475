"""The mutations of imports: thin over the verbs of the room."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import strawberry
from sqlalchemy import ColumnElement, and_, false, or_, select

from finview.accounts.access import Action, find, may, visible
from finview.api.common import KEY, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import key_of
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON, CountryCode, as_object
from finview.api.engine.sources import Conn, Find, root
from finview.api.enums import DebtorKind, ImportState
from finview.api.imports.types import Import, ImportField, ImportRow, ImportRowWhere, Upload
from finview.customers.models import Portfolio as PortfolioRow
from finview.errors import NotFound
from finview.i18n import translate
from finview.imports import columns, decide, edits, launch, link, models, revert, upload
from finview.imports.fields import fields_for, missing_required


@strawberry.input(description="A file to upload.")
class UploadCreateInput:
    """A file to upload."""

    filename: str = f(description="Its name.")
    size_bytes: int = f(description="Its size in bytes.")
    sha256: str | None = f(default=None, description="Checked when the bytes arrive.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="An import to create from an upload.")
class ImportCreateInput:
    """An import to create."""

    upload_id: strawberry.ID = f(description="The received workbook.")
    invoice_upload_ids: list[strawberry.ID] | None = f(
        default=None, description="Received invoice files."
    )
    portfolio_id: strawberry.ID = f(description="The book the cases go to.")
    debtor_kind: DebtorKind = f(description="Consumers or businesses.")
    phone_country: CountryCode = f(description="For phone numbers without a prefix.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="Which import.")
class ImportIdInput:
    """Which import."""

    import_id: strawberry.ID = f(description="The import.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="Where a column goes.")
class ImportColumnInput:
    """Where a column goes."""

    index: int = f(description="Its position, from 0.")
    field: str | None = f(default=None, description="null ignores the column")
    options: JSON | None = f(
        default=None,
        description="e.g. {dateOrder: DMY, decimal: COMMA}; of an amount {amountIs: OPEN} or "
        "INVOICED, where the header doesn't tell.",
    )


@strawberry.input(description="The mapping to confirm or change.")
class ImportMapInput:
    """The mapping."""

    import_id: strawberry.ID = f(description="The import.")
    columns: list[ImportColumnInput] = f(description="Columns to change; others stay.")
    remember: bool | None = f(default=True, description="Propose the same next time.")


@strawberry.input(description="A value for a field.")
class FieldValueInput:
    """A value for a field."""

    field: str = f(description="The field.")
    value: str | None = f(default=None, description="The text as typed; null clears.")


@strawberry.input(description="Values for one row.")
class ImportRowAmendInput:
    """Values for one row."""

    import_id: strawberry.ID = f(description="The import.")
    row_number: int = f(description="The row.")
    values: list[FieldValueInput] = f(description="What to set.")


@strawberry.enum(description="How to fix many rows at once.")
class ImportFixKind(StrEnum):
    """How to fix many rows."""

    REPLACE = "REPLACE"
    SETTLE = "SETTLE"
    SKIP = "SKIP"


@strawberry.input(description="A fix of many rows at once.")
class ImportRowsFixInput:
    """A fix of many rows."""

    import_id: strawberry.ID = f(description="The import.")
    kind: ImportFixKind = f(description="Replace a value, settle a column's question, skip.")
    where: ImportRowWhere = f(description="Which rows.")
    field: str | None = f(default=None, description="The field to fix.")
    from_: str | None = f(default=None, name="from", description="The value to replace.")
    to: str | None = f(default=None, description="The new value, or the answer.")


@strawberry.enum(description="What a person decides about a doubtful match.")
class MatchDecision(StrEnum):
    """What a person decides."""

    CREATE_NEW = "CREATE_NEW"
    UPDATE_EXISTING = "UPDATE_EXISTING"


@strawberry.input(description="A decision about a row.")
class MatchDecisionInput:
    """A decision about a row."""

    row_number: int = f(description="The row.")
    decision: MatchDecision = f(description="New debtor, or an existing one.")
    debtor_id: strawberry.ID | None = f(default=None, description="Which existing debtor.")


@strawberry.input(description="Deciding one row decides every row of the same debtor of the file.")
class ImportMatchDecideInput:
    """Decisions."""

    import_id: strawberry.ID = f(description="The import.")
    decisions: list[MatchDecisionInput] = f(description="All or nothing.")


@strawberry.input(description="A bucket for an import.")
class ImportLinkBucketInput:
    """A bucket for an import."""

    import_id: strawberry.ID = f(description="The import.")
    bucket_id: strawberry.ID = f(description="A bucket of the same portfolio.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="A revert, to be confirmed.")
class ImportRevertInput:
    """A revert."""

    import_id: strawberry.ID = f(description="The import.")
    confirm: bool = f(description="Must be true: nothing brings the data back.")


@strawberry.input(description="Which imports.")
class ImportWhere:
    """Which imports."""

    state: list[ImportState] | None = f(default=None, description="In one of the states.")
    customer_id: strawberry.ID | None = f(default=None, description="Of this customer.")
    portfolio_id: strawberry.ID | None = f(default=None, description="Of this portfolio.")


@strawberry.type(description="The answer of a mutation of an upload.")
class UploadPayload:
    """The answer of a mutation."""

    upload: Upload | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="The answer of a mutation of an import.")
class ImportPayload:
    """The answer of a mutation."""

    import_: Import | None = f(default=None, name="import", description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="The answer of an amendment.")
class ImportRowPayload:
    """The answer of an amendment."""

    row: ImportRow | None = f(default=None, description="The row as it is now.")
    import_: Import | None = f(default=None, name="import", description="Its import.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="A page of imports.")
class ImportConnection:
    """A page of imports."""

    page: strawberry.Private[Page[models.Import]]
    nodes: list[Import] = f(description="The imports of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


def imports(
    info: Info, first: int | None = 50, after: str | None = None, where: ImportWhere | None = None
) -> ImportConnection:
    """Return the visible imports, newest first."""
    ctx = info.context
    statement = visible(select(models.Import), ctx.who).where(_wanted(where))
    order = [Order(models.Import.id, descending=True)]
    found: Page[models.Import] = page(ctx.session, statement, order, first=first, after=after)
    return ImportConnection(
        page=found, nodes=[Import.of(r) for r in found.rows], page_info=PageInfo.of(found)
    )


def _wanted(where: ImportWhere | None = None) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if where is not None and where.state is not None:
        parts.append(or_(false(), *(models.Import.state == s.value for s in where.state)))
    if where is not None and where.customer_id is not None:
        parts.append(models.Import.customer_id == _key_or_none(where.customer_id, "cus"))
    if where is not None and where.portfolio_id is not None:
        parts.append(models.Import.portfolio_id == _key_or_none(where.portfolio_id, "pf"))
    return and_(True, *parts)


root("imports", Conn("Import", lambda: [Order(models.Import.id, descending=True)], where=_wanted))
root("import_", Find("Import"))


def import_fields(info: Info, debtor_kind: DebtorKind) -> list[ImportField]:
    """Return the fields of an import of consumers or businesses, in the caller's language."""
    required = set(missing_required(set(), debtor_kind.value))
    return [
        ImportField(
            name=field.name,
            label=translate(field.label, info.context.locale),
            required=field.name in required,
            kind=field.kind,
            meaning=translate(field.meaning, info.context.locale) if field.meaning else None,
        )
        for field in fields_for(debtor_kind.value)
    ]


def _key_or_none(value: str, tag: str) -> int:
    try:
        return key_of(value, tag)
    except NotFound:
        return 0


def _step(
    info: Info,
    name: str,
    given: Any,
    act: Callable[[Context, int], models.Import],
) -> ImportPayload:
    """Run one step of an import."""
    ctx = info.context

    def run() -> Import:
        return Import.of(act(ctx, key_of(given.import_id, "imp", "input", "importId")))

    return mutate(
        ctx,
        ImportPayload,
        "import_",
        run,
        name=name,
        given=given,
        again=lambda i: Import.of(ctx.session.get_one(models.Import, key_of(i, "imp"))),
    )


@strawberry.type
class ImportMutation:
    """An import, step by step."""

    @strawberry.mutation(description="Announce a file; then PUT its bytes to `url`.")
    def upload_create(self, info: Info, input: UploadCreateInput) -> UploadPayload:  # noqa: A002  # the contract's word
        """Announce a file."""
        ctx = info.context
        return mutate(
            ctx,
            UploadPayload,
            "upload",
            lambda: Upload.of(
                upload.announce(
                    ctx.session,
                    ctx.services.settings,
                    filename=input.filename,
                    size_bytes=input.size_bytes,
                    sha256=input.sha256,
                    viewer=ctx.who,
                )
            ),
            name="uploadCreate",
            given=input,
            again=lambda i: Upload.of(ctx.session.get_one(models.Upload, key_of(i, "upl"))),
        )

    @strawberry.mutation(description="Create an import of an uploaded workbook; reading starts.")
    def import_create(self, info: Info, input: ImportCreateInput) -> ImportPayload:  # noqa: A002  # the contract's word
        """Create an import."""
        ctx = info.context

        def own(value: str, path: str) -> models.Upload:
            return upload.own_upload(ctx.session, key_of(value, "upl", "input", path), ctx.who)

        def act() -> Import:
            key = key_of(input.portfolio_id, "pf", "input", "portfolioId")
            portfolio = find(ctx.session, PortfolioRow, key, ctx.who)
            may(ctx.who, Action.IMPORT)
            row = upload.create_import(
                ctx.session,
                upload=own(input.upload_id, "uploadId"),
                invoice_uploads=[
                    own(i, "invoiceUploadIds") for i in input.invoice_upload_ids or ()
                ],
                portfolio=portfolio,
                debtor_kind=input.debtor_kind.value,
                phone_country=input.phone_country,
                viewer=ctx.who,
            )
            return Import.of(row)

        return mutate(
            ctx,
            ImportPayload,
            "import_",
            act,
            name="importCreate",
            given=input,
            again=lambda i: Import.of(ctx.session.get_one(models.Import, key_of(i, "imp"))),
        )

    @strawberry.mutation(
        description="Confirm or change the column mapping; validates every row again."
    )
    def import_map(self, info: Info, input: ImportMapInput) -> ImportPayload:  # noqa: A002  # the contract's word
        """Confirm or change the mapping."""
        choices = [
            columns.ColumnChoice(
                index=c.index,
                field=c.field,
                options=as_object(c.options, "input", "columns"),
            )
            for c in input.columns
        ]
        return _step(
            info,
            "importMap",
            input,
            lambda ctx, key: columns.map_columns(
                ctx.session, key, choices, remember=input.remember is not False, viewer=ctx.who
            ),
        )

    @strawberry.mutation(description="Set values of one row; it moves to its section at once.")
    def import_row_amend(self, info: Info, input: ImportRowAmendInput) -> ImportRowPayload:  # noqa: A002  # the contract's word
        """Amend one row."""
        ctx = info.context

        def act() -> ImportRow:
            row = edits.amend_row(
                ctx.session,
                key_of(input.import_id, "imp", "input", "importId"),
                input.row_number,
                {v.field: v.value for v in input.values},
                viewer=ctx.who,
            )
            return ImportRow.of(row)

        payload = mutate(ctx, ImportRowPayload, "row", act, name="importRowAmend")
        if payload.row is not None:
            key = payload.row.row.import_id
            payload.import_ = Import.of(ctx.session.get_one(models.Import, key))
        return payload

    @strawberry.mutation(
        description="Replace one value, settle one question or skip, over many rows at once."
    )
    def import_rows_fix(self, info: Info, input: ImportRowsFixInput) -> ImportPayload:  # noqa: A002  # the contract's word
        """Fix many rows."""
        where = input.where.plain()

        def act(ctx: Context, key: int) -> models.Import:
            if input.kind is ImportFixKind.SKIP:
                return edits.skip_rows(ctx.session, key, where, viewer=ctx.who)
            if input.kind is ImportFixKind.SETTLE:
                return edits.settle_column(
                    ctx.session, key, field=input.field, answer=input.to, viewer=ctx.who
                )
            return edits.replace_values(
                ctx.session,
                key,
                where,
                field=input.field,
                old=input.from_,
                new=input.to,
                viewer=ctx.who,
            )

        return _step(info, "importRowsFix", input, act)

    @strawberry.mutation(
        description="Ends the review: READY rows are matched and their records created; the "
        "others stay behind in the import."
    )
    def import_review_complete(self, info: Info, input: ImportIdInput) -> ImportPayload:  # noqa: A002  # the contract's word
        """End the review."""
        return _step(
            info,
            "importReviewComplete",
            input,
            lambda ctx, key: edits.complete_review(ctx.session, key, viewer=ctx.who),
        )

    @strawberry.mutation(description="Decide doubtful matches.")
    def import_match_decide(self, info: Info, input: ImportMatchDecideInput) -> ImportPayload:  # noqa: A002  # the contract's word
        """Decide doubtful matches."""
        ctx = info.context

        def decision(n: int, one: MatchDecisionInput) -> decide.Decision:
            debtor = None
            if one.debtor_id is not None:
                path = ("input", "decisions", str(n), "debtorId")
                debtor = key_of(one.debtor_id, "dbt", *path)
            return decide.Decision(
                row_no=one.row_number, decision=one.decision.value, debtor_id=debtor
            )

        def act() -> Import:
            return Import.of(
                decide.decide_matches(
                    ctx.session,
                    key_of(input.import_id, "imp", "input", "importId"),
                    [decision(n, one) for n, one in enumerate(input.decisions)],
                    viewer=ctx.who,
                )
            )

        return mutate(ctx, ImportPayload, "import_", act, name="importMatchDecide")

    @strawberry.mutation(description="Link to a bucket: its financial components settle.")
    def import_link_bucket(self, info: Info, input: ImportLinkBucketInput) -> ImportPayload:  # noqa: A002  # the contract's word
        """Link to a bucket."""
        return _step(
            info,
            "importLinkBucket",
            input,
            lambda ctx, key: link.link_bucket(
                ctx.session,
                key,
                key_of(input.bucket_id, "bkt", "input", "bucketId"),
                viewer=ctx.who,
            ),
        )

    @strawberry.mutation(
        description="Launches the workflows of every linked case. After it the import can't be "
        "reverted."
    )
    def import_launch(self, info: Info, input: ImportIdInput) -> ImportPayload:  # noqa: A002  # the contract's word
        """Launch."""
        return _step(
            info,
            "importLaunch",
            input,
            lambda ctx, key: launch.launch(ctx.session, key, viewer=ctx.who),
        )

    @strawberry.mutation(
        description="Permanently deletes what this import created and restores what it changed. "
        "Needs confirm: true."
    )
    def import_revert(self, info: Info, input: ImportRevertInput) -> ImportPayload:  # noqa: A002  # the contract's word
        """Revert."""
        return _step(
            info,
            "importRevert",
            input,
            lambda ctx, key: revert.revert(
                ctx.session, ctx.services, key, confirm=input.confirm, viewer=ctx.who
            ),
        )
