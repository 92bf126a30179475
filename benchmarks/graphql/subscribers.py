"""Lets many subscribers follow one job while another process changes it; two of them never read.

`python benchmarks/graphql/subscribers.py [--database sqlite|postgresql] [--subscribers 1000]
[--changes 30] [--every 4] [--json]`. Prints how late the others are told, counted from the commit
in the other process, the server's CPU per event and its memory from the first round to the last.
The two slow ones, one on each transport, must get the latest state and no backlog.
"""

import argparse
import asyncio
import base64
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sqlalchemy import update
from websockets.asyncio.client import connect

from finview.accounts.access import Role
from finview.accounts.tokens import create_token
from finview.accounts.users import create_user
from finview.api.engine.ids import encode
from finview.app import open_services, prepare
from finview.db import Database
from finview.db.jobs import Job, State, enqueue
from finview.settings import Settings
from finview.testing import db as testing_db

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
PROTOCOL = "graphql-transport-ws"
QUERY = "subscription($id: ID!) { jobUpdated(id: $id) { state progressDone } }"
HEAVY = (
    "subscription($id: ID!) { jobUpdated(id: $id) { state progressDone "
    + " ".join(f"k{n}: kind" for n in range(50))
    + " } }"
)
"""Some 5 kB an event: what is not read soon fills every buffer on the way."""
WAIT_S = 120


class Server:
    """Finview without a worker, in a process of its own."""

    def __init__(self, settings: Settings) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        more = {"FINVIEW_RATE_POINTS_S": "1000000000", "FINVIEW_RATE_POINTS_BURST": "1000000000"}
        command = [sys.executable, str(HERE / "servers.py"), "finview", settings.url]
        command += [str(settings.data_dir), str(self.port)]
        self.process = subprocess.Popen(command, env=os.environ | more)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
            else:
                return
        raise SystemExit("the server did not start")

    def cpu_s(self) -> float:
        """Return the CPU the server has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mib(self) -> float:
        """Return the memory the server holds."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", text)
        assert found
        return int(found[1]) / 1024


class Crowd:
    """The subscribers that read at once; notes when each was told of each change."""

    def __init__(self, server: Server, token: str, job: str) -> None:
        self.server, self.token, self.job = server, token, job
        self.told: dict[int, list[float]] = {}
        self.ready = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def grow(self, count: int) -> None:
        """Subscribe, some at a time, and wait for everybody's first state."""
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._follow()))
            if len(self.tasks) % 20 == 0:
                await asyncio.sleep(0.1)
        await self._until(lambda: self.ready == count)

    async def all_told(self, done: int) -> None:
        """Wait until everybody was told of a change."""
        await self._until(lambda: len(self.told.get(done, ())) == len(self.tasks))

    async def _until(self, true: Any) -> None:
        began = time.monotonic()
        while not true():
            for task in self.tasks:
                if task.done():
                    task.result()
            if time.monotonic() - began > WAIT_S:
                raise SystemExit("not everybody was told in two minutes")
            await asyncio.sleep(0.01)

    async def _follow(self) -> None:
        url = f"ws://127.0.0.1:{self.server.port}/graphql"
        async with connect(url, subprotocols=[PROTOCOL], compression=None, open_timeout=60) as ws:  # type: ignore[list-item]
            payload = {"authorization": f"Bearer {self.token}"}
            await ws.send(json.dumps({"type": "connection_init", "payload": payload}))
            await ws.recv()
            await ws.send(json.dumps(subscribe(QUERY, self.job)))
            first = json.loads(await ws.recv())
            self.ready += first["type"] == "next"
            async for message in ws:
                at = time.monotonic()
                event = json.loads(message)
                if event["type"] == "next":
                    done = event["payload"]["data"]["jobUpdated"]["progressDone"]
                    self.told.setdefault(done, []).append(at)


def subscribe(query: str, job: str) -> dict[str, Any]:
    """Return the message that subscribes."""
    return {"type": "subscribe", "id": "1", "payload": request(query, job)}


def request(query: str, job: str) -> dict[str, Any]:
    """Return a request about a job."""
    return {"query": query, "variables": {"id": job}}


