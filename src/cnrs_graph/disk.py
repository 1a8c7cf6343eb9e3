"""A store on disk: built once from files, complete or not there at all, then only read."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import IO, Any, cast

import pyoxigraph as ox

from cnrs_graph import census, search
from cnrs_graph.dataset import graph_name, parse, source_files
from cnrs_graph.dumps import write_dumps
from cnrs_graph.errors import ConfigError, Place, SourceError
from cnrs_graph.inputs import READABLE, extension_of, unpacked
from cnrs_graph.lookup import Counted, Fetched, Shelves, Stored, index_over
from cnrs_graph.reasoning import entail_into, has_consequences
from cnrs_graph.store import LocalStore
from cnrs_graph.terms import graph_family, graph_iri

MANIFEST = "manifest.json"
_ENGINE = "store"
_DUMPS = "dumps"
#: The layout of the folder; another one is refused.
_LAYOUT = 3
#: Statements that the engine sorts at a time: fewer take less memory, more leave fewer files to merge.
_BATCH = 250_000
_COUNTS_AT_ONCE = 2

Progress = Callable[[int, int], None]


def untold(done: int, total: int) -> None:
    """Progress for nobody to see."""
    del done, total


@dataclass(frozen=True)
class Input:
    """A file and the named graph that its statements get."""

    path: Path
    graph: str


@dataclass(frozen=True)
class Manifest:
    """What a store on disk says of itself."""

    base: str
    version: str
    outside_default: tuple[str, ...]
    default_graphs: tuple[str, ...]
    #: Every graph with its size, the inferred one too.
    graphs: Mapping[str, int]
    counted: Counted

    @property
    def statements(self) -> int:
        """How many statements it holds, each once for each graph it stands in."""
        return sum(self.graphs.values())


def inputs(path: Path, *, base: str, under: str = "") -> Iterator[Input]:
    """The files at a path, each with its graph, named as when they are read into memory.

    Raises: SourceError if there is nothing to read.
    """
    root = path if path.is_dir() else path.parent
    for file in source_files(path):
        yield Input(file, graph_iri(base, PurePath(under) / file.relative_to(root)))


def build(
    place: Path,
    files: Sequence[Input],
    *,
    base: str,
    version: str,
    outside_default: tuple[str, ...],
    rules: Mapping[str, str] | None,
    beside: Iterable[ox.Quad] = (),
    replace: bool = False,
    dumping: bool = False,
    progress: Progress = untold,
) -> Manifest:
    """Build a store from files, in a folder beside *place* that takes its name when everything is in it.

    With *dumping* the files are read once more and written as dumps, every spelling kept.

    Graphs: one per file; what *rules* derive in graph/inferred; the default graph holds what stands in the
    graphs outside the families of *outside_default*, each statement once; *beside* derives nothing.
    Units: *progress* is told the bytes read and the bytes there are.
    Raises: SourceError for a file that cannot be read; ConfigError if *place* is taken or cannot be written.
    """
    _see_that_free(place, replace=replace)
    try:
        with _alone(place) as partial:
            reading = _Reading(files, base, outside_default, progress)
            manifest = _fill(partial, reading, version, rules, beside)
            if dumping:
                said = _Reading(files, base, outside_default, untold).said()
                accepted = frozenset(manifest.default_graphs)
                write_dumps(partial / _DUMPS, said, base=base, is_accepted=accepted.__contains__)
            _write(partial / MANIFEST, manifest)
            _settle(partial)
            # Another load may have ended before this one was alone.
            _see_that_free(place, replace=replace)
            _swap(partial, place)
    except OSError as error:
        raise ConfigError(f"{place} cannot be written: {error}") from error
    return manifest


def read_manifest(place: Path) -> Manifest:
    """Read what a store on disk says of itself.

    Raises: ConfigError if there is no store, or one that this version does not read.
    """
    try:
        kept = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        if kept["layout"] != _LAYOUT:
            raise ConfigError(f"{place} was made by cnrs-graph {kept['version']}; load it again")
        return Manifest(
            base=kept["base"],
            version=kept["version"],
            outside_default=tuple(kept["outside_default"]),
            default_graphs=tuple(kept["default_graphs"]),
            graphs=kept["graphs"],
            counted=census.from_json(kept["counted"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{place} is no store made by `cnrs-graph load`: {error}") from error


def open_store(place: Path) -> Stored:
    """Open a store to read; several processes can.

    Raises: ConfigError if there is none.
    """
    manifest = read_manifest(place)
    try:
        engine = ox.Store.read_only(str(place / _ENGINE))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{place} cannot be opened: {error}") from error
    shelves = Shelves(manifest.base, manifest.outside_default, merged=True)
    counted, graphs = manifest.counted, manifest.graphs
    return Stored(
        index=index_over(Fetched(LocalStore(engine), shelves, graphs=tuple(graphs)), lambda: counted),
        counted=lambda: counted,
        graphs=lambda: graphs,
        default_graphs=manifest.default_graphs,
        changes=False,
        folder=place / _ENGINE,
        dumps=place / _DUMPS,
    )


def _fill(
    partial: Path,
    reading: _Reading,
    version: str,
    rules: Mapping[str, str] | None,
    beside: Iterable[ox.Quad],
) -> Manifest:
    engine = ox.Store(str(partial / _ENGINE))
    base, outside = reading.base, reading.outside
    shelves = Shelves(base, outside, merged=True)
    # The shapes come last: nothing is derived from them.
    _extend(engine, reading.quads(shapes=False))
    if rules is not None:
        _extend(engine, _following(engine, rules, shelves.inferred))
    _extend(engine, reading.quads(shapes=True))
    engine.extend(each for quad in beside for each in (quad, _merged(quad)))
    engine.flush()
    store = LocalStore(engine)
    search.write(
        partial / search.FILE, search.findable_in(lambda text: cast("Any", engine.query(text)), shelves), base
    )
    counted = census.count(store, shelves, at_once=_COUNTS_AT_ONCE)
    graphs = census.graph_sizes(store)
    if rules is not None:
        graphs.setdefault(shelves.inferred, 0)
    default = tuple(graph for graph in graphs if graph_family(base, graph) not in outside)
    return Manifest(base, version, outside, default, graphs, counted)


def _extend(engine: ox.Store, quads: Iterable[ox.Quad]) -> None:
    """Add statements, so many at a time that memory stays bounded."""
    rest = iter(quads)
    for first in rest:
        engine.bulk_extend(chain((first,), islice(rest, _BATCH - 1)))


def _following(engine: ox.Store, rules: Mapping[str, str], into: str) -> Iterator[ox.Quad]:
    """What follows from the default graph, in its own graph and in the default graph.

    It is derived in memory, several times faster than on the disk; but first it is seen on the disk whether
    anything follows at all.
    """
    if not has_consequences(engine, rules):
        return
    memory = ox.Store()
    memory.extend(engine.quads_for_pattern(None, None, None, ox.DefaultGraph()))
    entail_into(memory, rules, into=into)
    for quad in memory.quads_for_pattern(None, None, None, ox.NamedNode(into)):
        yield quad
        yield _merged(quad)


def _merged(quad: ox.Quad) -> ox.Quad:
    """A statement as it stands in the default graph."""
    return ox.Quad(quad.subject, quad.predicate, quad.object)


class _Reading:
    """Files read one after the other; a graph that stands in several comes from the first that has it."""

    def __init__(
        self, files: Sequence[Input], base: str, outside: tuple[str, ...], progress: Progress
    ) -> None:
        self._files = files
        self.base = base
        self.outside = outside
        self._progress = progress
        self._total = sum(each.path.stat().st_size for each in files if each.path.is_file())
        self._done = 0
        self._taken: set[str] = set()

    def quads(self, *, shapes: bool) -> Iterator[ox.Quad]:
        """Every statement in its graph and, if accepted, in the default graph; the shapes or the rest."""
        for each in self._files:
            if (graph_family(self.base, each.graph) == "shapes") is shapes:
                yield from self._of(each)

    def said(self) -> Iterator[ox.Quad]:
        """Every statement in its graph, once, in the order of the files."""
        default = ox.DefaultGraph()
        for each in self._files:
            yield from (quad for quad in self._of(each) if quad.graph_name != default)

    def _of(self, each: Input) -> Iterator[ox.Quad]:
        fresh = {each.graph}
        form = READABLE[extension_of(each.path)]
        name, is_taken, is_merged = None, False, False
        try:
            with each.path.open("rb") as file:
                counted = cast("IO[bytes]", _Counting(file, self._told))
                for quad in parse(unpacked(counted, each.path), form, graph=each.graph, path=each.path):
                    # Statements of one graph mostly follow each other: what holds for it is looked up once.
                    if quad.graph_name != name:
                        name, graph = quad.graph_name, graph_name(quad)
                        is_taken = graph in self._taken
                        is_merged = graph_family(self.base, graph) not in self.outside
                        if not is_taken:
                            fresh.add(graph)
                    if is_taken:
                        continue
                    yield quad
                    if is_merged:
                        yield _merged(quad)
        except OSError as error:
            raise SourceError(Place(each.path), error.strerror or str(error)) from error
        self._taken |= fresh

    def _told(self, size: int) -> None:
        self._done += size
        self._progress(self._done, self._total)


class _Counting:
    """A file that tells how much of it has been read."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], None]) -> None:
        self._file = file
        self._tell = tell

    def read(self, size: int = -1) -> bytes:
        """Read, and tell."""
        block = self._file.read(size)
        self._tell(len(block))
        return block


