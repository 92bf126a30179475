"""Business units: types, queries, mutations."""

from collections.abc import Sequence
from typing import Any

import strawberry
from sqlalchemy import select
from strawberry import UNSET

from finview.accounts.access import Action, find, may, visible
from finview.api.common import KEY, VERSION, Node, PageInfo, StoredFile, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import encode, key_of
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON
from finview.api.engine.sources import Bulk, Calc, Conn, Find, Id, cols, root, source
from finview.api.settings import (
    CommunicationSettingsInput,
    CustomerSettings,
    EnrichmentSettingsInput,
    ImportSettingsInput,
    PaymentSettingsInput,
    WorkflowSettingsInput,
    given_settings,
    unit_settings,
)
from finview.cases import law
from finview.customers import logos, preferences, units
from finview.customers.models import BusinessUnit as UnitRow
from finview.db.files import StoredFile as StoredFileRow
from finview.db.lists import one_of
from finview.db.versions import advance
from finview.errors import State
from finview.imports.upload import own_upload


@strawberry.type(description="A face of the agency: sender, bank, footers.")
class BusinessUnit(Node):
    """A face of the agency."""

    row: strawberry.Private[UnitRow]
    name: str = f(description="Its name.")
    active: bool = f(description="Whether it can be chosen.")
    company: JSON = f(description="Company data: name, address, register number, authority …")
    email_settings: JSON = f(description="`senderName`, `sender` and `replyTo` of its e-mails.")
    invoice_settings: JSON = f(description="How its own invoices look.")
    email_footers: JSON = f(description="The footer of its e-mails by language.")
    bank: JSON = f(description="Where money is paid to: `holder`, `iban`, `bic`, `bankName`.")
    base_rate_source: str | None = f(
        description="The law pack by whose base rates and rules its cases are charged; null: that "
        "of its country. It is kept with a case when it is linked to a bucket."
    )
    lock_version: int = f(description="Grows with every change; an update names it.")

    @classmethod
    def of(cls, row: UnitRow) -> "BusinessUnit":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("bu", row.id)),
            row=row,
            name=row.name,
            active=row.active,
            company=JSON(row.company),
            email_settings=JSON(row.email_settings),
            invoice_settings=JSON(row.invoice_settings),
            email_footers=JSON(row.email_footers),
            bank=JSON(row.bank),
            base_rate_source=row.base_rate_source,
            lock_version=row.lock_version,
        )

    @strawberry.field(description="Its logo, for the people of the agency.")
    def logo(self, info: Info) -> StoredFile | None:
        """Return the logo."""
        key = self.row.logo_file_id
        return _logos(info.context, [key]).get(key) if key else None

    @strawberry.field(
        description="What its letters and e-mails lack, as `company.street`; refuses nothing."
    )
    def missing(self) -> list[str]:
        """Return what is missing."""
        return units.missing_data(self.row)

    @strawberry.field(description="The settings its customers inherit, with their sources.")
    def settings(self, info: Info) -> CustomerSettings:
        """Return its effective settings."""
        return unit_settings(info.context, [self.row.id])[self.row.id]


def _logos(ctx: Context, file_ids: Sequence[int]) -> dict[int, StoredFile]:
    wanted = visible(select(StoredFileRow), ctx.who)
    rows = ctx.session.scalars(wanted.where(one_of(StoredFileRow.id, list(file_ids))))
    return {row.id: StoredFile.of(row) for row in rows}


def _missing(_ctx: Context, *values: Any) -> list[str]:
    names = ("company", "email_settings", "bank")
    return units.missing_data(UnitRow(**dict(zip(names, values, strict=True))))


BLOCKS = ("company", "email_settings", "invoice_settings", "email_footers", "bank")
source(
    BusinessUnit,
    UnitRow,
    id=Id("bu"),
    logo=Bulk(_logos, "logo_file_id"),
    missing=Calc(_missing, ("company", "email_settings", "bank")),
    settings=Bulk(unit_settings),
    **cols("name", "active", "base_rate_source", "lock_version", *BLOCKS),
)
root("business_units", Conn("BusinessUnit", lambda: [Order(UnitRow.id)]))
root("business_unit", Find("BusinessUnit"))


