"""Validators beside each other on the same files: CPU, memory, and whether they find the same.

    python benchmarks/validators.py --sizes 10000,100000,1000000 --reference 10000,100000

The data is made (make_data.py), put beside the ontology and the accepted data that it refers to, and spoilt:
of every 499 made triples one is left out. pySHACL is the reference; it runs on the sizes of --reference, and
its time for a larger size is drawn from those along a power law. CPU is that of the whole process.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import make_data as made
import pyoxigraph as ox

ROOT = Path(__file__).resolve().parents[1]
NODE = Path(__file__).with_name("validators.mjs")
NODE_PACKAGES = ("rdf-validate-shacl", "shacl-engine", "n3", "@zazuko/env")
SPOILT = 499
SH = "http://www.w3.org/ns/shacl#"
#: A result as all validators can tell it: blank nodes, messages and details left out.
Finding = tuple[str, ...]


@dataclass
class Run:
    """What one validator took for one size; *same* says how many results it shares with the reference."""

    validator: str
    triples: int
    cpu_seconds: float
    peak_mb: float
    results: int | None = None
    same: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Validator:
    """How a validator is called: data, shapes and the report it is to write."""

    name: str
    command: Callable[[Path, Path, Path], list[str]]


def statements(paths: Iterator[Path]) -> Iterator[bytes]:
    """The statements of files as N-Triples, graphs left behind."""
    for path in paths:
        quads = ox.parse(path=str(path), rename_blank_nodes=True)
        yield ox.serialize((quad.triple for quad in quads), format=ox.RdfFormat.N_TRIPLES) or b""


def ground() -> Iterator[Path]:
    """The ontology and the accepted data."""
    yield from sorted((ROOT / "ontology").rglob("*.ttl"))
    yield from (path for path in sorted((ROOT / "data").rglob("*.ttl")) if path.parent.name != "claims")


def make(folder: Path, size: int) -> Path:
    """Data of about so many triples, spoilt, beside what it refers to."""
    path, at = folder / f"data-{size}.nt", 0
    with path.open("wb") as file:
        file.writelines(statements(ground()))
        for block in made.Maker(triples=size).blocks():
            for line in made.as_ntriples(block).encode().splitlines(keepends=True):
                at += 1
                if at % SPOILT:
                    file.write(line)
    return path


def measured(validator: Validator, data: Path, shapes: Path, report: Path, limit_seconds: int) -> Run:
    """Run a validator once."""
    triples = sum(1 for _ in data.open("rb"))
    log = report.with_suffix(".log")
    started = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(validator.command(data, shapes, report), stdout=file, stderr=file)
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() - started > limit_seconds:
                process.kill()  # seen at the next wait
            time.sleep(0.02)
    run = Run(validator.name, triples, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
    if process.returncode not in (0, 1) or not report.exists():
        lines = log.read_text(errors="replace").strip().splitlines()
        said = next((line for line in lines if "Error" in line), lines[-1] if lines else "nothing said")
        run.reason = "took too long" if process.returncode < 0 else said.strip()[:120]
    return run


def findings(report: Path) -> Counter[Finding]:
    """The results of a report, those inside others (sh:detail) left out."""
    told: dict[str, dict[str, str]] = {}
    top: set[str] = set()
    for quad in ox.parse(path=str(report)):
        predicate, value = quad.predicate.value.removeprefix(SH), quad.object
        if predicate == "result":
            top.add(str(value))
        shown = "_" if isinstance(value, ox.BlankNode) and predicate != "result" else str(value)
        told.setdefault(str(quad.subject), {})[predicate] = shown
    names = ("focusNode", "sourceConstraintComponent", "sourceShape", "resultSeverity", "resultPath", "value")
    return Counter(tuple(told[node].get(name, "") for name in names) for node in top)


def validators(folder: Path, wanted: set[str]) -> Iterator[Validator | Run]:
    """The validators that can be had here; one that cannot is a run with the reason."""
    python, pyshacl = sys.executable, shutil.which("pyshacl", path=str(Path(sys.executable).parent))
    yield Validator(
        "cnrs-graph",
        lambda data, shapes, report: [
            *(python, "-m", "cnrs_graph", "validate", str(data), "--shapes", str(shapes)),
            *("--format", "turtle", "--output", str(report)),
        ],
    )
    yield Validator(
        "pyshacl",
        lambda data, shapes, report: [
            *(str(pyshacl), "-s", str(shapes), "-sf", "nt", "-df", "nt", "-f", "turtle", "-o", str(report)),
            str(data),
        ],
    )
    if wanted & {"rdf-validate-shacl", "shacl-engine"}:
        reason = _npm(folder / "node")
        for name in ("rdf-validate-shacl", "shacl-engine"):
            if reason:
                yield Run(name, 0, 0, 0, reason=reason)
            else:
                yield Validator(name, _node(folder / "node", name))
    if "pyrudof" in wanted:
        own = folder / "pyrudof"
        reason = _pip(own, "pyrudof")
        if reason:
            yield Run("pyrudof", 0, 0, 0, reason=reason)
        else:
            yield Validator("pyrudof", _pyrudof(own / "bin" / "python"))


def _node(folder: Path, name: str) -> Callable[[Path, Path, Path], list[str]]:
    script = folder / NODE.name
    shutil.copy(NODE, script)
    return lambda data, shapes, report: [
        *("node", "--max-old-space-size=8192", str(script), name, str(data), str(shapes), str(report))
    ]


def _pyrudof(python: Path) -> Callable[[Path, Path, Path], list[str]]:
    text = (
        "import sys, pyrudof as p; r = p.Rudof(p.RudofConfig()); n = p.RDFFormat.NTriples\n"
        "r.read_data(open(sys.argv[1]).read(), n)\n"
        "r.read_shacl(open(sys.argv[2]).read(), p.ShaclFormat.NTriples)\n"
        "r.validate_shacl()\n"
        "f = p.ResultShaclValidationFormat.Turtle\n"
        "open(sys.argv[3], 'w').write(r.serialize_shacl_validation_results(format=f))\n"
    )
    return lambda data, shapes, report: [str(python), "-c", text, str(data), str(shapes), str(report)]


def _npm(folder: Path) -> str:
    if shutil.which("npm") is None:
        return "npm is not installed"
    folder.mkdir()
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", *NODE_PACKAGES]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return "npm could not install it" if done.returncode else ""


def _pip(folder: Path, package: str) -> str:
    venv.create(folder, with_pip=True)
    done = subprocess.run(
        [str(folder / "bin" / "pip"), "install", "--quiet", package], capture_output=True, check=False
    )
    return "pip could not install it" if done.returncode else ""


def startup(times: int = 5) -> dict[str, float]:
    """CPU of validating the shipped data beside that of importing rdflib and pySHACL, in turns; medians."""
    commands = {
        "validate": [sys.executable, "-m", "cnrs_graph", "validate", "--quiet"],
        "import": [sys.executable, "-c", "import rdflib, pyshacl"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            taken[name].append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return {name: sorted(each)[times // 2] for name, each in taken.items()}


def exponent(runs: list[Run]) -> float | None:
    """How time grows with size, as a power: 1 is linear. Fitted through all sizes."""
    points = [(math.log(run.triples), math.log(run.cpu_seconds)) for run in runs if not run.reason]
    if len({x for x, _ in points}) < 2:
        return None
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def drawn(runs: list[Run], triples: int) -> float:
    """The reference's time for a size it was not run at; with one size known, growth is taken for linear."""
    last = max(runs, key=lambda run: run.triples)
    return last.cpu_seconds * (triples / last.triples) ** max(1.0, exponent(runs) or 1.0)


