"""What files name with owl:imports: taken from the files given or mapped, never from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset, graph_name
from cnrs_graph.errors import ConfigError, Place
from cnrs_graph.places import place_of
from cnrs_graph.terms import PREFIXES

_IMPORTS = ox.NamedNode(f"{PREFIXES['owl']}imports")
_TYPE = ox.NamedNode(f"{PREFIXES['rdf']}type")
_ONTOLOGY = ox.NamedNode(f"{PREFIXES['owl']}Ontology")
_VERSION = ox.NamedNode(f"{PREFIXES['owl']}versionIRI")


@dataclass(frozen=True)
class Missing:
    """An owl:imports that no file given or mapped answers, and where it stands."""

    iri: str
    place: Place | None

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return (
            f"{where}owl:imports <{self.iri}> is not followed, nothing is fetched; "
            f"give that file too, or say where it is with --import {self.iri}=FILE"
        )


def read_map(given: Iterator[str] | list[str]) -> Mapping[str, Path]:
    """The options `IRI=FILE` as a table.

    Raises: ConfigError for one that is not written so.
    """
    table = {}
    for each in given:
        name, equals, file = each.rpartition("=")
        if not equals or not name or not file:
            raise ConfigError(f"--import {each}: write it as IRI=FILE")
        table[name] = Path(file)
    return table


def follow(
    dataset: Dataset, mapping: Mapping[str, Path], read: Callable[[Path], Dataset]
) -> tuple[Dataset, ...]:
    """The files that the dataset imports and the mapping knows, and those that these import in turn.

    Raises: SourceError when one cannot be read.
    """
    found: dict[str, Dataset] = {}
    waiting = [dataset]
    while waiting:
        for name in _imported(waiting.pop()):
            if name in mapping and name not in found:
                found[name] = read(mapping[name])
                waiting.append(found[name])
    return tuple(found.values())


def missing(mapping: Mapping[str, Path], *datasets: Dataset) -> tuple[Missing, ...]:
    """The imports that none of the datasets holds and the mapping does not know, each once."""
    here = {name for dataset in datasets for name in _held(dataset)}
    lost: dict[str, Missing] = {}
    for dataset in datasets:
        for name, subject in _imported(dataset).items():
            if name not in here and name not in mapping and name not in lost:
                place = place_of(dataset.files, subject, _IMPORTS, ox.NamedNode(name))
                lost[name] = Missing(name, place)
    return tuple(lost.values())


def _imported(dataset: Dataset) -> Mapping[str, ox.NamedNode | ox.BlankNode]:
    return {
        quad.object.value: quad.subject
        for quad in dataset.quads
        if quad.predicate == _IMPORTS
        and isinstance(quad.object, ox.NamedNode)
        and not isinstance(quad.subject, ox.Triple)
    }


def _held(dataset: Dataset) -> Iterator[str]:
    """The names under which what is here can be imported: of ontologies, of graphs, of files."""
    for quad in dataset.quads:
        yield graph_name(quad)
        if quad.predicate == _TYPE and quad.object == _ONTOLOGY and isinstance(quad.subject, ox.NamedNode):
            yield quad.subject.value
        elif quad.predicate == _VERSION and isinstance(quad.object, ox.NamedNode):
            yield quad.object.value
    for graph, path in dataset.files.items():
        folder = graph.rpartition("/")[0]
        yield from (graph, path.absolute().as_uri(), f"{folder}/{path.name}")