@strawberry.type(description="A page of business units.")
class BusinessUnitConnection:
    """A page of business units."""

    page: strawberry.Private[Page[UnitRow]]
    nodes: list[BusinessUnit] = f(description="The units of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


def business_units(
    info: Info, first: int | None = 50, after: str | None = None
) -> BusinessUnitConnection:
    """Return the business units, oldest first."""
    ctx = info.context
    wanted = visible(select(UnitRow), ctx.who)
    found: Page[UnitRow] = page(ctx.session, wanted, [Order(UnitRow.id)], first=first, after=after)
    return BusinessUnitConnection(
        page=found, nodes=[BusinessUnit.of(r) for r in found.rows], page_info=PageInfo.of(found)
    )


@strawberry.input(description="A business unit to create or change; what is left out stays.")
class BusinessUnitInput:
    """A business unit to create or change."""

    name: str | None = f(default=UNSET, description="Its name; required on creation.")
    company: JSON | None = f(
        default=UNSET,
        description="Company data: `name`, `street`, `postcode`, `city`, `country`, `email`, "
        "`phone`, `registerNumber`, `authority`, `timeZone` …",
    )
    email_settings: JSON | None = f(default=UNSET, description="`senderName`, `sender`, `replyTo`.")
    invoice_settings: JSON | None = f(
        default=UNSET, description="`numberPrefix`, `paymentTermDays`, `vatPercent` …"
    )
    email_footers: JSON | None = f(default=UNSET, description="Footers by language.")
    bank: JSON | None = f(default=UNSET, description="`holder`, `iban`, `bic`, `bankName`.")
    base_rate_source: str | None = f(
        default=UNSET, description="A law pack, such as `de`; null: that of its country."
    )
    logo_upload_id: strawberry.ID | None = f(
        default=UNSET, description="A received upload, PNG or JPEG; null removes the logo."
    )
    lock_version: int | None = f(default=None, description=VERSION)
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="Settings of a business unit; null inherits the system's again.")
class BusinessUnitSettingsInput:
    """Settings of a business unit."""

    business_unit_id: strawberry.ID = f(description="The business unit.")
    workflow: WorkflowSettingsInput | None = f(default=UNSET, description="Workflow settings.")
    enrichment: EnrichmentSettingsInput | None = f(
        default=UNSET, description="Skip tracing; `granted` is a customer's and ignored here."
    )
    imports: ImportSettingsInput | None = f(default=UNSET, description="Import settings.")
    communication: CommunicationSettingsInput | None = f(default=UNSET, description="Mails.")
    payments: PaymentSettingsInput | None = f(default=UNSET, description="Payments and plans.")
    lock_version: int | None = f(default=None, description=VERSION)


