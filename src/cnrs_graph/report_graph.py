"""Results as a standard SHACL validation report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pyoxigraph as ox

from cnrs_graph.breaches import Breach
from cnrs_graph.shape_graph import Node, ShapeGraph, iri, node_of, term_of
from cnrs_graph.shapes import blank_triples, is_blank, is_iri
from cnrs_graph.terms import PREFIXES, to_rdflib

_SH, _RDF, _XSD = (PREFIXES[name] for name in ("sh", "rdf", "xsd"))

Texts = Mapping[str, str]


def report_graph(
    results: Iterable[tuple[Texts, Breach]], shapes: ShapeGraph, texts_of: Callable[[Breach], Texts]
) -> Any:
    """The report as an rdflib graph: what SHACL defines and nothing else, its blank nodes named in order.

    Each result comes with its messages by language; *texts_of* gives those of a detail.
    Source: Shapes Constraint Language (SHACL), section 3.6.
    """
    writer = _Writer(shapes, texts_of)
    writer.add("report", "type", iri(f"{_SH}ValidationReport"), _RDF)
    conforms = True
    for texts, breach in results:
        conforms = False
        writer.tell("report", "result", texts, breach)
    writer.conform(conforms=conforms)
    return writer.graph


class _Writer:
    """Writes results into a graph; nodes of its own are told by their names, those of shapes carried over."""

    def __init__(self, shapes: ShapeGraph, texts_of: Callable[[Breach], Texts]) -> None:
        import rdflib

        self.shapes, self.texts_of = shapes, texts_of
        self.graph = rdflib.Graph(bind_namespaces="none")
        for prefix, namespace in PREFIXES.items():
            self.graph.bind(prefix, namespace)
        self.blank, self.literal = rdflib.BNode, rdflib.Literal
        self.names: dict[Node, str] = {}
        self.count = 0

    def tell(self, owner: str, name: str, texts: Texts, breach: Breach) -> None:
        """Write a result, its path, its messages and its details."""
        own = self.fresh()
        self.graph.add((self.blank(owner), self.term(iri(f"{_SH}{name}")), self.blank(own)))
        self.add(own, "type", iri(f"{_SH}ValidationResult"), _RDF)
        for property_, value in _said_of(breach):
            self.add(own, property_, value)
        if breach.path is not None and is_blank(breach.path):
            for triple in blank_triples(self.shapes, breach.path):
                self.graph.add(tuple(self.term(each) for each in triple))
        for language, text in texts.items():
            message = self.term(iri(f"{_SH}resultMessage"))
            self.graph.add((self.blank(own), message, self.literal(text, lang=language or None)))
        for detail in breach.details:
            self.tell(own, "detail", self.texts_of(detail), detail)

    def conform(self, *, conforms: bool) -> None:
        """Write the verdict."""
        verdict = ox.Literal(str(conforms).lower(), datatype=ox.NamedNode(f"{_XSD}boolean"))
        self.add("report", "conforms", node_of(verdict))

    def add(self, subject: str, name: str, value: Node, namespace: str = _SH) -> None:
        """Write a statement about a node of our own."""
        self.graph.add((self.blank(subject), self.term(iri(f"{namespace}{name}")), self.term(value)))

    def term(self, node: Node) -> Any:
        """A node as rdflib has it; a blank node gets a name of ours, always the same."""
        if not is_blank(node):
            return to_rdflib(term_of(node))
        if node not in self.names:
            self.names[node] = self.fresh()
        return self.blank(self.names[node])

    def fresh(self) -> str:
        """The next name."""
        self.count += 1
        return f"n{self.count}"


def _said_of(breach: Breach) -> Iterator[tuple[str, Node]]:
    yield "focusNode", node_of(breach.focus)
    yield "resultSeverity", breach.severity
    yield "sourceConstraintComponent", iri(breach.component)
    yield "sourceShape", breach.shape
    if breach.path is not None:
        yield "resultPath", breach.path
    if breach.value is not None:
        yield "value", node_of(breach.value)
    if breach.constraint is not None and is_iri(breach.constraint):
        yield "sourceConstraint", breach.constraint
