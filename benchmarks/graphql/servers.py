"""One server of the GraphQL benchmark: `python servers.py VARIANT DATABASE_URL DATA_DIR PORT`."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from dataloaders import app as dataloaders_app
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from finview.api.engine import paging, run
from finview.app import open_services
from finview.cases.models import Case
from finview.cli.serving import log_to_stderr
from finview.db.runtime import Services
from finview.settings import Settings
from finview.web.server import create_app, settle

RAW = {
    "sqlite": """SELECT json_group_array(json(j)) FROM (
 SELECT json_object('number', c.number,
  'debtor', json_object('name', d.name, 'addresses', (SELECT json_group_array(
     json_object('street', a.street, 'city', a.city)) FROM address a WHERE a.debtor_id = d.id)),
  'invoices', (SELECT json_group_array(json_object('number', i.number, 'amount', json_object(
     'amount', printf('%d.%02d', i.amount_minor / 100, i.amount_minor % 100),
     'currency', i.currency))) FROM invoice i WHERE i.case_id = c.id),
  'portfolio', json_object('name', p.name, 'customer', json_object('name', k.name))) AS j
 FROM case_file c JOIN debtor d ON d.id = c.debtor_id JOIN portfolio p ON p.id = c.portfolio_id
 JOIN customer k ON k.id = p.customer_id WHERE c.id > :after ORDER BY c.id LIMIT 50)""",
    "postgresql": """SELECT json_agg(j)::text FROM (
 SELECT json_build_object('number', c.number,
  'debtor', json_build_object('name', d.name, 'addresses', (SELECT json_agg(
     json_build_object('street', a.street, 'city', a.city) ORDER BY a.id)
     FROM address a WHERE a.debtor_id = d.id)),
  'invoices', (SELECT json_agg(json_build_object('number', i.number, 'amount', json_build_object(
     'amount', (i.amount_minor / 100)::text || '.' || lpad((i.amount_minor % 100)::text, 2, '0'),
     'currency', i.currency)) ORDER BY i.id) FROM invoice i WHERE i.case_id = c.id),
  'portfolio', json_build_object('name', p.name, 'customer', json_build_object('name', k.name)))
  AS j
 FROM case_file c JOIN debtor d ON d.id = c.debtor_id JOIN portfolio p ON p.id = c.portfolio_id
 JOIN customer k ON k.id = p.customer_id WHERE c.id > :after ORDER BY c.id LIMIT 50) page""",
}


def raw_app(services: Services) -> Starlette:
    """The limit: one hand-written statement, no GraphQL, no sign-in, no access, no page info."""
    statement = text(RAW[services.db.dialect])
    mark = paging.fingerprint([paging.Order(Case.id)])

    def read(after: str | None) -> str:
        key = paging.values_of(after, mark, 1)[0] if after else 0
        with services.db.glancer.connect() as connection:
            found: str = connection.execute(statement, {"after": key}).scalar_one()
            return found

    async def handle(request: Request) -> Response:
        given = orjson.loads(await request.body())
        found = await asyncio.to_thread(read, given["variables"]["after"])
        body = b'{"data":{"cases":{"nodes":' + found.encode() + b"}}}"
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/graphql", handle, methods=["POST"])])


def rows_app(services: Services) -> Starlette:
    """Finview with its first back end alone."""
    run.written = lambda *_: None  # type: ignore[assignment]
    return shipped_app(services)


def shipped_app(services: Services) -> Starlette:
    """Finview as `finview serve` runs it, logging on; `/counts` tells how it answered."""
    log_to_stderr()
    app = create_app(services)
    counts = Route("/counts", lambda _: JSONResponse(run.COUNTS.read()), methods=["GET"])
    app.router.routes.append(counts)
    return app


VARIANTS: dict[str, Callable[[Services], Any]] = {
    "dataloaders": dataloaders_app,
    "rows": rows_app,
    "finview": shipped_app,
    "raw": raw_app,
}


def main() -> None:
    """Serve one variant until killed."""
    variant, url, folder, port = sys.argv[1:]
    given: dict[str, Any] = {"database_url": url, "data_dir": Path(folder)}
    services = open_services(Settings(**given), role="serve")
    app = VARIANTS[variant](services)
    settle()
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_config=None, lifespan="off")


if __name__ == "__main__":
    main()
