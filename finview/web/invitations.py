"""/invitations/{token}: the page behind an invitation's link, where a password is set once."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from finview.accounts.invitations import accept, opened
from finview.accounts.models import AccountUser
from finview.accounts.passwords import hash_password
from finview.accounts.sign_in import admitted
from finview.customers.models import Customer
from finview.db.runtime import Services
from finview.errors import FinviewError
from finview.i18n import N_, translate
from finview.settings import Settings
from finview.web.pages import form_of, locale_of
from finview.web.passwords import password_form, told
from finview.web.sign_in import Handler, begun, client_of, provider_of
from finview.web.threads import in_thread

TITLE = N_("Choose your password")
ABOUT = N_("{inviter} has set up access for you ({email}) to the cases of {customer}.")


@dataclass(frozen=True, slots=True)
class _Invited:
    customer: str
    inviter: str
    email: str
    locale: str


def endpoint(services: Services) -> Handler:
    """Return the handler of invitations."""

    async def handle(request: Request) -> Response:
        token = str(request.path_params["token"])
        if request.method != "POST":
            return await in_thread(_opened, services, token, request)
        try:
            form = await form_of(request, services.settings)
        except FinviewError as failure:
            return told(failure, TITLE, locale_of(request))
        return await in_thread(_accepted, services, token, request, form)

    return handle


def _opened(services: Services, token: str, request: Request) -> Response:
    try:
        invited = _look(services, token)
    except FinviewError as failure:
        return told(failure, TITLE, locale_of(request))
    return _form(services.settings, invited, request)


def _accepted(
    services: Services, token: str, request: Request, form: Mapping[str, str]
) -> Response:
    """Hash with no session open, then set once and sign in; the first of two wins."""
    invited = None
    try:
        admitted(services, client_of(request))
        invited = _look(services, token)
        hashed = hash_password(form.get("password", ""), services.settings)
        with services.db.unit() as session:
            user_id = accept(session, token, hashed, locale=form.get("locale")).id
    except FinviewError as failure:
        if invited is None or failure.code == "TOKEN_INVALID":
            return told(failure, TITLE, locale_of(request))
        return _form(services.settings, invited, request, failure, form.get("locale"))
    return begun(services, request, user_id)


def _look(services: Services, token: str) -> _Invited:
    """Return what the page tells; raises for a link that opens nothing."""
    with services.db.reading() as session:
        row = opened(session, token)
        customer = session.get_one(Customer, row.customer_id)
        name = str(customer.company.get("name") or customer.name)
        user = session.get_one(AccountUser, row.user_id)
        inviter = session.get(AccountUser, row.invited_by) if row.invited_by else None
        return _Invited(name, inviter.name if inviter else name, user.email, user.locale)


def _form(
    settings: Settings,
    invited: _Invited,
    request: Request,
    failure: FinviewError | None = None,
    chosen: str | None = None,
) -> Response:
    locale = locale_of(request, invited.locale)
    about = translate(
        ABOUT, locale, inviter=invited.inviter, email=invited.email, customer=invited.customer
    )
    return password_form(
        TITLE,
        locale,
        failure=failure,
        about=about,
        email=invited.email,
        choices=True,
        chosen=chosen or locale,
        provider=provider_of(settings, locale, invitation=str(request.path_params["token"])),
    )