class Slow:
    """A subscriber that sends what it must and then does not read until the end."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.socket.connect(("127.0.0.1", server.port))

    def by_events(self, token: str, job: str) -> "Slow":
        """Subscribe over Server-Sent Events."""
        body = json.dumps(request(HEAVY, job))
        head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        kinds = "Content-Type: application/json\r\nAccept: text/event-stream\r\n"
        self.socket.sendall(f"{head}{kinds}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        return self

    def by_websocket(self, token: str, job: str) -> "Slow":
        """Subscribe over a websocket."""
        key = base64.b64encode(os.urandom(16)).decode()
        head = "GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        more = f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n"
        self.socket.sendall(f"{head}{more}Sec-WebSocket-Key: {key}\r\n\r\n".encode())
        self.socket.recv(1024)
        self._frame({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        self._frame(subscribe(HEAVY, job))
        return self

    def _frame(self, message: Any) -> None:
        data = json.dumps(message).encode()
        small = len(data) < 126
        size = bytes([0x80 | len(data)]) if small else b"\xfe" + len(data).to_bytes(2, "big")
        self.socket.sendall(b"\x81" + size + b"\0\0\0\0" + data)  # a mask of noughts

    def read(self) -> list[int]:
        """Read all there is and return the changes it was told of."""
        self.socket.settimeout(3)
        pieces = []
        try:
            while piece := self.socket.recv(65536):
                pieces.append(piece)
        except TimeoutError:
            pass
        self.socket.close()
        return [int(n) for n in re.findall(rb'"progressDone":(\d+)', b"".join(pieces))]


def change(database: Database, job_id: int, done: int) -> float:
    """Move the job on in this process; return when it was committed."""
    with database.unit() as session:
        statement = update(Job).where(Job.id == job_id)
        session.execute(statement.values(state=State.RUNNING, progress_done=done))
    return time.monotonic()


async def watch(server: Server, database: Database, token: str, job_id: int, args: Any) -> Any:
    """Run the rounds and return the figures."""
    job = encode("job", job_id)
    slow = {
        "events": Slow(server).by_events(token, job),
        "websocket": Slow(server).by_websocket(token, job),
    }
    crowd = Crowd(server, token, job)
    await crowd.grow(args.subscribers)
    late: list[list[float]] = []
    memory, cpu = [server.memory_mib()], [server.cpu_s()]
    for done in range(1, args.changes + 1):
        at = change(database, job_id, done)
        await crowd.all_told(done)
        late.append(sorted(told - at for told in crowd.told[done]))
        memory.append(server.memory_mib())
        cpu.append(server.cpu_s())
        await asyncio.sleep(max(0.0, args.every - (time.monotonic() - at)))
    told = {name: one.read() for name, one in slow.items()}
    for task in crowd.tasks:
        task.cancel()
    await asyncio.gather(*crowd.tasks, return_exceptions=True)
    every = [one for round_ in late for one in round_]
    return {
        "subscribers": args.subscribers,
        "changes": args.changes,
        "late_ms": {
            "median": round(median(every) * 1000),
            "p99": round(quantiles(every, n=100)[98] * 1000),
            "most": round(max(every) * 1000),
        },
        "server_cpu_ms_per_event": round((cpu[-1] - cpu[0]) / len(every) * 1000, 3),
        "memory_mib": {"first": round(memory[1]), "last": round(memory[-1])},
        "slow": {
            name: {"events": len(n), "last": n[-1] if n else None} for name, n in told.items()
        },
    }


def main() -> None:
    """Set up, run, print."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    reader.add_argument("--subscribers", type=int, default=1000)
    reader.add_argument("--changes", type=int, default=30)
    reader.add_argument("--every", type=float, default=4, help="seconds between two changes")
    reader.add_argument("--json", action="store_true")
    args = reader.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="finview-soak-")))
        if args.database == "postgresql":
            server = stack.enter_context(testing_db.postgres())
            settings = stack.enter_context(server.fresh(folder))
        else:
            settings = testing_db.copy_template(testing_db.make_template(folder), folder)
        services = open_services(settings)
        stack.callback(services.close)
        prepare(services)
        with services.db.unit() as session:
            user = create_user(session, email="s@example.org", name="S", role=Role.ADMIN)
            token = create_token(session, user)
            job_id = enqueue(session, "nobody.knows." + "x" * 60, {})
        serving = Server(settings)
        stack.callback(serving.process.wait)
        stack.callback(serving.process.kill)
        figures = asyncio.run(watch(serving, services.db, token, job_id, args))
    if args.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:26} {value}")


if __name__ == "__main__":
    main()
