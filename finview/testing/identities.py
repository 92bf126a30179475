"""An OpenID Connect provider for tests: a small server on this machine that signs what it is told."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeyParameters, OctKey, RSAKey

from finview import clock

CLIENT_ID, CLIENT_SECRET = "finview at the agency", "s3cret & more"
Answer = tuple[int, dict[str, str], bytes]


@cache
def key_of(kind: str) -> Key:
    """Return the signing key of a kind, always the same: RSA, EC, or `oct` for our own secret."""
    parameters: KeyParameters = {"kid": "now", "use": "sig"}
    if kind == "oct":
        return OctKey.import_key(CLIENT_SECRET * 3, parameters)
    if kind == "RSA":
        return RSAKey.generate_key(2048, parameters)
    return ECKey.generate_key("P-256", parameters)


@dataclass
class Identities:
    """What the provider knows; `answers` replaces what it says at a path, `asked` is what it heard."""

    issuer: str
    key: Key = field(default_factory=lambda: key_of("EC"))
    post: bool = True
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    while_asked: Callable[[], None] = lambda: None

    def approve(
        self,
        location: str,
        *,
        algorithm: str = "ES256",
        key: Key | None = None,
        **claims: Any,
    ) -> str:
        """Let a person agree who was sent here, and return where their browser goes back to.

        `claims` are those of the ID token that differ; None leaves one out.
        """
        asked = dict(parse_qsl(urlsplit(location).query))
        now = clock.now_ms() // 1000
        usual = {"iss": self.issuer, "aud": CLIENT_ID, "nonce": asked["nonce"], "iat": now}
        usual |= {"exp": now + 300, "sub": "person-1", "email_verified": True}
        held = {k: v for k, v in (usual | claims).items() if v is not None}
        code = secrets.token_urlsafe(8)
        self.codes[code] = {**asked, "id_token": _signed(held, algorithm, key or self.key)}
        back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return f"{urlsplit(asked['redirect_uri']).path}?{back}"

    def answer(self, path: str, headers: Any, form: dict[str, str]) -> Answer:
        """Return what the provider says to a request."""
        self.asked.append(path)
        self.while_asked()
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            return _json(self._metadata())
        if path == "/keys":
            encryption = {"kty": "EC", "use": "enc", "kid": "other"}
            return _json({"keys": [encryption, {"kty": "new"}, self.key.as_dict(private=False)]})
        if path == "/userinfo" and headers["authorization"] == "Bearer access":
            return _json(self.userinfo)
        if path == "/token" and self._is_known(headers, form):
            return self._tokens(form)
        return _json({"error": "invalid_request"}, 400)

    def _metadata(self) -> dict[str, Any]:
        ends = {"jwks_uri": "keys", "userinfo_endpoint": "userinfo", "token_endpoint": "token"}
        ends["authorization_endpoint"] = "authorize"
        found: dict[str, Any] = {name: f"{self.issuer}/{end}" for name, end in ends.items()}
        if self.post:
            found["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        return {"issuer": self.issuer, **found}

    def _is_known(self, headers: Any, form: dict[str, str]) -> bool:
        if self.post:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        given = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
        return given == "finview+at+the+agency:s3cret+%26+more"

    def _tokens(self, form: dict[str, str]) -> Answer:
        """Exchange a code, once, for whoever holds the verifier of the challenge (RFC 7636)."""
        granted = self.codes.pop(form["code"], None)
        hashed = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
        wanted = (challenge, "S256", form["redirect_uri"], "authorization_code")
        if granted is None or wanted != (
            granted["code_challenge"],
            granted["code_challenge_method"],
            granted["redirect_uri"],
            form["grant_type"],
        ):
            return _json({"error": "invalid_grant"}, 400)
        return _json({"access_token": "access", "id_token": granted["id_token"]})


@contextmanager
def identities() -> Iterator[Identities]:
    """Run a provider on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._say(dict(parse_qsl(body.decode())))

        def _say(self, form: dict[str, str]) -> None:
            status, headers, body = provider.answer(self.path, self.headers, form)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    provider = Identities(issuer=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _json(document: Any, status: int = 200) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(document).encode()


def _signed(claims: dict[str, Any], algorithm: str, key: Key) -> str:
    header = {"alg": algorithm, "kid": "now"}
    if algorithm != "none":
        return jwt.encode(header, claims, key, algorithms=[algorithm])
    parts = [json.dumps(part).encode() for part in (header, claims)]
    return ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts) + "."
