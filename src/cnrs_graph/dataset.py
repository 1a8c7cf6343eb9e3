"""Files in, quads out: one named graph per file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import IO, Any

import pyoxigraph as ox

from cnrs_graph.errors import Place, SourceError
from cnrs_graph.inputs import READABLE, content_of, extension_of, is_readable
from cnrs_graph.terms import graph_family, graph_iri, to_rdflib

_POSITION = re.compile(r"^Parser error (?:at|between) line.*?: ", re.DOTALL)


@dataclass(frozen=True)
class Dataset:
    """Statements as they were written, each in the named graph of the file it came from.

    `files` says which file became which graph; it is empty for statements that came from no file.
    """

    base: str
    quads: tuple[ox.Quad, ...]
    files: Mapping[str, Path] = field(default_factory=dict)

    def only(self, *families: str) -> Dataset:
        """The part whose graphs belong to these families ("curated", "claims", …)."""
        return self._where(lambda graph: graph_family(self.base, graph) in families)

    def without(self, *families: str) -> Dataset:
        """The part whose graphs belong to none of these families."""
        return self._where(lambda graph: graph_family(self.base, graph) not in families)

    def graphs(self) -> tuple[str, ...]:
        """The names of the graphs that hold statements, sorted."""
        return self._graphs

    @cached_property
    def _graphs(self) -> tuple[str, ...]:
        # Finding them walks through all statements, and many ask.
        return tuple(sorted({graph_name(quad) for quad in self.quads}))

    def subjects(self) -> frozenset[str]:
        """The IRIs about which something is said."""
        return frozenset(quad.subject.value for quad in self.quads if isinstance(quad.subject, ox.NamedNode))

    def _where(self, wanted: Callable[[str], bool]) -> Dataset:
        chosen = frozenset(filter(wanted, self.graphs()))
        return Dataset(
            self.base,
            tuple(quad for quad in self.quads if graph_name(quad) in chosen),
            {graph: path for graph, path in self.files.items() if wanted(graph)},
        )


def load(path: Path, *, base: str, under: str = "") -> Dataset:
    """Read a file, or every readable file below a folder, each into the graph named after its path.

    A file's graph is BASE graph/<under>/<path below the folder, without extension>. Graph names inside TriG
    and N-Quads files are kept; their default graph takes the name of the file.

    Raises: SourceError with line and column when a file cannot be parsed, and when there is nothing to read.
    """
    root = path if path.is_dir() else path.parent
    parts = (
        load_as(file, base, graph_iri(base, PurePath(under) / file.relative_to(root)))
        for file in source_files(path)
    )
    return merged(*parts)


def load_as(file: Path, base: str, graph: str) -> Dataset:
    """Read one file into the named graph.

    Raises: SourceError with line and column when it cannot be parsed.
    """
    return Dataset(base, tuple(read_file(file, graph=graph)), {graph: file})


def merged(*parts: Dataset) -> Dataset:
    """Put datasets together; a graph that stands in several comes from the first that has it.

    >>> merged().quads
    ()
    """
    quads: list[ox.Quad] = []
    files: dict[str, Path] = {}
    taken: set[str] = set()
    for part in parts:
        if taken.isdisjoint(part.graphs()):
            quads.extend(part.quads)
        else:
            quads.extend(quad for quad in part.quads if graph_name(quad) not in taken)
        files = {**part.files, **files}
        taken.update(part.graphs(), part.files)
    return Dataset(parts[0].base if parts else "", tuple(quads), files)


def source_files(path: Path) -> tuple[Path, ...]:
    """The readable files at a path, sorted; a folder is searched in depth, hidden entries left out.

    Raises: SourceError if there is no such path, or nothing readable below it.
    """
    if path.is_file():
        if not is_readable(path):
            raise SourceError(
                Place(path),
                f"the extension {extension_of(path) or '(none)'} is not one of {' '.join(sorted(READABLE))}",
            )
        return (path,)
    if not path.is_dir():
        raise SourceError(Place(path), "no such file or folder")
    found = sorted(
        file for file in path.rglob("*") if is_readable(file) and file.is_file() and _visible(file, path)
    )
    if not found:
        raise SourceError(Place(path), f"no file to read below this folder ({' '.join(sorted(READABLE))})")
    return tuple(found)


def read_file(path: Path, *, graph: str) -> Iterator[ox.Quad]:
    """Parse one file by its extension into the named graph.

    Raises: SourceError with line and column, or when the file cannot be read.
    """
    yield from parse(content_of(path), READABLE[extension_of(path)], graph=graph, path=path)


def parse(content: bytes | IO[bytes], form: ox.RdfFormat, *, graph: str, path: Path) -> Iterator[ox.Quad]:
    """Parse bytes, or an open file, into the named graph; *path* is where messages say they came from.

    Raises: SourceError with line and column of the first error.
    """
    default, name = ox.DefaultGraph(), ox.NamedNode(graph)
    try:
        for quad in ox.parse(input=content, format=form, base_iri=graph, rename_blank_nodes=True):
            if quad.graph_name == default:
                yield ox.Quad(quad.subject, quad.predicate, quad.object, name)
            else:
                yield quad
    except SyntaxError as error:
        line, column = getattr(error, "lineno", None), getattr(error, "offset", None)
        raise SourceError(Place(path, line, column), _POSITION.sub("", error.msg or str(error))) from error


def graph_name(quad: ox.Quad) -> str:
    """The name of a quad's graph; the default graph has none."""
    return "" if isinstance(quad.graph_name, ox.DefaultGraph) else quad.graph_name.value


def graph_of(*parts: Iterable[ox.Quad]) -> Any:
    """Merge quads into one rdflib graph, graph names left behind, lexical forms kept."""
    import rdflib

    graph = rdflib.Graph(bind_namespaces="none")
    for part in parts:
        for quad in part:
            graph.add((to_rdflib(quad.subject), to_rdflib(quad.predicate), to_rdflib(quad.object)))
    return graph


def nquads(parts: Iterable[Iterable[ox.Quad]]) -> bytes:
    """The quads as N-Quads, the way they go to a process that answers queries."""
    written = ox.serialize((quad for part in parts for quad in part), format=ox.RdfFormat.N_QUADS)
    return written or b""


def canonical(quads: Sequence[ox.Quad]) -> str:
    """The canonical form of a dataset: sorted N-Quads, blank nodes named by RDFC-1.0, equal for equal graphs.

    Source: RDF Dataset Canonicalization, section 4.
    """
    dataset = ox.Dataset(quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    lines = (ox.serialize([quad], format=ox.RdfFormat.N_QUADS) or b"" for quad in dataset)
    return "".join(sorted(line.decode() for line in lines))


def _visible(file: Path, root: Path) -> bool:
    return not any(part.startswith(".") for part in file.relative_to(root).parts)
