"""Speaks to the OpenID Connect provider: where to send a browser, and whom its answer names.

The calls stand here, above the room of the one outgoing client and below every page: people wait
for them, so they are no job, and nothing else may make them. Call with no session open. Nothing is
kept between two sign-ins: they are rare, and a provider's new keys count at once.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import quote_plus, urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from finview import clock
from finview.accounts.oidc import Identity, Marks, not_completed
from finview.plugins.http import Budget, public_client
from finview.settings import Settings

CALLBACK = "/sign-in/oidc/callback"
SCOPE = "openid email"
SECONDS_MAX = 10.0
ANSWER_BYTES_MAX = 512 * 1024
SKEW_S = 60
SUBJECT_CHARS_MAX = 255
"""OpenID Connect Core 1.0, section 2."""
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "Ed25519", "EdDSA")
"""Signatures by a private key: never `none`, never one that our own secret would check."""
KEY_TYPES = ("RSA", "EC", "OKP")

log = logging.getLogger("finview.accounts.oidc")


def authorization_url(settings: Settings, marks: Marks, *, locale: str) -> str:
    """Return where a browser is sent to; raises `ProviderFailedError` (OIDC_NOT_COMPLETED)."""
    with _spoken_to(settings) as client:
        address = _endpoint(_metadata(client, settings), "authorization_endpoint", settings)
    return str(
        prepare_grant_uri(
            address,
            settings.oidc_client_id,
            "code",
            redirect_uri=_callback(settings),
            scope=SCOPE,
            state=marks.state,
            nonce=marks.nonce,
            code_challenge=create_s256_code_challenge(marks.verifier),
            code_challenge_method="S256",
            ui_locales=locale,
        )
    )


def identify(settings: Settings, marks: Marks, answer: Mapping[str, str]) -> Identity:
    """Return whom an answer names: its code is exchanged, the ID token of it verified.

    The state was compared before. Raises `ProviderFailedError` (OIDC_NOT_COMPLETED); why stands in
    the log, without secrets.
    """
    with _spoken_to(settings) as client:
        if answer.get("iss", settings.oidc_issuer) != settings.oidc_issuer:
            _refuse("the answer names another issuer")  # RFC 9207
        code = answer.get("code")
        if not code:
            _refuse(f"the answer holds no code: {answer.get('error', '')[:60]!r}")
        metadata = _metadata(client, settings)
        tokens = _exchanged(client, settings, metadata, code, marks)
        keys = _keys(client.get(_endpoint(metadata, "jwks_uri", settings)))
        claims = _verified(settings, tokens.get("id_token"), keys, marks)
        if "email" not in claims and "userinfo_endpoint" in metadata:
            claims = _more(client, settings, metadata, tokens, claims)
    return Identity(
        issuer=settings.oidc_issuer,
        subject=claims["sub"],
        email=str(claims.get("email") or ""),
        is_verified=claims.get("email_verified") is True,
    )


@contextmanager
def _spoken_to(settings: Settings) -> Iterator[httpx.Client]:
    """Lend a client for one step of a sign-in; whatever goes wrong reads the same outside.

    The provider's own host was named by the operator, so it may be one of the private network.
    """
    try:
        parts = urlsplit(settings.oidc_issuer)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        budget = Budget(seconds=SECONDS_MAX, bytes_max=ANSWER_BYTES_MAX)
        with public_client(trusted=[(parts.hostname or "", port)], budget=budget) as client:
            yield client
    except (httpx.HTTPError, httpx.InvalidURL, JoseError, ValueError, TypeError, KeyError) as error:
        log.warning("OpenID Connect: %s: %s", type(error).__name__, str(error)[:200])
        raise not_completed(settings) from None


def _refuse(why: str) -> NoReturn:
    raise ValueError(why)


def _callback(settings: Settings) -> str:
    return settings.base_url.rstrip("/") + CALLBACK


def _document(response: httpx.Response) -> dict[str, Any]:
    if response.status_code != httpx.codes.OK:
        _refuse(f"{response.url.path} answered {response.status_code}")
    found = response.json()
    if not isinstance(found, dict):
        _refuse(f"{response.url.path} answered no object")
    return found


def _metadata(client: httpx.Client, settings: Settings) -> dict[str, Any]:
    issuer = settings.oidc_issuer
    found = _document(client.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    if found.get("issuer") != issuer:
        _refuse("the provider names itself otherwise than FINVIEW_OIDC_ISSUER")
    return found


def _endpoint(metadata: Mapping[str, Any], name: str, settings: Settings) -> str:
    """Return an address of the provider; an https one leads to https alone."""
    found = metadata.get(name)
    scheme = f"{urlsplit(settings.oidc_issuer).scheme}://"
    if not isinstance(found, str) or not found.startswith(("https://", scheme)):
        _refuse(f"the provider has no {name}")
    return found


def _exchanged(
    client: httpx.Client, settings: Settings, metadata: Mapping[str, Any], code: str, marks: Marks
) -> dict[str, Any]:
    """Exchange a code for tokens, with the method of proving ourselves that the provider takes."""
    known, secret = settings.oidc_client_id, settings.oidc_client_secret.get_secret_value()
    method = "client_secret_post"
    if method not in (metadata.get("token_endpoint_auth_methods_supported") or ()):
        # RFC 6749, section 2.3.1: both are encoded before they are joined.
        method, known, secret = "client_secret_basic", quote_plus(known), quote_plus(secret)
    body = prepare_token_request(
        "authorization_code",
        redirect_uri=_callback(settings),
        code=code,
        code_verifier=marks.verifier,
    )
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    address = _endpoint(metadata, "token_endpoint", settings)
    address, headers, body = ClientAuth(known, secret, method).prepare(
        "POST", address, headers, body
    )
    return _document(client.post(address, content=body, headers=headers))


def _keys(response: httpx.Response) -> KeySet:
    """Return the keys that sign; kinds we don't know are somebody else's."""
    given = _document(response).get("keys")
    if not isinstance(given, list):
        _refuse("the provider shows no keys")
    objects = [key for key in given if isinstance(key, dict)]
    wanted = [k for k in objects if k.get("kty") in KEY_TYPES and k.get("use", "sig") == "sig"]
    return KeySet.import_key_set({"keys": wanted})


def _verified(settings: Settings, token: object, keys: KeySet, marks: Marks) -> dict[str, Any]:
    """Return the claims of an ID token (OpenID Connect Core 1.0, section 3.1.3.7)."""
    if not isinstance(token, str):
        _refuse("the answer holds no ID token")
    claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    known = settings.oidc_client_id
    jwt.JWTClaimsRegistry(
        now=clock.now_ms() // 1000,
        leeway=SKEW_S,
        iss={"essential": True, "value": settings.oidc_issuer},
        aud={"essential": True, "value": known},
        nonce={"essential": True, "value": marks.nonce},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
    ).validate(claims)
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else known) != known:
        _refuse("the ID token was made for another client")
    if len(claims["sub"]) > SUBJECT_CHARS_MAX:
        _refuse("the subject is too long")
    return claims


def _more(
    client: httpx.Client,
    settings: Settings,
    metadata: Mapping[str, Any],
    tokens: Mapping[str, Any],
    claims: Mapping[str, Any],
) -> dict[str, Any]:
    """Ask for the address where the ID token holds none; it must be of the same subject."""
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    address = _endpoint(metadata, "userinfo_endpoint", settings)
    found = _document(client.get(address, headers=bearer))
    if found.get("sub") != claims["sub"]:
        _refuse("the provider told about somebody else")
    return {**claims, **{name: found.get(name) for name in ("email", "email_verified")}}
