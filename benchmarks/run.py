"""Measure this project's server beside others in one run, and print ratios.

python benchmarks/run.py                       # 5 k and 100 k triples
python benchmarks/run.py --sizes 5000,1000000  # 1 M: some 3 GB of memory, a quarter of an hour
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import platform
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mix
import stores
from load import Load, load, request
from peers import PEERS, Material, Server, UnavailableError, get, material

RESULTS = Path(__file__).resolve().parent / "results"
OURS, REFERENCE = "cnrs-graph", "oxigraph"
CONNECTIONS = 16
#: Different questions of each kind; more than any small cache holds.
QUESTIONS = 2_000
_SMALLEST_CPU = 0.01
_WARM_UP_SECONDS = 0.5

ENDLESS = "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i FILTER(?a != ?f && ?d != ?i) }"
EVERYTHING = "SELECT ?s ?p ?o WHERE { ?s ?p ?o }"
_LEAVE_SECONDS = 5.0
_LATER_SECONDS = 3.0
_SLOW_PEERS = ("rdflib-endpoint",)


def measure_mix(
    servers: Sequence[Server], people: mix.Population, seed: int, rounds: int, seconds: float
) -> dict[str, Any]:
    """Every kind of query against every server, in turns, so that what disturbs one disturbs all."""
    found: dict[str, Any] = {}
    for kind, (_, accept) in mix.KINDS.items():
        queries = mix.questions(kind, people, seed, QUESTIONS)
        rows = {server.name: sizes(server, queries[:5], accept) for server in servers}
        runs: dict[str, list[dict[str, float]]] = {server.name: [] for server in servers}
        for server in servers:
            _one_run(server, queries, accept, _WARM_UP_SECONDS)
        for turn in range(rounds):
            for server in _turned(servers, turn):
                runs[server.name].append(_one_run(server, queries, accept, seconds))
        found[kind] = {
            "same_answers": len({json.dumps(each) for each in rows.values()}) == 1,
            "rows": rows,
            "servers": {name: _middle(each) for name, each in runs.items()},
        }
        _say(kind, found[kind])
    return found


def _one_run(server: Server, queries: Sequence[str], accept: str, seconds: float) -> dict[str, float]:
    host = f"127.0.0.1:{server.port}"
    asked = [request(host, server.path, query, accept) for query in queries]
    before = server.cpu_seconds()
    done: Load = asyncio.run(load("127.0.0.1", server.port, asked, connections=CONNECTIONS, seconds=seconds))
    cpu = server.cpu_seconds() - before
    return {
        "per_second": done.per_second,
        "cpu_ms": 1000 * max(cpu, _SMALLEST_CPU) / max(done.answers, 1),
        "median_ms": 1000 * done.quantile(0.5),
        "p99_ms": 1000 * done.quantile(0.99),
        "failures": done.failures,
        "client_share": done.client_cpu_seconds / (done.client_cpu_seconds + max(cpu, _SMALLEST_CPU)),
        "client_load": done.client_cpu_seconds / done.seconds,
    }


def sizes(server: Server, queries: Sequence[str], accept: str) -> list[int | bool]:
    """How many rows or triples each query finds: what all servers must agree on."""
    found: list[int | bool] = []
    for query in queries:
        status, body = get(server, query, accept)
        if status != 200:
            found.append(-status)
        elif accept == mix.TRIPLES:
            found.append(len(set(body.split(b"\n")) - {b""}))
        else:
            answer = json.loads(body)
            found.append(answer["boolean"] if "boolean" in answer else len(answer["results"]["bindings"]))
    return found


def measure_stream(server: Server, media_type: str) -> dict[str, float]:
    """All triples as one answer: time to the first byte of the body, to the last, and growth of memory."""
    before = server.memory_bytes()
    peak = before
    begun = time.perf_counter()
    first = None
    looked = begun
    size = 0
    with socket.create_connection(("127.0.0.1", server.port), 600) as connection:
        message = request(f"127.0.0.1:{server.port}", server.path, EVERYTHING, media_type)
        connection.sendall(message.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        head = b""
        while block := connection.recv(1 << 18):
            now = time.perf_counter()
            size += len(block)
            if first is None:
                head += block
                if head.partition(b"\r\n\r\n")[2]:
                    first = now - begun
            if now - looked > 0.05:
                looked = now
                peak = max(peak, server.memory_bytes())
    total = time.perf_counter() - begun
    return {"first_byte_s": first or total, "total_s": total, "bytes": size, "growth_bytes": peak - before}


def measure_endless(server: Server) -> dict[str, float]:
    """Eight queries without end whose clients leave, while another client asks ASK."""
    calm = _canary(server, 1.0)
    callers = []
    for _ in range(8):
        caller = socket.create_connection(("127.0.0.1", server.port), 10)
        caller.sendall(request("127.0.0.1", server.path, ENDLESS, mix.RESULTS))
        callers.append(caller)
    try:
        busy = _canary(server, _LEAVE_SECONDS)
    finally:
        for caller in callers:
            caller.close()
    time.sleep(_LATER_SECONDS)
    before = server.cpu_seconds()
    time.sleep(1.0)
    return {
        "calm_median_ms": 1000 * statistics.median(calm),
        "busy_median_ms": 1000 * statistics.median(busy),
        "busy_worst_ms": 1000 * max(busy),
        "busy_answers": len(busy),
        "cores_busy_later": server.cpu_seconds() - before,
    }


def _canary(server: Server, seconds: float) -> list[float]:
    """Ask ASK {} every 50 ms; a question that is not answered counts with the time waited for it."""
    until = time.perf_counter() + seconds
    took = []
    while (begun := time.perf_counter()) < until:
        with contextlib.suppress(OSError):
            get(server, "ASK {}", mix.RESULTS, timeout=seconds + 5)
        took.append(time.perf_counter() - begun)
        time.sleep(0.05)
    return took


@contextlib.contextmanager
def running(data: Material, names: Sequence[str], missing: dict[str, str]) -> Iterator[list[Server]]:
    """Start what can be started; end all of it whatever happens."""
    servers: list[Server] = []
    try:
        for name in names:
            try:
                servers.append(PEERS[name](data))
            except UnavailableError as error:
                missing[name] = str(error)
                print(f"  left out: {name}: {error}")
        yield servers
    finally:
        for server in servers:
            server.stop()


def measure_size(folder: Path, triples: int, options: argparse.Namespace) -> dict[str, Any]:
    """Everything that is measured at one size."""
    print(f"\n{triples} triples")
    data, maker = material(folder, triples, options.seed, options.cache)
    missing: dict[str, str] = {}
    on_disk = None
    try:
        on_disk = stores.measure(data, maker, options.seed, options.rounds)
        stores.tell(on_disk)
    except UnavailableError as error:
        missing["stores on disk"] = str(error)
        print(f"  left out: stores on disk: {error}")
    if options.only_stores:
        return {"triples": maker.made, "left_out": missing, "on_disk": on_disk}
    with running(data, options.peers, missing) as servers:
        if not servers or servers[0].name != OURS:
            raise SystemExit(f"our own server did not start: {missing.get(OURS)}; see {data.log}")
        at_rest = {server.name: server.memory_bytes() for server in servers}
        starts = {server.name: server.start_seconds for server in servers}
        people = mix.population(maker)
        quick = [each for each in servers if triples < 50_000 or each.name not in _SLOW_PEERS]
        twelve = measure_mix(quick, people, options.seed, options.rounds, options.seconds)
        streams = {
            form: {server.name: measure_stream(server, media_type) for server in quick}
            for form, media_type in (("csv", "text/csv"), ("json", mix.RESULTS))
        }
        endless = {server.name: measure_endless(server) for server in quick}
    result = {
        "triples": maker.made,
        "left_out": missing,
        "not_measured_in_the_mix": [each.name for each in servers if each not in quick],
        "on_disk": on_disk,
        "start_s": starts,
        "memory_bytes": at_rest,
        "mix": twelve,
        "streams": streams,
        "endless": endless,
    }
    result["ratios"] = ratios(result)
    _tell(result)
    return result


def ratios(result: dict[str, Any]) -> dict[str, Any]:
    """Ours against each other server of the same run; a throughput above 1 and a cost below 1 are good."""
    found: dict[str, Any] = {}
    others = [name for name in result["start_s"] if name != OURS]
    for other in others:
        kinds: dict[str, Any] = {}
        for kind, measured in result["mix"].items():
            by_name = measured["servers"]
            if other in by_name:
                ours, theirs = by_name[OURS], by_name[other]
                kinds[kind] = {
                    "throughput": ours["per_second"] / theirs["per_second"],
                    "cpu": ours["cpu_ms"] / theirs["cpu_ms"],
                }
        found[other] = {
            "kinds": kinds,
            "throughput": _geometric([each["throughput"] for each in kinds.values()]),
            "cpu": _geometric([each["cpu"] for each in kinds.values()]),
            "start": result["start_s"][OURS] / result["start_s"][other],
            "memory": result["memory_bytes"][OURS] / result["memory_bytes"][other],
            "streams": {
                form: by_name[OURS]["total_s"] / by_name[other]["total_s"]
                for form, by_name in result["streams"].items()
                if other in by_name
            },
        }
    return found


def _geometric(values: Sequence[float]) -> float | None:
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def _middle(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of every figure over the rounds; failures are added up."""
    middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return {**middle, "failures": sum(run["failures"] for run in runs)}


