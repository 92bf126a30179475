"""Mutations of users, of their tokens and of their second factor."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry
from strawberry import UNSET

from finview.accounts import people, second_factor, throttle, tokens
from finview.accounts.access import Action, find, may
from finview.accounts.access import Viewer as ViewerRow
from finview.accounts.models import AccountUser
from finview.api.accounts import ApiToken, User, in_person, own_row, shown, user_node
from finview.api.common import f
from finview.api.engine.ahead import ahead, result_of
from finview.api.engine.context import Asked, Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import key_of
from finview.api.engine.scalars import LocaleCode
from finview.api.enums import Role
from finview.api.sign_in import UserPayload
from finview.db.runtime import Services
from finview.db.versions import advance
from finview.errors import Invalid, RateLimited, Required

KEY = "The same key with the same input has one effect and one answer; kept for a week."
VERSION = "The version that was read; a stale one answers `CONFLICT`."


@strawberry.input(description="One of the agency's people; what is left out stays.")
class UserInput:
    """One of the agency's people."""

    email: str | None = f(default=UNSET, description="The address to sign in with; unique.")
    name: str | None = f(default=UNSET, description="First and last name.")
    role: Role | None = f(default=UNSET, description="`ADMIN` or `OPERATOR`.")
    locale: LocaleCode | None = f(default=UNSET, description="The person's language.")
    active: bool | None = f(default=UNSET, description="Whether the person may sign in at all.")
    lock_version: int | None = f(default=None, description=VERSION)
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="A token for a program of one's own.")
class TokenCreateInput:
    """A token for a program of one's own."""

    name: str = f(description="What it is for.")
    scopes: list[str] | None = f(
        default=None,
        description="What it allows: `read` alone, or with it one of `import`, `set_up`, "
        "`work_cases`, …; null: whatever you may do.",
    )
    expires_at: datetime | None = f(default=None, description="When it ends; null: never.")


