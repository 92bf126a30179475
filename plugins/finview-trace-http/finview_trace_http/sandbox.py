"""A tracing service for trying out: invented answers, the same for the same person, all in memory."""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

KEY = "sandbox"
BODY_BYTES_MAX = 8 * 1024 * 1024
ANSWERS = ("FOUND", "NOT_FOUND", "PENDING", "REFUSED")
BY_CHANCE = ("FOUND", "FOUND", "PENDING", "NOT_FOUND")
"""What becomes of a person, by the first byte of a hash of the name and the case number."""

Reply = tuple[int, dict[str, Any]]


class Sandbox:
    """The service: it keeps every key, so that none is charged twice."""

    def __init__(
        self,
        *,
        api_key: str = KEY,
        cost: str = "1.20",
        currency: str = "EUR",
        answer: str | None = None,
        ask_after_s: int = 3600,
    ) -> None:
        self.api_key, self.cost, self.currency = api_key, cost, currency
        self.answer, self.ask_after_s = answer, ask_after_s
        self.fails: list[int] = []
        """Status codes the next requests get instead of an answer."""
        self.loses = 0
        """How many of the next searches are done and charged, but answered with 502."""
        self._lock = Lock()
        self._log: list[dict[str, Any]] = []
        self._done: dict[str, dict[str, Any]] = {}
        self._pending: dict[str, dict[str, Any]] = {}

    def log(self) -> dict[str, Any]:
        """Return every search that was asked for, and how many of them were charged."""
        with self._lock:
            charged = sum(1 for one in self._log if one["charged"])
            total = sum(_cents(one["charged"]) for one in self._log if one["charged"])
            return {
                "asked": len(self._log),
                "charged": charged,
                "total": {"amount": f"{total // 100}.{total % 100:02}", "currency": self.currency},
                "searches": list(self._log),
            }

    def trace(self, body: Mapping[str, Any]) -> Reply:
        """Search for every item of a request; a key that was seen gets its old answer."""
        with self._lock:
            results = [self._traced(item) for item in body["items"]]
            if self.loses:
                self.loses -= 1
                return 502, {"error": "the answer was lost"}
        return 200, {"results": results}

    def poll(self, body: Mapping[str, Any]) -> Reply:
        """Return what became of searches that were answered PENDING; they were charged then."""
        with self._lock:
            results = [
                {
                    "reference": one,
                    **self._pending.get(one, {"status": "REFUSED", "why": "unknown"}),
                }
                for one in body["references"]
            ]
        return 200, {"results": results}

    def _traced(self, item: Mapping[str, Any]) -> dict[str, Any]:
        key = str(item["key"])
        again = key in self._done
        if not again:
            self._done[key] = {"key": key, **self._search(item)}
        result = self._done[key]
        free = again or result["status"] == "REFUSED"
        self._log.append(
            {
                "key": key,
                "case_number": item.get("case_number"),
                "status": result["status"],
                "charged": None if free else self.cost,
            }
        )
        return result

    def _search(self, item: Mapping[str, Any]) -> dict[str, Any]:
        who = " ".join(str(item.get(n) or "") for n in ("first_name", "last_name", "company"))
        if not who.strip():
            return {"status": "REFUSED", "why": "A search needs a name."}
        digest = hashlib.sha256(f"{who}|{item.get('case_number')}".encode()).digest()
        status = self.answer or BY_CHANCE[digest[0] % len(BY_CHANCE)]
        cost = {"cost": {"amount": self.cost, "currency": self.currency}}
        found = {"status": "FOUND", "contacts": _contacts(item, digest), **cost}
        if status == "PENDING":
            reference = f"ref-{digest.hex()[:16]}-{len(self._pending) + 1}"
            self._pending[reference] = found
            return {"status": "PENDING", "reference": reference, "ask_after_s": self.ask_after_s}
        if status == "REFUSED":
            return {"status": "REFUSED", "why": "This person objects to searches."}
        return found if status == "FOUND" else {"status": "NOT_FOUND", **cost}