def table(runs: list[Run], at_start: dict[str, float]) -> str:
    """The table for people."""
    reference = [run for run in runs if run.validator == "pyshacl" and not run.reason]
    ours, theirs = at_start["validate"], at_start["import"]
    lines = [
        f"shipped data: {ours:.2f} s, {ours / theirs:.2f} x importing rdflib and pySHACL ({theirs:.2f} s)",
        "",
        f"{'validator':20} {'triples':>9} {'CPU s':>8} {'x faster':>9} {'MB':>6} {'results':>8} {'same':>6}",
    ]
    for run in runs:
        if run.reason:
            lines.append(f"{run.validator:20} {run.triples or '':>9} {run.reason}")
            continue
        known = [each.cpu_seconds for each in reference if each.triples == run.triples]
        ratio = (
            (known[0] if known else drawn(reference, run.triples)) / run.cpu_seconds if reference else None
        )
        told = "" if ratio is None else f"{'' if known else '~'}{ratio:.1f}"
        lines.append(
            f"{run.validator:20} {run.triples:>9} {run.cpu_seconds:>8.2f} {told:>9} {run.peak_mb:>6.0f}"
            f" {'' if run.results is None else run.results:>8} {'' if run.same is None else run.same:>6}"
        )
    lines.append("")
    for name in dict.fromkeys(run.validator for run in runs):
        power = exponent([run for run in runs if run.validator == name])
        if power is not None:
            lines.append(f"{name}: time grows with size to the power of {power:.2f}")
    lines.append(
        "~ beside a time of pySHACL that was drawn, not measured; same: results that pySHACL has too"
    )
    return "\n".join(lines)


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description="Validators beside each other on the same files.")
    parser.add_argument("--sizes", default="10000,100000,1000000", help="made triples")
    parser.add_argument("--reference", default="10000", help="the sizes that pySHACL runs on")
    parser.add_argument(
        "--others", default="rdf-validate-shacl,shacl-engine,pyrudof", help="other validators"
    )
    parser.add_argument("--others-up-to", type=int, default=10_000, help="the largest size for the others")
    parser.add_argument("--limit", type=int, default=300, metavar="SECONDS", help="for one run of the others")
    parser.add_argument("--output", type=Path, metavar="FILE", help="keep the figures there, as JSON")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    reference = {int(size) for size in options.reference.split(",") if size}
    wanted = {name for name in options.others.split(",") if name}
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shapes = folder / "shapes.nt"
        shapes.write_bytes(b"".join(statements(iter(sorted((ROOT / "shapes").glob("*.ttl"))))))
        at_start = startup()
        candidates = list(validators(folder, wanted))
        runs += [each for each in candidates if isinstance(each, Run)]
        for size in sizes:
            data = make(folder, size)
            expected: Counter[Finding] | None = None
            ready = [each for each in candidates if isinstance(each, Validator)]
            for validator in sorted(ready, key=lambda each: each.name != "pyshacl"):
                is_reference = validator.name == "pyshacl"
                if is_reference and size not in reference:
                    continue
                if validator.name in wanted and size > options.others_up_to:
                    continue
                report = folder / f"{re.sub('[^a-z]', '', validator.name)}-{size}.ttl"
                limit = options.limit if validator.name in wanted else 24 * 3600
                run = measured(validator, data, shapes, report, limit)
                if not run.reason:
                    found = findings(report)
                    run.results = found.total()
                    expected = found if is_reference else expected
                    run.same = (found & expected).total() if expected is not None else None
                runs.append(run)
                print(run, file=sys.stderr, flush=True)
            data.unlink()
    print(table(runs, at_start))
    if options.output:
        kept = {
            "date": datetime.now(UTC).date().isoformat(),
            "start": at_start,
            "runs": [asdict(r) for r in runs],
        }
        options.output.write_text(json.dumps(kept, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
