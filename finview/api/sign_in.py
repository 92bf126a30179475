"""Signing in and out, links to choose a password by, invitations: what strangers may ask, too."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import strawberry

from finview.accounts import invitations, password_links, sessions
from finview.accounts.access import Action, may
from finview.accounts.access import Viewer as ViewerRow
from finview.accounts.models import AccountUser
from finview.accounts.passwords import hash_password
from finview.accounts.sign_in import Attempt, admitted, known_by, prove
from finview.api.accounts import Session, User, in_person, own_row, shown
from finview.api.common import f
from finview.api.engine.ahead import ahead, result_of
from finview.api.engine.context import Asked, Context, Info
from finview.api.engine.errors import UserError, mutate, user_error
from finview.api.engine.ids import key_of
from finview.api.engine.scalars import LocaleCode
from finview.customers.models import Customer
from finview.db.runtime import Services
from finview.errors import FinviewError

P = TypeVar("P")


@strawberry.type(description="What an invitation's link tells before anybody has signed in.")
class InvitationInfo:
    """What an invitation's link tells."""

    inviter: str = f(description="Who invites.")
    customer: str = f(description="For which customer.")
    email: str = f(description="The address the person will sign in with.")
    locale: LocaleCode = f(description="The language of the invitation.")
    expires_at: datetime = f(description="When the link ends.")


@strawberry.type(description="The answer of a mutation of a session.")
class SessionPayload:
    """The answer of a mutation."""

    session: Session | None = f(default=None, description="As it is now.")
    secret: str | None = f(
        default=None, description="What the browser's cookie holds; it can't be read again."
    )
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.type(description="The answer of a mutation of a user.")
class UserPayload:
    """The answer of a mutation."""

    user: User | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


@strawberry.input(description="What somebody signs in with.")
class SessionCreateInput:
    """What somebody signs in with."""

    email: str = f(description="The e-mail address.")
    password: str = f(description="The password.")
    one_time_code: str | None = f(
        default=None, description="The code of the app, or a recovery code, if one is needed."
    )


@strawberry.input(description="Another password for oneself.")
class PasswordChangeInput:
    """Another password for oneself."""

    current: str = f(description="The password so far.")
    password: str = f(description="The new password: 12 to 200 characters.")


def invitation(info: Info, token: str) -> InvitationInfo | None:
    """Return what an invitation's link tells; null when it opens nothing."""
    session = info.context.session
    try:
        row = invitations.opened(session, token)
    except FinviewError:
        return None
    customer = session.get_one(Customer, row.customer_id)
    user = session.get_one(AccountUser, row.user_id)
    inviter = session.get(AccountUser, row.invited_by) if row.invited_by else None
    name = str(customer.company.get("name") or customer.name)
    return InvitationInfo(
        inviter=inviter.name if inviter else name,
        customer=name,
        email=user.email,
        locale=LocaleCode(user.locale),
        expires_at=row.expires_at,
    )


@ahead("sessionCreate")
def _prove(
    services: Services, given: Mapping[str, Any], asked: Asked, _viewer: ViewerRow | None
) -> int:
    said = given["input"]
    code = said.get("oneTimeCode")
    return prove(
        services,
        Attempt(
            email=said["email"], password=said["password"], one_time_code=code, client=asked.client
        ),
    )


@ahead("passwordResetRequest")
def _order(
    services: Services, given: Mapping[str, Any], asked: Asked, _viewer: ViewerRow | None
) -> None:
    password_links.ask(services, given["email"], asked.client)


@ahead("passwordReset")
def _hash_for_link(
    services: Services, given: Mapping[str, Any], asked: Asked, _viewer: ViewerRow | None
) -> str:
    admitted(services, asked.client)
    with services.db.reading() as session:
        password_links.opened(session, given["token"])
    return hash_password(given["password"], services.settings)


@ahead("invitationAccept")
def _hash_for_invitation(
    services: Services, given: Mapping[str, Any], asked: Asked, _viewer: ViewerRow | None
) -> str:
    admitted(services, asked.client)
    with services.db.reading() as session:
        invitations.opened(session, given["token"])
    return hash_password(given["password"], services.settings)


@ahead("passwordChange")
def _hash_for_change(
    services: Services, given: Mapping[str, Any], asked: Asked, viewer: ViewerRow | None
) -> str | None:
    if viewer is None:
        return None
    said = given["input"]
    known_by(services, viewer.user_id, said["current"], client=asked.client)
    return hash_password(said["password"], services.settings)