def _turned(servers: Sequence[Server], turn: int) -> list[Server]:
    """Another order in every round."""
    at = turn % len(servers)
    return [*servers[at:], *servers[:at]]


def _say(kind: str, found: dict[str, Any]) -> None:
    columns = "".join(
        f"  {name} {each['per_second']:8.0f}/s {each['cpu_ms']:7.3f} ms CPU"
        for name, each in found["servers"].items()
    )
    differs = "" if found["same_answers"] else f"   ANSWERS DIFFER {found['rows']}"
    failed = {name: each["failures"] for name, each in found["servers"].items() if each["failures"]}
    print(f"  {kind:16}{columns}{f'   FAILED {failed}' if failed else ''}{differs}", flush=True)


def _tell(result: dict[str, Any]) -> None:
    """The table of ratios."""
    print(f"\n{result['triples']} triples: {OURS} against …")
    names = list(result["ratios"])
    print(f"  {'':22}" + "".join(f"{name:>28}" for name in names))
    print(f"  {'':22}" + f"{'throughput':>17}{'CPU':>11}" * len(names))
    for kind in result["mix"]:
        cells = [result["ratios"][name]["kinds"].get(kind) for name in names]
        print(f"  {kind:22}" + "".join(_pair(each) for each in cells))
    print(f"  {'geometric mean':22}" + "".join(_pair(result["ratios"][name]) for name in names))
    ours = f"{result['start_s'][OURS]:.2f} s, {result['memory_bytes'][OURS] / 1e6:.0f} MB"
    print(f"  in memory, start and memory of all processes: {ours}")
    for what in ("start", "memory"):
        print(f"  {what:22}" + "".join(f"{result['ratios'][name][what]:28.2f}" for name in names))
    for form in result["streams"]:
        shares = [result["ratios"][name]["streams"].get(form) for name in names]
        print(
            f"  {'all as ' + form:22}"
            + "".join(f"{share:28.2f}" if share else f"{'-':>28}" for share in shares)
        )
    for name, each in result["endless"].items():
        print(
            f"  eight endless queries, {name}: ASK {each['calm_median_ms']:.1f} ms calm, "
            f"{each['busy_median_ms']:.1f} ms meanwhile (worst {each['busy_worst_ms']:.0f}), "
            f"{each['cores_busy_later']:.2f} cores busy {_LATER_SECONDS:.0f} s after the clients left"
        )


