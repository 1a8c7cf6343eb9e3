"""The whole dataset as files: every spelling kept, the same bytes for the same statements, memory bounded."""

from __future__ import annotations

import gzip
import hashlib
import heapq
import itertools
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from cnrs_graph.formats import NQUADS, TRIG, TURTLE, Format
from cnrs_graph.terms import PREFIXES, Term

SUMS = "SHA256SUMS"
#: What each file is written in, and whether it holds everything or what is accepted.
FILES: Mapping[str, tuple[Format, bool]] = {
    "dataset.nq": (NQUADS, True),
    "dataset.trig": (TRIG, True),
    "accepted.ttl": (TURTLE, False),
}
_PACKED = ".gz"
_LEVEL = 6
_ENGINE_FORMATS = {TRIG: ox.RdfFormat.TRIG, TURTLE: ox.RdfFormat.TURTLE}
#: So many quads are written at once, and lines of so many bytes sorted in memory.
_BATCH = 5_000
_SORTED_BYTES = 32 << 20


@dataclass(frozen=True)
class Dump:
    """A file with the dataset.

    Graphs: every statement in its graph when it is whole, else what is accepted, graph names left behind;
    what was inferred is in none.
    Units: `size` in bytes.
    """

    path: Path
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed with gzip."""
        return self.name.endswith(_PACKED)

    @property
    def fmt(self) -> Format:
        """The format of the statements."""
        return FILES[self.name.removesuffix(_PACKED)][0]

    @property
    def is_whole(self) -> bool:
        """Whether every statement is in it."""
        return FILES[self.name.removesuffix(_PACKED)][1]


def write_dumps(
    folder: Path, quads: Iterable[ox.Quad], *, base: str, is_accepted: Callable[[str], bool]
) -> tuple[Dump, ...]:
    """Write every file of a dataset into a new folder, and their checksums beside them.

    Blank nodes are named in the order in which they come, so the same files give the same names.

    Graphs: *is_accepted* says of a graph whether the file that knows no graphs holds its statements.
    Units: needs about 100 MB of memory, however many quads there are, and room on the disk.
    """
    folder.mkdir(parents=True)
    prefixes = {**PREFIXES, "cnrsg": f"{base}ontology#", "shp": f"{base}shapes#"}
    whole = folder / "dataset.nq"
    with tempfile.TemporaryDirectory(dir=folder, prefix="sorting-") as room:
        sort = _Sorter(Path(room))
        sort.into(whole, _lines(_named(quads)))
        rows = sort.into(Path(room) / "by-graph", _with_graph_first(whole), cut=True)
        _serialize(rows, folder / "dataset.trig", TRIG, prefixes)
        rows = sort.into(Path(room) / "accepted", _without_graph(whole, is_accepted))
        _serialize(rows, folder / "accepted.ttl", TURTLE, prefixes)
    for name in FILES:
        _pack(folder / name)
    names = sorted(path.name for path in folder.iterdir())
    sums = "".join(f"{_sha256(folder / name)}  {name}\n" for name in names)
    (folder / SUMS).write_text(sums, encoding="utf-8")
    return read_dumps(folder)


def temporary_dumps(
    keeper: object, quads: Iterable[ox.Quad], *, base: str, is_accepted: Callable[[str], bool]
) -> tuple[Dump, ...]:
    """Write every file where they stay as long as *keeper* does, and no longer than this process."""
    place = Path(tempfile.mkdtemp(prefix="cnrs-graph-"))
    weakref.finalize(keeper, _remove, place, os.getpid())
    return write_dumps(place / "dumps", quads, base=base, is_accepted=is_accepted)


def _remove(place: Path, owner: int) -> None:
    # A process that was forked from ours ends without taking the files away from the others.
    if os.getpid() == owner:
        shutil.rmtree(place, ignore_errors=True)


def read_dumps(folder: Path) -> tuple[Dump, ...]:
    """The files that `write_dumps` left in a folder, in the order of the table; none where there is none."""
    if not (folder / SUMS).is_file():
        return ()
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    names = (each for name in FILES for each in (f"{name}{_PACKED}", name))
    return tuple(
        Dump(folder / name, (folder / name).stat().st_size, sums[name]) for name in names if name in sums
    )


def _named(quads: Iterable[ox.Quad]) -> Iterator[ox.Quad]:
    """The quads, their blank nodes numbered as they come."""
    numbers: dict[str, ox.BlankNode] = {}

    def named(term: Term | ox.DefaultGraph) -> Term | ox.DefaultGraph:
        if not isinstance(term, ox.BlankNode):
            return term
        return numbers.setdefault(term.value, ox.BlankNode(f"b{len(numbers)}"))

    blank = ox.BlankNode
    for quad in quads:
        parts = (quad.subject, quad.object, quad.graph_name)
        if any(isinstance(part, blank) for part in parts):
            subject, value, graph = (named(part) for part in parts)
            yield ox.Quad(subject, quad.predicate, value, graph)  # type: ignore[arg-type]
        else:
            yield quad


def _lines(quads: Iterable[ox.Quad]) -> Iterator[bytes]:
    """Each quad as a line of N-Quads."""
    waiting = iter(quads)
    while batch := list(itertools.islice(waiting, _BATCH)):
        written = ox.serialize(batch, format=ox.RdfFormat.N_QUADS) or b""
        yield from (line + b"\n" for line in written.split(b"\n") if line)


def _graph_of(line: bytes) -> tuple[bytes, bytes]:
    """A line of N-Quads as its triple and its graph; no IRI and no label holds a space."""
    triple, _, graph = line[: -len(b" .\n")].rpartition(b" ")
    return triple, graph


def _with_graph_first(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            yield _graph_of(line)[1] + b" " + line


def _without_graph(path: Path, is_accepted: Callable[[str], bool]) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            triple, graph = _graph_of(line)
            if is_accepted(graph[1:-1].decode()):
                yield triple + b" .\n"


class _Sorter:
    """Sorts lines in pieces that fit into memory, each line kept once."""

    def __init__(self, room: Path) -> None:
        self._room = room

    def into(self, path: Path, lines: Iterable[bytes], *, cut: bool = False) -> Path:
        """Write the lines sorted; with *cut* each without what stands before its first space."""
        with path.open("wb") as file:
            for line, _ in itertools.groupby(heapq.merge(*self._pieces(lines))):
                file.write(line.partition(b" ")[2] if cut else line)
        return path

    def _pieces(self, lines: Iterable[bytes]) -> list[Iterable[bytes]]:
        """Sorted pieces, all but the last on the disk."""
        pieces: list[Iterable[bytes]] = []
        held: list[bytes] = []
        size = 0
        for line in lines:
            held.append(line)
            size += len(line)
            if size >= _SORTED_BYTES:
                pieces.append(self._put_down(sorted(held)))
                held, size = [], 0
        return [*pieces, sorted(held)]

    def _put_down(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        file = tempfile.TemporaryFile("w+b", dir=self._room)  # noqa: SIM115 - read to its end by the merge
        file.writelines(lines)
        file.seek(0)
        return iter(file)


def _serialize(rows: Path, path: Path, fmt: Format, prefixes: Mapping[str, str]) -> None:
    """Write sorted lines in a format that groups them."""
    quads = ox.parse(path=rows, format=ox.RdfFormat.N_QUADS)
    flat: Iterable[ox.Triple] | Iterable[ox.Quad] = quads if fmt is TRIG else (q.triple for q in quads)
    ox.serialize(flat, path, format=_ENGINE_FORMATS[fmt], prefixes=dict(prefixes))


def _pack(path: Path) -> None:
    """Write a file once more, compressed; nothing in it tells when or from where."""
    with (
        path.open("rb") as plain,
        path.with_name(f"{path.name}{_PACKED}").open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as packed,
    ):
        shutil.copyfileobj(plain, packed, 1 << 20)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