def openly(ctx: Context, payload: Callable[..., P], act: Callable[[], Mapping[str, Any]]) -> P:
    """Run a mutation that needs nobody signed in, in its own savepoint, as `mutate` does."""
    try:
        with ctx.session.begin_nested():
            made = act()
            ctx.session.flush()
        return payload(**made, errors=[])
    except FinviewError as failure:
        ctx.session.expire_all()
        return payload(errors=[user_error(failure, ctx.locale)])


def _begin(ctx: Context, user: AccountUser) -> dict[str, Any]:
    """Begin a session; the browser gets its cookie, others read the secret."""
    row, secret = sessions.begin(
        ctx.session,
        user,
        ctx.services.settings,
        user_agent=ctx.asked.user_agent,
        instead_of=ctx.asked.cookie,
    )
    ctx.asked.answer_cookie = secret
    return {"session": Session.of(row, current=True), "secret": secret}


@strawberry.type
class SignInMutation:
    """Signing in and out."""

    @strawberry.mutation(
        description="Sign in. An unknown address and a wrong password read the same. The secret is "
        "shown once; a browser gets it as its cookie, too."
    )
    def session_create(self, info: Info, input: SessionCreateInput) -> SessionPayload:  # noqa: A002, ARG002  # the contract's word
        """Begin a session of whoever was proven."""
        ctx, key = info.context, info.path.key

        def act() -> dict[str, Any]:
            user_id = result_of(ctx.asked, key)
            return _begin(ctx, ctx.session.get_one(AccountUser, user_id))

        return openly(ctx, SessionPayload, act)

    @strawberry.mutation(description="Sign out; null ends every session of the viewer.")
    def session_end(self, info: Info, id: strawberry.ID | None = None) -> SessionPayload:  # noqa: A002  # the contract's word
        """End one session, or all."""
        ctx = info.context

        def act() -> Session | None:
            may(ctx.who, Action.OWN_ACCOUNT)
            key = None if id is None else key_of(id, "ses", "id")
            row = sessions.end(ctx.session, key, viewer=ctx.who)
            if key is None or key == ctx.who.session_id:
                ctx.asked.answer_cookie = ""
            return None if row is None else Session.of(row, current=key == ctx.who.session_id)

        return mutate(ctx, SessionPayload, "session", act, name="sessionEnd")

    @strawberry.mutation(
        description="Send a link to choose a new password to an address, if it is known; the "
        "answer is the same."
    )
    def password_reset_request(self, info: Info, email: str) -> UserPayload:  # noqa: ARG002  # read ahead
        """Answer alike for every address."""
        ctx, key = info.context, info.path.key

        def act() -> dict[str, Any]:
            result_of(ctx.asked, key)
            return {}

        return openly(ctx, UserPayload, act)

    @strawberry.mutation(
        description="Choose a new password by the link of a mail; every session ends."
    )
    def password_reset(self, info: Info, token: str, password: str) -> UserPayload:  # noqa: ARG002  # hashed ahead
        """Set the password."""
        ctx, key = info.context, info.path.key

        def act() -> dict[str, Any]:
            hashed = result_of(ctx.asked, key)
            user = password_links.set_password(ctx.session, token, hashed)
            return {"user": shown(ctx, user)}

        return openly(ctx, UserPayload, act)

    @strawberry.mutation(
        description="Choose another password, signed in with a browser; every other session ends, "
        "and this one goes on under a new secret."
    )
    def password_change(self, info: Info, input: PasswordChangeInput) -> SessionPayload:  # noqa: A002, ARG002  # the contract's word
        """Set the password and begin the session anew."""
        ctx, key = info.context, info.path.key
        made: dict[str, Any] = {}

        def act() -> Session:
            in_person(ctx)
            hashed = result_of(ctx.asked, key)
            user = own_row(ctx)
            password_links.replace_password(ctx.session, user, hashed, by=user.id)
            made.update(_begin(ctx, user))
            session: Session = made["session"]
            return session

        payload = mutate(ctx, SessionPayload, "session", act, name="passwordChange")
        payload.secret = made.get("secret") if payload.session is not None else None
        return payload

    @strawberry.mutation(
        description="Choose the first password by the link of an invitation, and sign in."
    )
    def invitation_accept(
        self,
        info: Info,
        token: str,
        password: str,  # noqa: ARG002  # hashed ahead
        locale: LocaleCode | None = None,
    ) -> SessionPayload:
        """Set the password once and begin a session."""
        ctx, key = info.context, info.path.key

        def act() -> dict[str, Any]:
            hashed = result_of(ctx.asked, key)
            user = invitations.accept(ctx.session, token, hashed, locale=locale)
            return _begin(ctx, user)

        return openly(ctx, SessionPayload, act)
