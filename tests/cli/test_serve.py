"""`finview serve` answers, and stops gracefully at SIGTERM."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

TRIES = 600


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answer(url: str, server: subprocess.Popen[bytes]) -> str:
    for _ in range(TRIES):
        try:
            with urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except URLError:
            try:
                server.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            break
    raise AssertionError(f"no answer; the server ended with {server.poll()}")


def test_serve_is_ready_and_stops_with_status_0(data: Path, port: int) -> None:
    command = [sys.executable, "-m", "finview", "serve", "--port", str(port)]
    log = data / "log"
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, env=os.environ)
        try:
            assert '"status":"ok"' in _answer(f"http://127.0.0.1:{port}/ready", server)
            server.send_signal(signal.SIGTERM)
            out, _ = server.communicate(timeout=60)
        finally:
            server.kill()
    assert (server.returncode, out) == (0, b"")
    assert "worker.stopped" in log.read_text()
