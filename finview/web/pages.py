"""Pages of HTML: one template each, escaped, without scripts, and their headers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from finview.errors import FinviewError, Forbidden, Invalid
from finview.i18n import LOCALES, N_, negotiate, sentences, translate
from finview.settings import Settings
from finview.web.viewer import is_forged

sentences(
    {
        "FORM_FOREIGN": N_("This form was not sent by one of our pages. Please try again here."),
        "FORM_BROKEN": N_("This form can't be read. Please try again."),
    }
)

FOLDER = Path(__file__).with_name("templates")
FORM = "application/x-www-form-urlencoded"
BODY_BYTES_MAX = 8 * 1024
HEADERS = {
    # An address may hold the secret of a link: it goes nowhere else and is kept nowhere.
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
}
LANGUAGES = (("de", "Deutsch"), ("en", "English"))
_STATUS = {"RATE_LIMITED": 429, "TOKEN_INVALID": 410, "FORBIDDEN": 403}

WORDS = SimpleNamespace(
    PROBLEM=N_("Please check what you entered"),
    LANGUAGE=N_("Language"),
    EMAIL=N_("E-mail address"),
    PASSWORD=N_("Password"),
    PASSWORD_HINT=N_(
        "At least {min} characters. A sentence is fine, and so is a password manager."
    ),
    CODE=N_("One-time code"),
    CODE_HINT=N_("The code your app shows now, or one of your recovery codes."),
    SIGN_IN=N_("Sign in"),
    SIGN_IN_WITH=N_("Sign in with {provider}"),
    SIGN_OUT=N_("Sign out"),
    SIGN_OUT_EVERYWHERE=N_("Sign out everywhere"),
    FORGOTTEN=N_("Forgot your password?"),
    SET_PASSWORD=N_("Set password"),
    RESET_ABOUT=N_("We will send you an e-mail with a link to choose a new password."),
    SEND_LINK=N_("Send link"),
    NEW_LINK=N_("Ask for a new link"),
    TO_SIGN_IN=N_("Go to the sign-in page"),
    SIGNED_IN_AS=N_("You are signed in as {name} ({email})."),
    SESSIONS=N_("Where you are signed in"),
    UNKNOWN_DEVICE=N_("Unknown device"),
    THIS_ONE=N_("(this one)"),
    LAST_SEEN=N_("Last seen: {at}"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong, and the id of the field it belongs to, if it is one of the page's."""

    message: str
    field: str = ""


def locale_of(request: Request, own: str | None = None) -> str:
    """Return the language of a page: asked for in the address, else the person's, the browser's."""
    wanted = request.query_params.get("lang")
    if wanted in LOCALES:
        return str(wanted)
    header = request.headers.get("accept-language")
    return negotiate(header, default=own) if own else negotiate(header)


def page(
    template: str,
    title: str,
    locale: str,
    *,
    status: int = 200,
    failure: FinviewError | None = None,
    fields: Sequence[str] = (),
    **values: Any,
) -> Response:
    """Return a page in a language; `failure` is told at its field, if it is one of `fields`."""
    errors = [] if failure is None else [_fault(failure, locale, fields)]
    content = (
        _templates()
        .get_template(template)
        .render(
            title=translate(title, locale),
            locale=locale,
            words=WORDS,
            t=lambda text, **params: translate(text, locale, **params),
            languages=LANGUAGES,
            errors=errors,
            wrong=_ByField({e.field: e.message for e in errors if e.field}),
            **values,
        )
    )
    headers = dict(HEADERS)
    if failure is not None:
        status = (
            404 if (failure.reason or "").endswith("_UNKNOWN") else _STATUS.get(failure.code, 422)
        )
        if "seconds" in failure.params:
            headers["retry-after"] = str(failure.params["seconds"])
    return HTMLResponse(content, status, headers=headers)


def moved(address: str) -> Response:
    """Return the answer to a form that was done: the browser goes on with a GET."""
    return Response(status_code=303, headers={**HEADERS, "location": address})


async def form_of(request: Request, settings: Settings) -> Mapping[str, str]:
    """Return what a form of ours sends.

    Raises `Forbidden` for one of another site, `Invalid` for what is no form, or a huge one.
    """
    if is_forged(request, settings):
        raise Forbidden("FORM_FOREIGN")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise Invalid("FORM_BROKEN")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise Invalid("FORM_BROKEN")
    try:
        given = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise Invalid("FORM_BROKEN") from None
    found = {name: values[0] for name, values in given.items()}
    if any("\0" in value for value in found.values()):
        raise Invalid("FORM_BROKEN")
    return found


def stylesheet(_: Request) -> Response:
    """Answer the one stylesheet of the pages."""
    headers = {"cache-control": "public, max-age=3600", "x-content-type-options": "nosniff"}
    return Response(_css(), headers=headers, media_type="text/css")


class _ByField(dict[str, str]):
    """What is wrong with each field; nothing with the others."""

    def __missing__(self, key: str) -> str:
        return ""


def _fault(failure: FinviewError, locale: str, fields: Sequence[str]) -> Fault:
    place = failure.path[-1] if failure.path else ""
    return Fault(failure.message(locale), place if place in fields else "")


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _css() -> str:
    return (FOLDER / "pages.css").read_text(encoding="utf-8")