def _see_that_free(place: Path, *, replace: bool) -> None:
    if place.exists() and not replace:
        raise ConfigError(f"{place} is there already; --replace puts the new store in its place")
    if place.exists() and not (place / MANIFEST).is_file():
        raise ConfigError(f"{place} is no store made by `cnrs-graph load`; it is not replaced")


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[Path]:
    """An empty folder beside *place* for this load alone; it is gone afterwards, unless it got another name.

    The folder itself is locked, so nothing is left locked when a load is killed, and the next clears up.
    Raises: ConfigError if another load builds the same store.
    """
    partial = place.with_name(f"{place.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(partial.stat(), os.fstat(descriptor))
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            raise ConfigError(f"another load into {place} is under way; wait for it, or name another folder")
        for left in partial.iterdir():
            _remove(left)
        try:
            yield partial
        finally:
            _remove(partial)
    finally:
        os.close(descriptor)


def _write(path: Path, manifest: Manifest) -> None:
    kept: dict[str, Any] = {
        "layout": _LAYOUT,
        "version": manifest.version,
        "engine": f"pyoxigraph {ox.__version__}",
        "base": manifest.base,
        "statements": manifest.statements,
        "outside_default": manifest.outside_default,
        "default_graphs": manifest.default_graphs,
        "graphs": manifest.graphs,
        "counted": census.to_json(manifest.counted),
    }
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")


def _settle(folder: Path) -> None:
    """Wait until everything below a folder is on the disk."""
    for path in _everything(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _everything(folder: Path) -> Iterable[Path]:
    return (*folder.rglob("*"), folder)


def _swap(partial: Path, place: Path) -> None:
    """Give the new folder its name; one that had it is taken away after."""
    former = place.with_name(f"{place.name}.former")
    _remove(former)
    if place.exists():
        place.rename(former)
    partial.rename(place)
    with contextlib.suppress(OSError):
        _settle_name(place)
    _remove(former)


def _settle_name(place: Path) -> None:
    descriptor = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