@strawberry.type(description="The answer of a mutation of a token.")
class TokenPayload:
    """The answer of a mutation."""

    token: ApiToken | None = f(default=None, description="As it is now.")
    secret: str | None = f(default=None, description="The token itself; it can't be read again.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="What an app needs to make one-time codes.")
class SecondFactorSecret:
    """What an app needs to make one-time codes."""

    secret: str = f(description="To type in.")
    uri: str = f(description="To show as a QR code: an `otpauth` address.")


@strawberry.type(description="The answer of a mutation of the second factor.")
class SecondFactorPayload:
    """The answer of a mutation."""

    second_factor: SecondFactorSecret | None = f(
        default=None, description="After its start; it can't be read again."
    )
    recovery_codes: list[str] = f(
        default_factory=list,
        description="After its confirmation: each stands once for a code of the app, when that is "
        "lost. They can't be read again.",
    )
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.input(description="A code that shows that the app works.")
class SecondFactorConfirmInput:
    """A code that shows that the app works."""

    code: str = f(description="What the app shows now.")


@strawberry.input(description="Whose second factor is turned off.")
class SecondFactorRemoveInput:
    """Whose second factor is turned off."""

    code: str | None = f(
        default=None, description="A one-time or recovery code, for one's own second factor."
    )
    user_id: strawberry.ID | None = f(
        default=None, description="Somebody else, who lost theirs; for administrators."
    )


@ahead("secondFactorConfirm")
@ahead("secondFactorRemove")
def _counted(
    services: Services, _given: Mapping[str, Any], _asked: Asked, viewer: ViewerRow | None
) -> None:
    """Count the codes somebody tries: six digits are soon tried out."""
    if viewer is None:
        return
    settings = services.settings
    key = throttle.key_for(settings, "second-factor", str(viewer.user_id))
    with services.db.unit() as session:
        wait_s = throttle.spend(session, key, most=settings.sign_ins_account_max)
    if wait_s:
        raise RateLimited(seconds=wait_s)


def _managed(ctx: Context, user_id: str, *path: str) -> AccountUser:
    found = find(ctx.session, AccountUser, key_of(user_id, "usr", *path), ctx.who)
    may(ctx.who, Action.MANAGE_USERS)
    return found


@strawberry.type
class PeopleMutation:
    """Users, tokens, the second factor."""

    @strawberry.mutation(
        description="Create one of the agency's people; a mail with a link to choose a password is "
        "sent. A customer's people are contacts."
    )
    def user_create(self, info: Info, input: UserInput) -> UserPayload:  # noqa: A002  # the contract's word
        """Create a user."""
        ctx = info.context

        def act() -> User:
            may(ctx.who, Action.MANAGE_USERS)
            if not isinstance(input.role, Role):
                raise Required(path=("input", "role"))
            user = people.invite_user(
                ctx.session,
                email=input.email or "",
                name=input.name or "",
                role=input.role,
                locale=input.locale or ctx.who.locale,
                by=ctx.who.user_id,
            )
            if input.active is False:
                people.update_user(ctx.session, user, {"active": False}, by=ctx.who.user_id)
            return shown(ctx, user)

        return mutate(
            ctx,
            UserPayload,
            "user",
            act,
            name="userCreate",
            given=input,
            again=lambda i: user_node(ctx, (key_of(i, "usr"),)),
        )

    @strawberry.mutation(
        description="Change a user. Another address or role, and a closed account, end every "
        "session; the last administrator can't go."
    )
    def user_update(self, info: Info, id: strawberry.ID, input: UserInput) -> UserPayload:  # noqa: A002  # the contract's word
        """Change a user."""
        ctx = info.context

        def act() -> User:
            user = _managed(ctx, id, "id")
            advance(ctx.session, user, input.lock_version)
            own = {"lock_version", "idempotency_key"}
            changes = {n: v for n, v in vars(input).items() if v is not UNSET and n not in own}
            return shown(ctx, people.update_user(ctx.session, user, changes, by=ctx.who.user_id))

        return mutate(
            ctx,
            UserPayload,
            "user",
            act,
            name="userUpdate",
            given=input,
            about=id,
            again=lambda i: user_node(ctx, (key_of(i, "usr"),)),
        )

    @strawberry.mutation(description="Make a token for a program; its secret is shown once.")
    def token_create(self, info: Info, input: TokenCreateInput) -> TokenPayload:  # noqa: A002  # the contract's word
        """Make a token of the viewer."""
        ctx = info.context
        secrets: list[str] = []

        def act() -> ApiToken:
            may(ctx.who, Action.OWN_ACCOUNT)
            row, secret = tokens.new_token(
                ctx.session,
                own_row(ctx),
                name=input.name,
                scopes=input.scopes,
                expires_at=input.expires_at,
                by=ctx.who.user_id,
                within=ctx.who.scopes,
            )
            secrets.append(secret)
            return ApiToken.of(row)

        payload = mutate(ctx, TokenPayload, "token", act, name="tokenCreate")
        payload.secret = secrets[0] if payload.token is not None else None
        return payload

    @strawberry.mutation(description="Make a token worthless from the next request on.")
    def token_revoke(self, info: Info, id: strawberry.ID) -> TokenPayload:  # noqa: A002  # the contract's word
        """Revoke a token."""
        ctx = info.context

        def act() -> ApiToken:
            may(ctx.who, Action.OWN_ACCOUNT)
            key = key_of(id, "tok", "id")
            return ApiToken.of(tokens.revoke_token(ctx.session, key, viewer=ctx.who))

        return mutate(ctx, TokenPayload, "token", act, name="tokenRevoke")

    @strawberry.mutation(
        description="Begin to set up one-time codes; they count once a first code was confirmed."
    )
    def second_factor_start(self, info: Info) -> SecondFactorPayload:
        """Make the app's secret."""
        ctx = info.context

        def act() -> SecondFactorSecret:
            in_person(ctx)
            key = ctx.services.settings.key
            secret, uri = second_factor.start(ctx.session, own_row(ctx), key)
            return SecondFactorSecret(secret=secret, uri=uri)

        return mutate(ctx, SecondFactorPayload, "second_factor", act, name="secondFactorStart")

    @strawberry.mutation(
        description="Turn one-time codes on with a first code; the recovery codes are shown once."
    )
    def second_factor_confirm(
        self,
        info: Info,
        input: SecondFactorConfirmInput,  # noqa: A002  # the contract's word
    ) -> SecondFactorPayload:
        """Turn the second factor on."""
        ctx, place = info.context, info.path.key

        def act() -> list[str]:
            in_person(ctx)
            result_of(ctx.asked, place)
            key = ctx.services.settings.key
            return second_factor.confirm(ctx.session, own_row(ctx), input.code, key)

        return mutate(ctx, SecondFactorPayload, "recovery_codes", act, name="secondFactorConfirm")

    @strawberry.mutation(
        description="Turn one-time codes off: one's own with a code, another's as administrator."
    )
    def second_factor_remove(self, info: Info, input: SecondFactorRemoveInput) -> UserPayload:  # noqa: A002  # the contract's word
        """Turn the second factor off."""
        ctx, place = info.context, info.path.key

        def act() -> User:
            result_of(ctx.asked, place)
            if input.user_id is not None:
                user = _managed(ctx, input.user_id, "input", "userId")
            else:
                in_person(ctx)
                user = own_row(ctx)
                _prove_code(ctx, user, input.code or "")
            second_factor.remove(ctx.session, user, by=ctx.who.user_id)
            return shown(ctx, user)

        return mutate(ctx, UserPayload, "user", act, name="secondFactorRemove")


def _prove_code(ctx: Context, user: AccountUser, code: str) -> None:
    key = ctx.services.settings.key
    if second_factor.is_on(ctx.session, user.id) and not second_factor.accepts(
        ctx.session, user.id, code, key
    ):
        raise Invalid("ONE_TIME_CODE_WRONG", path=("input", "code"))