def _pair(cell: dict[str, float] | None) -> str:
    if not cell or cell["throughput"] is None:
        return f"{'-':>17}{'-':>11}"
    return f"{cell['throughput']:17.2f}{cell['cpu']:11.2f}"


def machine() -> dict[str, Any]:
    """What it ran on, as far as it matters."""
    versions = {name: version(name) for name in ("pyoxigraph", "oxigraph", "uvicorn", "uvloop", "httptools")}
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "versions": versions,
    }


def main() -> int:
    """Read the options, measure, write the results."""
    # Who is told to stop stops the servers too, on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description="Measure this project's server beside others.")
    parser.add_argument("--sizes", default="5000,100000", metavar="N,N", help="triples (default 5000,100000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument(
        "--seconds", type=float, default=1.5, help="how long a measurement takes (default 1.5)"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed, other data and questions")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"default {','.join(PEERS)}")
    parser.add_argument(
        "--only-stores", action="store_true", help="loading and the store on disk, nothing else"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path.home() / ".cache" / "cnrs-graph-benchmarks",
        help="where peers are installed",
    )
    options = parser.parse_args()
    options.peers = [OURS, *(name for name in options.peers.split(",") if name != OURS)]
    options.cache.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "settings": {
            "connections": CONNECTIONS,
            "rounds": options.rounds,
            "seconds": options.seconds,
            "seed": options.seed,
        },
        "sizes": {},
    }
    for triples in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            report["sizes"][str(triples)] = measure_size(Path(folder), triples, options)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{report['date']}{'-stores' if options.only_stores else ''}.json"
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten: {file.relative_to(RESULTS.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
