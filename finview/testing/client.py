"""A GraphQL client for tests and benchmarks: the app in process, spoken to over HTTP."""

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from finview.accounts.access import Role
from finview.accounts.tokens import create_token
from finview.accounts.users import create_user, find_user
from finview.db.runtime import Services
from finview.jobs.runner import drain
from finview.web.server import create_app


class GraphQLFailed(AssertionError):
    """A request had top-level errors, or a payload had user errors that were not expected."""


class Client:
    """Speaks GraphQL as one user; jobs run when `drain` is called."""

    def __init__(
        self, services: Services, token: str | None, *, language: str | None = None
    ) -> None:
        self.services = services
        self.http = TestClient(create_app(services))
        if token:
            self.http.headers["authorization"] = f"Bearer {token}"
        if language:
            self.http.headers["accept-language"] = language

    def send(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the whole answer."""
        answer = self.http.post("/graphql", json={"query": query, "variables": variables})
        body: dict[str, Any] = answer.json()
        return body

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the data of a query; raises `GraphQLFailed` on any error."""
        body = self.send(query, **variables)
        if body.get("errors"):
            raise GraphQLFailed(body["errors"])
        return body["data"]

    def do(self, mutation: str, answer: str, **values: Any) -> Any:
        """Run a mutation that takes one `input` and return its payload's object.

        `mutation` is its name, `answer` the selection, e.g. `customer { id }`. Raises
        `GraphQLFailed` with the user errors of the payload.
        """
        payload = self.attempt(mutation, answer, **values)
        if payload["errors"]:
            raise GraphQLFailed(payload["errors"])
        return next(value for key, value in payload.items() if key != "errors")

    def attempt(self, mutation: str, answer: str, **values: Any) -> dict[str, Any]:
        """Run a mutation and return its payload, with its user errors."""
        kind = mutation[0].upper() + mutation[1:] + "Input!"
        kind = {
            "ImportReviewCompleteInput!": "ImportIdInput!",
            "ImportLaunchInput!": "ImportIdInput!",
            "BusinessUnitCreateInput!": "BusinessUnitInput!",
            "BusinessUnitSettingsUpdateInput!": "BusinessUnitSettingsInput!",
            "CustomerCreateInput!": "CustomerInput!",
            "CustomerSettingsUpdateInput!": "CustomerSettingsInput!",
            "PortfolioCreateInput!": "PortfolioInput!",
            "BucketCreateInput!": "BucketInput!",
            "BucketSettingsUpdateInput!": "BucketSettingsInput!",
        }.get(kind, kind)
        query = (
            f"mutation($input: {kind}) {{ {mutation}(input: $input) {{ {answer} "
            "errors { code message path params } } }"
        )
        payload: dict[str, Any] = self.ask(query, input=values)[mutation]
        return payload

    def act(self, mutation: str, public_id: str, answer: str) -> dict[str, Any]:
        """Run a mutation that takes an id alone and return its payload, with its user errors."""
        query = (
            f"mutation($id: ID!) {{ {mutation}(id: $id) {{ {answer} "
            "errors { code message path params } } }"
        )
        payload: dict[str, Any] = self.ask(query, id=public_id)[mutation]
        return payload

    def update(self, mutation: str, public_id: str, answer: str, **values: Any) -> dict[str, Any]:
        """Run a mutation that takes an id beside its input and return its payload."""
        noun = mutation.removesuffix("Update")
        shared = {"businessUnit", "customer", "debtor"}
        kind = f"{noun[0].upper()}{noun[1:]}{'Input' if noun in shared else 'UpdateInput'}!"
        query = (
            f"mutation($id: ID!, $input: {kind}) {{ {mutation}(id: $id, input: $input) {{ {answer} "
            "errors { code message path params } } }"
        )
        payload: dict[str, Any] = self.ask(query, id=public_id, input=values)[mutation]
        return payload

    def upload(self, path: Path) -> str:
        """Upload a file and return the upload's id."""
        content = path.read_bytes()
        made = self.do(
            "uploadCreate", "upload { id url }", filename=path.name, sizeBytes=len(content)
        )
        answer = self.http.put(made["url"], content=content)
        if answer.status_code != 204:
            raise GraphQLFailed(answer.text)
        return str(made["id"])

    def drain(self) -> int:
        """Run every due job here and now."""
        return drain(self.services)


def client_for(
    services: Services,
    email: str = "operator@example.org",
    role: Role | None = Role.ADMIN,
    *,
    language: str | None = None,
) -> Client:
    """Return a client signed in as a user, who is created on first use."""
    with services.db.unit() as session:
        user = find_user(session, email) or create_user(
            session, email=email, name="Test User", role=role
        )
        token = create_token(session, user)
    return Client(services, token, language=language)
