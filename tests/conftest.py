"""What tests share: the shipped publication, built once, and the command line."""

import contextlib
import os
import socket
import subprocess
import sys
import time

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
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cnrs_graph", "serve", "--port", str(self.port), *map(str, arguments)],
            env={**os.environ, **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/ready", timeout=5).status_code == 200:
                    return self
            time.sleep(0.05)
        self.process.kill()
        raise RuntimeError(f"the server did not start: {self.process.communicate()[1]}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.said = self.process.communicate(timeout=15)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.said = self.process.communicate()[1]


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
