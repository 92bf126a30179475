"""Debtors by hand: create and change."""

from datetime import date
from typing import Any

import strawberry
from sqlalchemy import select
from strawberry import UNSET

from finview.accounts.access import Action, find, may
from finview.api.cases import Debtor
from finview.api.common import KEY, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import key_of
from finview.api.engine.scalars import CountryCode, LocaleCode
from finview.api.enums import DebtorKind
from finview.cases import debtors as verbs
from finview.cases.models import Address as AddressRow
from finview.cases.models import Debtor as DebtorRow
from finview.imports.by_hand import checked

COUNTRY = "DE"
"""Where a debtor is taken to live when nothing says so."""

_COLUMNS = {"birth_date": "date_of_birth", "register_number": "register_no"}
_NO_COLUMNS = frozenset({"lock_version", "idempotency_key"})


@strawberry.input(description="A postal address.")
class AddressInput:
    """A postal address."""

    street: str | None = f(default=None, description="Street.")
    house_number: str | None = f(default=None, description="House number.")
    postcode: str | None = f(default=None, description="Postcode, as its country writes it.")
    city: str | None = f(default=None, description="Town.")
    country: CountryCode | None = f(default=None, description="Country.")


@strawberry.input(
    description="A debtor. On an update, what is left out stays, null empties, and a list is the "
    "whole list: what is missing in it is removed."
)
class DebtorInput:
    """A debtor."""

    kind: DebtorKind | None = f(
        default=UNSET, description="Consumer or business; fixed once there are cases."
    )
    first_name: str | None = f(default=UNSET, description="First name.")
    last_name: str | None = f(default=UNSET, description="Last name; a person needs one.")
    company_name: str | None = f(default=UNSET, description="Company; a business needs one.")
    birth_date: date | None = f(default=UNSET, description="Date of birth.")
    register_number: str | None = f(default=UNSET, description="Number in the company register.")
    vat_id: str | None = f(default=UNSET, description="VAT number.")
    reference: str | None = f(default=UNSET, description="The number an earlier system gave.")
    addresses: list[AddressInput] | None = f(default=UNSET, description="Postal addresses.")
    emails: list[str] | None = f(default=UNSET, description="E-mail addresses.")
    phones: list[str] | None = f(
        default=UNSET, description="Phone numbers; without + of the country of the address."
    )
    locale: LocaleCode | None = f(default=UNSET, description="The language of messages.")
    lock_version: int | None = f(
        default=None, description="The version that was read; a stale one answers CONFLICT."
    )
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.type(description="The answer of a mutation of a debtor.")
class DebtorPayload:
    """The answer of a mutation."""

    debtor: Debtor | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def _given(given: DebtorInput) -> dict[str, Any]:
    found = {
        _COLUMNS.get(name, name): value
        for name, value in vars(given).items()
        if value is not UNSET and name not in _NO_COLUMNS
    }
    if found.get("addresses"):
        found["addresses"] = [
            {("house_no" if name == "house_number" else name): v for name, v in vars(one).items()}
            for one in found["addresses"]
        ]
    return found


def _again(ctx: Context, public_id: str) -> Debtor:
    return Debtor.of(ctx.session.get_one(DebtorRow, key_of(public_id, "dbt")))


@strawberry.type
class DebtorMutation:
    """Debtors by hand."""

    @strawberry.mutation(description="Create a debtor by hand; imports do it by themselves.")
    def debtor_create(self, info: Info, input: DebtorInput) -> DebtorPayload:  # noqa: A002  # the contract's word
        """Create a debtor."""
        ctx = info.context

        def act() -> Debtor:
            may(ctx.who, Action.WORK_CASES)
            typed = checked(_given(input), known={}, country=COUNTRY)
            new = verbs.NewDebtor(**{"locale": "de", **typed.values}, contacts=typed.contacts)
            return Debtor.of(verbs.create_debtor(ctx.session, new, by=ctx.who.user_id))

        return mutate(
            ctx,
            DebtorPayload,
            "debtor",
            act,
            name="debtorCreate",
            given=input,
            again=lambda i: _again(ctx, i),
        )

    @strawberry.mutation(description="Change a debtor; matching looks at it anew.")
    def debtor_update(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002  # the contract's word
        input: DebtorInput,  # noqa: A002  # the contract's word
    ) -> DebtorPayload:
        """Change a debtor."""
        ctx = info.context

        def act() -> Debtor:
            row = find(ctx.session, DebtorRow, key_of(id, "dbt", "id"), ctx.who)
            may(ctx.who, Action.WORK_CASES)
            given = _given(input)
            known = {name: getattr(row, name) for name in ("kind", "last_name", "company_name")}
            if not (known["last_name"] or known["company_name"]):
                known["last_name"] = row.name  # an import knew the whole name only
            typed = checked(given, known=known, country=_home(ctx, row.id))
            verbs.revise_debtor(
                ctx.session,
                row,
                typed.values,
                contacts=typed.contacts,
                replace=typed.given,
                by=ctx.who.user_id,
                read=input.lock_version,
            )
            return Debtor.of(row)

        return mutate(
            ctx,
            DebtorPayload,
            "debtor",
            act,
            name="debtorUpdate",
            given=input,
            about=str(id),
            again=lambda i: _again(ctx, i),
        )


def _home(ctx: Context, debtor_id: int) -> str:
    """Return the country of the newest address, for numbers without one."""
    wanted = select(AddressRow.country).where(
        AddressRow.debtor_id == debtor_id, AddressRow.country.is_not(None)
    )
    return ctx.session.scalar(wanted.order_by(AddressRow.id.desc()).limit(1)) or COUNTRY
