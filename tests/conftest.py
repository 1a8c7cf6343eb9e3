"""What tests share: the shipped publication, built once, and the command line."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from cnrs_graph import cli
from cnrs_graph.config import read_config
from cnrs_graph.publication import build


@pytest.fixture(scope="session")
def config():
    return read_config(environ={})


@pytest.fixture(scope="session")
def publication(config):
    """The shipped publication; its validation is a test of its own."""
    return build(config, validated=False)


@pytest.fixture
def run(capsys):
    """Run a command of the command line: exit code, standard output, standard error."""

    def run_(*arguments):
        try:
            code = cli.run([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_


class Server:
    """A server of ours in a process of its own, as people start it."""

    def __init__(self, *arguments, **settings):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        environ = {f"CNRS_GRAPH_{name.upper()}": str(value) for name, value in settings.items()}
        # A file and not a pipe, which would be full after some hundred requests.
        self._stderr = tempfile.NamedTemporaryFile("w")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cnrs_graph", "serve", "--port", str(self.port), *map(str, arguments)],
            env={**os.environ, **environ},
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
        )

    @property
    def said(self):
        """What it has written on standard error so far."""
        return Path(self._stderr.name).read_text(encoding="utf-8")

    def __enter__(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/ready", timeout=5).status_code == 200:
                    return self
            time.sleep(0.05)
        self.process.kill()
        self.process.wait()
        raise RuntimeError(f"the server did not start: {self.said}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def server():
    """The shipped data on the web, with two seconds a query."""
    with Server("--no-validate", query_seconds=2, query_memory_bytes=300 << 20) as started:
        yield started


@pytest.fixture(scope="session")
def client(server):
    """An HTTP client of the server; redirects are not followed unless asked."""
    with httpx.Client(base_url=server.url, timeout=30) as opened:
        yield opened
