"""The servers that are compared: how each is installed, started, loaded and measured."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import make_data as made

ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 300
_TICKS = os.sysconf("SC_CLK_TCK")
_PUBLICATION = f"""base = "{made.BASE}"
data = "data"
ontology = "ontology"
shapes = "shapes"
queries = "queries"

[title]
en = "Made data"
"""


class UnavailableError(Exception):
    """A peer that cannot be had or started here, and why."""


@dataclass
class Server:
    """A running server with all the processes below it."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    path: str
    start_seconds: float = 0.0

    def pids(self) -> Iterator[int]:
        """The process and everything that descends from it."""
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                waiting.extend(int(child) for child in _text(task).split())

    def cpu_seconds(self) -> float:
        """CPU time of all processes so far, ended children included."""
        ticks = 0
        for pid in self.pids():
            fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
            ticks += sum(int(each) for each in fields[11:15])
        return ticks / _TICKS

    def memory_bytes(self) -> int:
        """Memory of all processes; what is shared counts once (PSS)."""
        total = 0
        for pid in self.pids():
            for line in _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Material:
    """One set of made data as files, in a folder where servers may leave theirs."""

    folder: Path
    triples: int
    cache: Path
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log", self.folder / "servers.log")

    @property
    def ntriples(self) -> Path:
        """The triples as N-Triples."""
        return self.folder / "made.nt"

    @property
    def publication(self) -> Path:
        """A folder that `cnrs-graph serve` publishes: the made data and nothing else."""
        return self.folder / "publication"


def material(folder: Path, triples: int, seed: int, cache: Path) -> tuple[Material, made.Maker]:
    """Make the data, as N-Triples and as a publication."""
    here = Material(folder, triples, cache)
    for name in ("data", "ontology", "shapes", "queries"):
        (here.publication / name).mkdir(parents=True, exist_ok=True)
    (here.publication / "publication.toml").write_text(_PUBLICATION, encoding="utf-8")
    for name in ("ontology", "shapes"):
        label = f'<{made.BASE}{name}> <http://www.w3.org/2000/01/rdf-schema#label> "{name}"@en .\n'
        (here.publication / name / "empty.nt").write_text(label, encoding="utf-8")
    # The shipped rules: without an ontology nothing follows by them, so all servers hold the same.
    shutil.copytree(ROOT / "ontology" / "rules", here.publication / "ontology" / "rules", dirs_exist_ok=True)
    maker = made.Maker(seed=seed, triples=triples)
    with here.ntriples.open("w", encoding="utf-8", newline="\n") as file:
        made.write(maker, file, ".nt")
    shutil.copyfile(here.ntriples, here.publication / "data" / "made.nt")
    return here, maker


def start_ours(data: Material) -> Server:
    """Our server, as a user starts it."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    port = free_port()
    command = [sys.executable, "-m", "cnrs_graph", "serve", str(data.publication), "--no-validate", "--quiet"]
    return _started("cnrs-graph", [*command, "--port", str(port)], port, "/sparql", data, environ)


def start_on_disk(data: Material, store: Path) -> Server:
    """Our server on a store that `load` built."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    port = free_port()
    command = [sys.executable, "-m", "cnrs_graph", "serve", "--store", str(store), "--quiet"]
    return _started("cnrs-graph --store", [*command, "--port", str(port)], port, "/sparql", data, environ)


def oxigraph() -> str:
    """The program oxigraph."""
    found = shutil.which("oxigraph", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise UnavailableError("the program oxigraph is not there (PyPI: oxigraph)")
    return found


def start_oxigraph(data: Material) -> Server:
    """The native server, in memory, with the same statements: in a named and in the default graph."""
    binary = oxigraph()
    port = free_port()
    begun = time.perf_counter()
    command = [binary, "serve", "--bind", f"127.0.0.1:{port}"]
    server = _started("oxigraph", command, port, "/query", data)
    for target in ("/store?default", f"/store?graph={made.BASE}graph/data/made"):
        _post(server, target, data.ntriples)
    server.start_seconds = time.perf_counter() - begun
    return server


def start_rdflib_endpoint(data: Material) -> Server:
    """rdflib-endpoint from PyPI, in a virtual environment of its own below the cache folder."""
    home = data.cache / "rdflib-endpoint"
    program = home / "bin" / "rdflib-endpoint"
    if not program.exists():
        venv.create(home, with_pip=True)
        pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "rdflib-endpoint[cli]"]
        with data.log.open("ab") as log:
            installed = subprocess.run(pip, stdout=log, stderr=log, check=False)
        if installed.returncode:
            raise UnavailableError("rdflib-endpoint cannot be installed; see servers.log")
    port = free_port()
    command = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port), str(data.ntriples)]
    return _started("rdflib-endpoint", command, port, "/", data)


#: The reference comes second, after us; then whoever else can be had.
PEERS = {"cnrs-graph": start_ours, "oxigraph": start_oxigraph, "rdflib-endpoint": start_rdflib_endpoint}


def get(server: Server, query: str, accept: str, timeout: float = 60) -> tuple[int, bytes]:
    """Ask once, over a connection of its own: status and body."""
    from load import request

    with socket.create_connection(("127.0.0.1", server.port), timeout) as connection:
        connection.sendall(request(f"127.0.0.1:{server.port}", server.path, query, accept))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _started(
    name: str,
    command: list[str],
    port: int,
    path: str,
    data: Material,
    environ: dict[str, str] | None = None,
) -> Server:
    """Start a program and wait for its first answer."""
    begun = time.perf_counter()
    with data.log.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
    server = Server(name, process, port, path)
    while time.perf_counter() - begun < _START_SECONDS:
        try:
            if get(server, "ASK {}", "application/sparql-results+json")[0] == 200:
                server.start_seconds = time.perf_counter() - begun
                return server
        except (OSError, http.client.HTTPException):
            pass
        if process.poll() is not None:
            raise UnavailableError(f"{name} ended with {process.returncode}; see servers.log")
        time.sleep(0.01)
    server.stop()
    raise UnavailableError(f"{name} gave no answer within {_START_SECONDS} s")


def _post(server: Server, target: str, file: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_START_SECONDS)
    with file.open("rb") as body:
        headers = {"Content-Type": "application/n-triples", "Content-Length": str(file.stat().st_size)}
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        answer.read()
    connection.close()
    if answer.status >= 300:
        server.stop()
        raise UnavailableError(f"{server.name} took no data: {answer.status}")


def _text(path: Path) -> str:
    """What a file of /proc says; nothing when its process has ended."""
    try:
        return path.read_text("utf-8")
    except (OSError, ProcessLookupError):
        return ""
