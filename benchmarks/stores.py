"""The store on disk: loading beside `oxigraph load`, start, memory, and the first page of a hub."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import make_data as made
from peers import ROOT, Material, UnavailableError, oxigraph, start_on_disk

OURS, ONCE, TWICE = "cnrs-graph load", "oxigraph load", "oxigraph load, both graphs"


def measure(data: Material, maker: made.Maker, seed: int, rounds: int) -> dict[str, Any]:
    """Load in turns, then start on what was loaded."""
    nquads = _as_nquads(data, seed)
    store = data.folder / "store"
    ways: dict[str, Callable[[], list[list[str]]]] = {
        OURS: lambda: [_our_load(nquads.parents[1], store)],
        ONCE: lambda: [[oxigraph(), "load", "--location", str(data.folder / "once"), "--file", str(nquads)]],
        TWICE: lambda: [
            [oxigraph(), "load", "--location", str(data.folder / "twice"), "--file", str(each)]
            for each in (nquads, data.ntriples)
        ],
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for folder in (store, data.folder / "once", data.folder / "twice"):
            shutil.rmtree(folder, ignore_errors=True)
        for name, commands in ways.items():
            runs[name].append(_run(data, commands()))
    loads = {
        name: {what: statistics.median(run[what] for run in each) for what in each[0]}
        for name, each in runs.items()
    }
    return {
        "loads": loads,
        "ratios": {
            other: {what: loads[OURS][what] / loads[other][what] for what in loads[OURS]}
            for other in (ONCE, TWICE)
        },
        "served": _served(data, store, f"/doc/country/{maker.countries[0]}"),
    }


def _as_nquads(data: Material, seed: int) -> Path:
    """The same triples in one named graph, as a publication of their own."""
    folder = data.folder / "nquads"
    shutil.copytree(data.publication, folder, ignore=shutil.ignore_patterns("*.nt"), dirs_exist_ok=True)
    for name in ("ontology", "shapes"):
        shutil.copyfile(data.publication / name / "empty.nt", folder / name / "empty.nt")
    file = folder / "data" / "made.nq"
    with file.open("w", encoding="utf-8", newline="\n") as written:
        made.write(made.Maker(seed=seed, triples=data.triples), written, ".nq")
    return file


def _our_load(publication: Path, into: Path) -> list[str]:
    return [sys.executable, "-m", "cnrs_graph", "load", str(publication), "--into", str(into), "--quiet"]


def _run(data: Material, commands: Sequence[Sequence[str]]) -> dict[str, float]:
    """Run commands one after the other: time, CPU and the largest memory."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    found = {"seconds": 0.0, "cpu_seconds": 0.0, "peak_bytes": 0.0}
    for command in commands:
        begun = time.perf_counter()
        with data.log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise UnavailableError(f"{command[0]} ended with {process.returncode}; see servers.log")
        found["seconds"] += time.perf_counter() - begun
        found["cpu_seconds"] += used.ru_utime + used.ru_stime
        found["peak_bytes"] = max(found["peak_bytes"], used.ru_maxrss * 1024)
    return found


def _served(data: Material, store: Path, hub: str) -> dict[str, float]:
    """Start on the store: first answer, memory before and after, the page of a hub, first and again."""
    server = start_on_disk(data, store)
    try:
        found = {"start_s": server.start_seconds, "memory_bytes": server.memory_bytes()}
        for name in ("hub_first_s", "hub_again_s"):
            begun = time.perf_counter()
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{hub}", timeout=60) as page:
                page.read()
            found[name] = time.perf_counter() - begun
        found["memory_later_bytes"] = server.memory_bytes()
    finally:
        server.stop()
    return {**found, "disk_bytes": sum(each.stat().st_size for each in store.rglob("*") if each.is_file())}


def tell(found: dict[str, Any]) -> None:
    """Print what was measured."""
    for name, each in found["loads"].items():
        print(
            f"  {name:28}{each['seconds']:8.1f} s{each['cpu_seconds']:8.1f} s CPU"
            f"{each['peak_bytes'] / 1e6:8.0f} MB at most"
        )
    for other, each in found["ratios"].items():
        seconds, cpu_seconds = each["seconds"], each["cpu_seconds"]
        print(f"  {OURS} against {other}: {seconds:.2f} of the time, {cpu_seconds:.2f} of the CPU")
    served = found["served"]
    print(
        f"  from disk: start {served['start_s']:.2f} s, memory {served['memory_bytes'] / 1e6:.0f} MB, "
        f"page of a hub {served['hub_first_s']:.2f} s, again {served['hub_again_s']:.3f} s, "
        f"then {served['memory_later_bytes'] / 1e6:.0f} MB; {served['disk_bytes'] / 1e6:.0f} MB on disk"
    )