def _contacts(item: Mapping[str, Any], digest: bytes) -> list[dict[str, Any]]:
    """Invent an address, a phone number of the ranges kept for films, and sometimes an e-mail."""
    letters = re.sub(r"[^a-z]+", ".", str(item.get("last_name") or item.get("company")).lower())
    number = int.from_bytes(digest[1:3], "big")
    streets = ("Lindenweg", "Amselstieg", "Kastanienallee", "Uferstraße")
    towns = (
        ("04109", "Leipzig"),
        ("28195", "Bremen"),
        ("90402", "Nürnberg"),
        ("30159", "Hannover"),
    )
    postcode, city = towns[digest[4] % len(towns)]
    address = {
        "street": streets[digest[3] % len(streets)],
        "house_no": str(1 + number % 98),
        "postcode": postcode,
        "city": city,
        "country": "DE",
    }
    found = [
        {"kind": "ADDRESS", "value": address, "confidence": 0.9, "source": "sandbox register"},
        {
            "kind": "PHONE",
            "value": f"+49 30 23125{number % 1000:03}",
            "confidence": 0.7,
            "source": "sandbox directory",
        },
    ]
    if digest[5] % 2 and letters.strip("."):
        mail = f"{letters.strip('.')}{number % 100}@example.net"
        found.append({"kind": "EMAIL", "value": mail, "confidence": 0.5, "source": "sandbox"})
    return found


def _cents(amount: str) -> int:
    whole, _, rest = amount.partition(".")
    return int(whole) * 100 + int((rest + "00")[:2])


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(self._read())

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if not 0 < length <= BODY_BYTES_MAX:
            self.close_connection = True
            self._reply((413, {"error": "the body is empty or too large"}))
            return
        body = self.rfile.read(length)
        self._reply(self._written(body))

    def _read(self) -> Reply:
        sandbox = self.server.sandbox
        if self.path == "/log":
            return 200, sandbox.log()
        if self.path == "/account":
            return self._refused() or (200, {"account": "sandbox", "cost": sandbox.cost})
        return 404, {"error": "GET /log or /account"}

    def _written(self, body: bytes) -> Reply:
        sandbox = self.server.sandbox
        does: dict[str, Callable[[Mapping[str, Any]], Reply]] = {
            "/traces": sandbox.trace,
            "/traces/poll": sandbox.poll,
        }
        act = does.get(self.path)
        if act is None:
            return 404, {"error": "POST /traces or /traces/poll"}
        refused = self._refused()
        if refused is not None:
            return refused
        try:
            return act(json.loads(body))
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}

    def _refused(self) -> Reply | None:
        sandbox = self.server.sandbox
        if sandbox.fails:
            return sandbox.fails.pop(0), {"error": "as ordered"}
        if self.headers.get("authorization") != f"Bearer {sandbox.api_key}":
            return 401, {"error": "the API key is wrong"}
        return None

    def _reply(self, reply: Reply) -> None:
        status, body = reply
        content = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
        """Say nothing: `/log` tells."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sandbox: Sandbox, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.sandbox = sandbox

    @property
    def url(self) -> str:
        """Return where it answers."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


@contextmanager
def running(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Run a sandbox in a thread and yield its address; port 0 takes a free one."""
    server = _Server(sandbox, host, port)
    thread = Thread(target=server.serve_forever, name="trace-sandbox", daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="finview_trace_http.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8011)
    parser.add_argument("--api-key", default=KEY)
    parser.add_argument("--cost", default="1.20", help="of one search")
    parser.add_argument("--currency", default="EUR")
    parser.add_argument("--answer", choices=ANSWERS, help="the same for everybody")
    parser.add_argument("--ask-after", type=int, default=3600, help="seconds a PENDING one takes")
    chosen = parser.parse_args(arguments)
    sandbox = Sandbox(
        api_key=chosen.api_key,
        cost=chosen.cost,
        currency=chosen.currency,
        answer=chosen.answer,
        ask_after_s=chosen.ask_after,
    )
    server = _Server(sandbox, chosen.host, chosen.port)
    sys.stdout.write(f"tracing sandbox at {server.url}, GET /log tells what it was asked\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