@strawberry.type(description="The answer of a mutation of a business unit.")
class BusinessUnitPayload:
    """The answer of a mutation."""

    business_unit: BusinessUnit | None = f(default=None, description="As it is now; null: deleted.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def _given(ctx: Context, given: BusinessUnitInput) -> dict[str, Any]:
    names = ("name", *BLOCKS, "base_rate_source")
    values = {name: v for name in names if (v := getattr(given, name)) is not UNSET}
    if "base_rate_source" in values:
        units.checked_base_rates(values["base_rate_source"], law.packs_of(ctx.session))
    return values


def _set_logo(ctx: Context, row: UnitRow, value: Any) -> None:
    if value is UNSET:
        return
    logo = None
    if value is not None:
        path = ("input", "logoUploadId")
        upload = own_upload(ctx.session, key_of(value, "upl", *path), ctx.who)
        if upload.file_id is None:
            raise State("UPLOAD_NOT_RECEIVED", path=path)
        if upload.import_id is not None:
            raise State("UPLOAD_USED", path=path)
        stored = ctx.session.get_one(StoredFileRow, upload.file_id)
        limit = ctx.services.settings.logo_bytes_max
        logo = logos.checked_logo(ctx.services.files, stored, bytes_max=limit)
        # The upload has become the logo; it can't become an import as well.
        ctx.session.delete(upload)
        ctx.session.flush()
    units.set_logo(ctx.session, ctx.services.files, row, logo, by=ctx.who.user_id)


def _unit(ctx: Context, public_id: str, *path: str) -> UnitRow:
    row = find(ctx.session, UnitRow, key_of(public_id, "bu", *path), ctx.who)
    may(ctx.who, Action.SET_UP)
    return row


@strawberry.type
class BusinessUnitMutation:
    """Setting up the faces of the agency."""

    @strawberry.mutation(description="Create a business unit; activate it to make it selectable.")
    def business_unit_create(self, info: Info, input: BusinessUnitInput) -> BusinessUnitPayload:  # noqa: A002  # the contract's word
        """Create a business unit."""
        ctx = info.context

        def act() -> BusinessUnit:
            may(ctx.who, Action.SET_UP)
            given = _given(ctx, input)
            row = units.create_unit(
                ctx.session,
                name=given.pop("name", None),
                base_rate_source=given.pop("base_rate_source", None),
                blocks=given,
                by=ctx.who.user_id,
            )
            _set_logo(ctx, row, input.logo_upload_id)
            return BusinessUnit.of(row)

        return mutate(
            ctx,
            BusinessUnitPayload,
            "business_unit",
            act,
            name="businessUnitCreate",
            given=input,
            again=lambda i: BusinessUnit.of(ctx.session.get_one(UnitRow, key_of(i, "bu"))),
        )

    @strawberry.mutation(description="Change a business unit; what is left out stays.")
    def business_unit_update(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        input: BusinessUnitInput,  # noqa: A002  # the contract's word
    ) -> BusinessUnitPayload:
        """Change a business unit."""
        ctx = info.context

        def act() -> BusinessUnit:
            row = _unit(ctx, id, "id")
            advance(ctx.session, row, input.lock_version)
            changes = _given(ctx, input)
            if "name" in changes:
                changes["name"] = changes["name"] or ""
            units.update_unit(ctx.session, row, changes=changes, by=ctx.who.user_id)
            _set_logo(ctx, row, input.logo_upload_id)
            return BusinessUnit.of(row)

        name = "businessUnitUpdate"
        return mutate(
            ctx, BusinessUnitPayload, "business_unit", act, name=name, given=input, about=id
        )

    @strawberry.mutation(
        description="Set what the customers of a business unit inherit; null inherits again."
    )
    def business_unit_settings_update(
        self,
        info: Info,
        input: BusinessUnitSettingsInput,  # noqa: A002  # the contract's word
    ) -> BusinessUnitPayload:
        """Set settings of a business unit."""
        ctx = info.context

        def act() -> BusinessUnit:
            row = _unit(ctx, input.business_unit_id, "input", "businessUnitId")
            advance(ctx.session, row, input.lock_version)
            preferences.set_settings(
                ctx.session,
                preferences.unit_chain(row.id),
                given_settings(input),
                # Defaults for customers: each of them uses enrichment only once it is granted.
                granted=True,
                by=ctx.who.user_id,
            )
            return BusinessUnit.of(row)

        name = "businessUnitSettingsUpdate"
        return mutate(ctx, BusinessUnitPayload, "business_unit", act, name=name, given=input)

    @strawberry.mutation(description="Make a business unit selectable.")
    def business_unit_activate(self, info: Info, id: strawberry.ID) -> BusinessUnitPayload:  # noqa: A002  # the contract's word
        """Activate a business unit."""
        return _activated(info.context, id, "businessUnitActivate", active=True)

    @strawberry.mutation(
        description="Make a business unit no longer selectable; customers that have it keep it."
    )
    def business_unit_deactivate(self, info: Info, id: strawberry.ID) -> BusinessUnitPayload:  # noqa: A002  # the contract's word
        """Deactivate a business unit."""
        return _activated(info.context, id, "businessUnitDeactivate", active=False)

    @strawberry.mutation(
        description="Delete a business unit with its settings; IN_USE while a customer has it."
    )
    def business_unit_delete(self, info: Info, id: strawberry.ID) -> BusinessUnitPayload:  # noqa: A002  # the contract's word
        """Delete a business unit."""
        ctx = info.context

        def act() -> None:
            row = _unit(ctx, id, "id")
            units.delete_unit(ctx.session, ctx.services.files, row, by=ctx.who.user_id)

        return mutate(ctx, BusinessUnitPayload, "business_unit", act, name="businessUnitDelete")


def _activated(ctx: Context, public_id: str, name: str, *, active: bool) -> BusinessUnitPayload:
    def act() -> BusinessUnit:
        row = _unit(ctx, public_id, "id")
        return BusinessUnit.of(
            units.set_active(ctx.session, row, active=active, by=ctx.who.user_id)
        )

    return mutate(ctx, BusinessUnitPayload, "business_unit", act, name=name)
