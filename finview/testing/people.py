"""People for tests: a user with a password, and browsers that sign in as one."""

from typing import Any

from finview.accounts.access import Role
from finview.accounts.passwords import hash_password
from finview.accounts.users import create_user, find_user
from finview.db.runtime import Services
from finview.testing.client import Client

PASSWORD = "correct horse battery"  # noqa: S105  # of nobody
EMAIL = "vera@inkasso.example"

SESSION_CREATE = """mutation($input: SessionCreateInput!) { sessionCreate(input: $input) {
  session { id current userAgent createdAt lastSeenAt } secret
  errors { code message path params } } }"""


def person(
    services: Services, email: str = EMAIL, role: Role | None = Role.OPERATOR, **values: Any
) -> int:
    """Create a user with the password and return the key."""
    hashed = hash_password(PASSWORD, services.settings)
    with services.db.unit() as session:
        user = find_user(session, email) or create_user(
            session, email=email, name="Vera Wolf", role=role
        )
        user.password_hash = hashed
        for name, value in values.items():
            setattr(user, name, value)
        return user.id


def sign_in(
    browser: Client, email: str = EMAIL, password: str = PASSWORD, code: str | None = None
) -> dict[str, Any]:
    """Sign a browser in over GraphQL and return the payload; it keeps the cookie."""
    given = {"email": email, "password": password, "oneTimeCode": code}
    found: dict[str, Any] = browser.ask(SESSION_CREATE, input=given)["sessionCreate"]
    return found


def browser_of(services: Services, email: str = EMAIL, **headers: str) -> Client:
    """Return a browser in which somebody is signed in."""
    browser = Client(services, None)
    browser.http.headers.update(headers)
    assert sign_in(browser, email)["errors"] == []
    return browser
