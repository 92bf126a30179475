"""Signing in by OpenID Connect: the way to the provider and back, and whom of us it means.

What has to be spoken to the provider stands in `oidc_provider`; here is what the database keeps.
Nobody gets an account this way.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts import invitations
from finview.accounts.models import AccessGrant, AccountUser, Invitation, OidcIdentity, OidcTrip
from finview.accounts.secrets import digest, mailed_secret
from finview.accounts.users import COMMAND_LINE, normal_email
from finview.db import audit
from finview.db.runtime import Services
from finview.errors import FinviewError, Invalid, ProviderFailedError, SignInFailed
from finview.i18n import N_, sentences
from finview.settings import Settings

sentences(
    {
        "OIDC_EXTRA_MISSING": N_(
            "FINVIEW_OIDC_ISSUER is set, but what it needs is not installed: "
            "pip install 'finview[oidc]'."
        ),
        "OIDC_NOT_COMPLETED": N_("Signing in with {provider} did not succeed. Please try again."),
        "OIDC_REFUSED": N_(
            "You can't sign in here with this account of {provider}. "
            "Please ask whoever set up your access."
        ),
    }
)

TRIP_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom the provider vouches for; `is_verified` says that it checked the address itself."""

    issuer: str
    subject: str
    email: str
    is_verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What binds an answer to the browser that asked (state, nonce; RFC 7636: verifier).

    All three follow from the secret in the browser's cookie and the installation's key, so no
    table holds them.
    """

    state: str
    nonce: str
    verifier: str

    @classmethod
    def of(cls, settings: Settings, secret: str) -> "Marks":
        """Return the marks of the trip that a cookie's secret stands for."""
        names = ("state", "nonce", "verifier")
        return cls(**{n: mailed_secret(settings.key, f"oidc-{n}", 0, secret) for n in names})

    def came_back(self, state: str) -> bool:
        """Tell whether an answer carries the state of this trip."""
        return hmac.compare_digest(state.encode(), self.state.encode())


def is_offered(settings: Settings) -> bool:
    """Tell whether people may sign in by OpenID Connect.

    Raises `Invalid` (OIDC_EXTRA_MISSING) when it is set up and the libraries are missing.
    """
    if not settings.oidc_issuer:
        return False
    try:
        for library in ("authlib.oauth2", "joserfc.jwt"):
            import_module(library)
    except ImportError:
        raise Invalid("OIDC_EXTRA_MISSING") from None
    return True


def not_completed(settings: Settings) -> ProviderFailedError:
    """Return the failure of a trip, whatever went wrong on it."""
    return ProviderFailedError("OIDC_NOT_COMPLETED", provider=settings.oidc_name)


def depart(session: Session, secret: str, *, invitation: str | None, locale: str) -> None:
    """Keep that a browser left for the provider; `invitation` is the token of a link it came by.

    Raises `TokenInvalid` for an invitation that opens nothing.
    """
    row = invitations.opened(session, invitation) if invitation is not None else None
    now = clock.now()
    session.execute(delete(OidcTrip).where(OidcTrip.expires_at <= now))
    session.add(
        OidcTrip(
            secret_sha256=digest(secret),
            invitation_sha256=row.token_sha256 if row is not None else None,
            locale=locale,
            expires_at=now + TRIP_FOR,
        )
    )


def arrive(session: Session, secret: str) -> OidcTrip | None:
    """End the trip of a browser and return it; None when it ended before, or took too long."""
    row = session.scalars(
        delete(OidcTrip)
        .where(OidcTrip.secret_sha256 == digest(secret))
        .returning(OidcTrip)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return row if row is not None and row.expires_at > clock.now() else None


def recognise(services: Services, identity: Identity, *, invitation: str | None = None) -> int:
    """Return the id of the user whom an identity belongs to; opens a unit of its own.

    `invitation` is the hash of an invitation's token, which is used up. Raises `SignInFailed`
    alike for the unknown, the closed, those without access and those whose address the provider
    did not verify, and `TokenInvalid` when the invitation was used meanwhile.
    """
    failure: FinviewError | None = None
    with services.db.unit() as session:
        found = _meant(session, identity)
        reason = _against(found, identity)
        invited = None
        if reason is None and invitation is not None:
            try:
                invited = invitations.opened_by(session, invitation, lock=True)
            except FinviewError as used:
                failure, reason = used, used.reason
            if invited is not None and invited.user_id != found.user_id:
                reason = "other person"
        if reason is None:
            _welcome(session, found, identity, invited)
        else:
            subject = ("user", found.user_id)
            audit.record(session, "session.refuse", actor_id=None, subject=subject, reason=reason)
    if reason is not None:
        raise failure or SignInFailed("OIDC_REFUSED", provider=services.settings.oidc_name)
    return found.user_id


def is_linked(session: Session, user_id: int) -> bool:
    """Tell whether a user ever signed in by OpenID Connect."""
    wanted = select(OidcIdentity.id).where(OidcIdentity.user_id == user_id).limit(1)
    return session.scalar(wanted) is not None


def unlink(session: Session, user_id: int) -> None:
    """Forget which identity is a user's: the next sign-in goes by the e-mail address again."""
    session.execute(delete(OidcIdentity).where(OidcIdentity.user_id == user_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Who is meant, 0 for nobody, and the subject the provider called them by before."""

    user_id: int
    may: bool
    subject: str | None


def _meant(session: Session, identity: Identity) -> _Found:
    """Find a user by what the provider called them before, else by the address; lock the row.

    The same statements for everybody: nothing tells who has an account.
    """
    known = session.scalar(
        select(OidcIdentity.user_id).where(
            OidcIdentity.issuer == identity.issuer, OidcIdentity.subject == identity.subject
        )
    )
    which = AccountUser.id == known if known else AccountUser.email == _address(identity)
    user = session.scalars(
        select(AccountUser).where(which).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    user_id = user.id if user is not None else 0
    granted = session.scalar(select(AccessGrant.id).where(AccessGrant.user_id == user_id).limit(1))
    subject = session.scalar(
        select(OidcIdentity.subject).where(
            OidcIdentity.user_id == user_id, OidcIdentity.issuer == identity.issuer
        )
    )
    may = user is not None and user.active and granted is not None and user.email != COMMAND_LINE
    return _Found(user_id=user_id, may=may, subject=subject)


def _address(identity: Identity) -> str:
    """Return a verified address as ours are kept; any other is nobody's."""
    try:
        return normal_email(identity.email) if identity.is_verified else ""
    except FinviewError:
        return ""


def _against(found: _Found, identity: Identity) -> str | None:
    """Return what speaks against letting somebody in, for the audit log."""
    if not identity.is_verified:
        return "address not verified"
    if not found.may:
        return "SIGN_IN_FAILED"
    # An address that the provider gave to somebody else since is not the same person.
    if found.subject not in (None, identity.subject):
        return "other subject"
    return None


def _welcome(
    session: Session, found: _Found, identity: Identity, invited: Invitation | None
) -> None:
    """Remember whom the provider means, and use up the invitation."""
    if invited is not None:
        invitations.accept_without_password(session, invited)
    if found.subject is None:
        session.add(
            OidcIdentity(
                user_id=found.user_id,
                issuer=identity.issuer,
                subject=identity.subject,
                created_at=clock.now(),
            )
        )
        session.flush()
        audit.record(
            session,
            "identity.link",
            actor_id=found.user_id,
            subject=("user", found.user_id),
            issuer=identity.issuer,
        )
