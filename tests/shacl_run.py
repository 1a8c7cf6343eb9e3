"""Run the shapes over Turtle files and tell the findings as plain tuples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import rdflib
from pyshacl import validate as run_pyshacl
from rdflib import RDF, Graph, URIRef
from rdflib.namespace import DCTERMS, SH
from rdflib.plugins.sparql import prepareQuery
from rdflib.plugins.sparql.sparql import Query

rdflib.NORMALIZE_LITERALS = False  # an ill-typed date must reach the shapes as it was written

ROOT = Path(__file__).resolve().parent.parent
SHAPES = ROOT / "shapes"
ONTOLOGY = ROOT / "ontology"
DATA = ROOT / "data"
SEVERITIES = {SH.Violation: "violation", SH.Warning: "warning", SH.Info: "info"}

# A query of a constraint is the same text for each focus node, so it is read once.
prepared = lru_cache(maxsize=None)(prepareQuery)


class Finding(NamedTuple):
    """What one result says: the handle of the rule, how bad, about what, in which words."""

    rule: str
    severity: str
    focus: str
    message: str
    shape: str
    path: str


class PreparingGraph(Graph):
    """A graph that reads each query text once, however often it is asked."""

    def query(self, query_object: str | Query, *args: Any, **kwargs: Any) -> rdflib.query.Result:
        """Answer a query whose text may have been seen before."""
        if isinstance(query_object, str):
            query_object = prepared(query_object)
        return super().query(query_object, *args, **kwargs)


@cache
def parsed(path: Path) -> Graph:
    """Read one Turtle file; each is read once a run."""
    return Graph().parse(path, format="turtle")


def merged(paths: Iterable[Path], *, into: Graph | None = None) -> Graph:
    """Put the statements of several files into one graph."""
    graph = Graph() if into is None else into
    for path in paths:
        for triple in parsed(path):
            graph.add(triple)
    return graph


@cache
def ontology_files() -> tuple[Path, ...]:
    """List the files that declare terms and code lists."""
    return (
        ONTOLOGY / "cnrs-graph.ttl",
        ONTOLOGY / "foreign.ttl",
        *sorted((ONTOLOGY / "vocab").glob("*.ttl")),
    )


@cache
def shape_files() -> tuple[Path, ...]:
    """List the files of shapes."""
    return tuple(sorted(SHAPES.glob("*.ttl")))


def data_files() -> tuple[Path, ...]:
    """List the files of the accepted data: every family but the claims of single sources."""
    return tuple(path for path in sorted(DATA.rglob("*.ttl")) if path.parent != DATA / "claims")


@cache
def all_shapes() -> Graph:
    """Read all shapes into one graph."""
    return merged(shape_files())


def node_shape_of(shapes: Graph, shape: URIRef) -> URIRef:
    """Climb from a property shape to the node shape that holds it."""
    parent = shapes.value(predicate=SH.property, object=shape)
    return shape if parent is None else URIRef(parent)


def rule_of(shapes: Graph, shape: URIRef) -> str:
    """Tell the handle of the rule that a shape belongs to, such as TM2."""
    return str(shapes.value(node_shape_of(shapes, shape), DCTERMS.identifier))


def read_report(report: Graph, shapes: Graph) -> Iterator[Finding]:
    """Tell each result of a report."""
    for result in report.objects(None, SH.result):
        shape = URIRef(str(report.value(result, SH.sourceShape)))
        words = {
            message.language: str(message)
            for message in report.objects(result, SH.resultMessage)
            if isinstance(message, rdflib.Literal)
        }
        yield Finding(
            rule_of(shapes, shape),
            SEVERITIES[URIRef(str(report.value(result, SH.resultSeverity)))],
            str(report.value(result, SH.focusNode)),
            words.get("en", ""),
            str(shape),
            str(report.value(result, SH.resultPath) or ""),
        )


def findings(paths: Iterable[Path], shapes: Graph | None = None) -> tuple[Finding, ...]:
    """Validate files together with the ontology; nothing is inferred first."""
    shapes = all_shapes() if shapes is None else shapes
    said = merged((*ontology_files(), *paths), into=PreparingGraph())
    return findings_in(said, shapes)


def findings_in(said: Graph, shapes: Graph) -> tuple[Finding, ...]:
    """Validate one graph that already holds the ontology."""
    _, report, _ = run_pyshacl(said, shacl_graph=shapes, inference="none", advanced=False, inplace=True)
    assert isinstance(report, Graph)
    return tuple(sorted(read_report(report, shapes)))


def node_shapes(shapes: Graph) -> list[URIRef]:
    """List the node shapes that have a target, by name."""
    return sorted(URIRef(str(shape)) for shape in shapes.subjects(RDF.type, SH.NodeShape))
