"""Saved queries as statements, the way editors of SPARQL look for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from urllib.parse import quote

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset
from cnrs_graph.queries import Parameter, SavedQuery
from cnrs_graph.terms import PREFIXES, Term, expand, graph_iri

#: The class and the property of each form of query; SHACL has none for DESCRIBE.
_FORMS: Mapping[str, tuple[str, str]] = {
    "SELECT": (expand("sh:SPARQLSelectExecutable"), expand("sh:select")),
    "ASK": (expand("sh:SPARQLAskExecutable"), expand("sh:ask")),
    "CONSTRUCT": (expand("sh:SPARQLConstructExecutable"), expand("sh:construct")),
    "DESCRIBE": ("", "https://purl.expasy.org/sparql-examples/ontology#describe"),
}
_TITLES = {"en": "Saved queries", "fr": "Requêtes enregistrées"}

Statement = tuple[str, str, Term]


def queries_iri(base: str) -> str:
    """The IRI of the saved queries as a whole."""
    return f"{base}queries"


def query_iri(base: str, name: str) -> str:
    """The IRI of a saved query; its page stands at the same path."""
    return f"{base}queries/{quote(name, safe='')}"


def described(base: str, catalogue: Mapping[str, SavedQuery]) -> Dataset:
    """Describe saved queries, so that an editor that asks the endpoint for examples finds them.

    Graphs: every statement is in graph/queries.
    Source: SHACL, section 5.3 (SPARQL executables), and the convention of the SIB's collection of examples:
    one `rdfs:comment` in words, the text, `schema:target`, `schema:keywords`.
    """
    graph = ox.NamedNode(graph_iri(base, PurePath("queries")))
    statements = [*_whole(base, graph.value, catalogue)]
    for saved in catalogue.values():
        statements += _query(base, saved)
    quads = (
        ox.Quad(ox.NamedNode(subject), ox.NamedNode(predicate), value, graph)
        for subject, predicate, value in statements
    )
    return Dataset(base, tuple(dict.fromkeys(quads)))


def text_to_run(text: str) -> str:
    """The text of a saved query without its front matter."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("#+")).strip() + "\n"


def shared_prefixes(base: str, catalogue: Mapping[str, SavedQuery]) -> dict[str, str]:
    """The prefixes that everybody knows, and those that all queries mean alike."""
    used: dict[str, set[str]] = {}
    for saved in catalogue.values():
        for prefix, namespace in saved.prefixes.items():
            used.setdefault(prefix, set()).add(namespace)
    ours = {"cnrsg": f"{base}ontology#", "shp": f"{base}shapes#"}
    agreed = {prefix: min(meant) for prefix, meant in used.items() if len(meant) == 1 and prefix}
    return {**PREFIXES, **ours, **agreed}


def _whole(base: str, graph: str, catalogue: Mapping[str, SavedQuery]) -> Iterator[Statement]:
    """The collection: its name, and the prefixes to declare."""
    whole = queries_iri(base)
    for language, title in _TITLES.items():
        yield whole, expand("rdfs:label"), ox.Literal(title, language=language)
        yield graph, expand("dcterms:title"), ox.Literal(title, language=language)
    for prefix, namespace in sorted(shared_prefixes(base, catalogue).items()):
        declaration = f"{whole}#prefix-{prefix}"
        yield whole, expand("sh:declare"), ox.NamedNode(declaration)
        yield declaration, expand("rdf:type"), ox.NamedNode(expand("sh:PrefixDeclaration"))
        yield declaration, expand("sh:prefix"), ox.Literal(prefix)
        yield declaration, expand("sh:namespace"), ox.Literal(namespace, datatype=_xsd("anyURI"))


def _query(base: str, saved: SavedQuery) -> Iterator[Statement]:
    iri, notes = query_iri(base, saved.name), saved.notes
    kind, property_ = _FORMS[saved.facts.form]
    yield iri, expand("rdf:type"), ox.NamedNode(expand("sh:SPARQLExecutable"))
    if kind:
        yield iri, expand("rdf:type"), ox.NamedNode(kind)
    yield iri, expand("rdfs:label"), ox.Literal(saved.summary, language="en")
    # French readers get the question as the name where there is no summary in French.
    french = notes.get("summary-fr") or notes.get("question-fr")
    if french:
        yield iri, expand("rdfs:label"), ox.Literal(french, language="fr")
    # Editors list a query once for each comment, so there is one.
    yield iri, expand("rdfs:comment"), ox.Literal(notes.get("question") or saved.summary, language="en")
    yield iri, property_, ox.Literal(text_to_run(saved.text))
    yield iri, expand("sh:prefixes"), ox.NamedNode(queries_iri(base))
    yield iri, expand("schema:target"), ox.NamedNode(f"{base}sparql")
    for keyword in _keywords(saved):
        yield iri, expand("schema:keywords"), ox.Literal(keyword)
    for parameter in saved.parameters:
        yield from _parameter(iri, parameter)


def _parameter(query: str, parameter: Parameter) -> Iterator[Statement]:
    node = f"{query}#parameter-{parameter.name}"
    yield query, expand("sh:parameter"), ox.NamedNode(node)
    yield node, expand("rdf:type"), ox.NamedNode(expand("sh:Parameter"))
    # The local name of the path is the name of the variable.
    yield node, expand("sh:path"), ox.NamedNode(f"{query}#{parameter.name}")
    yield node, expand("sh:name"), ox.Literal(parameter.name)
    yield node, expand("sh:description"), ox.Literal(parameter.description, language="en")
    yield node, expand("sh:optional"), ox.Literal("true", datatype=_xsd("boolean"))
    yield node, expand("sh:defaultValue"), _default(parameter)
    if parameter.kind == "iri":
        yield node, expand("sh:nodeKind"), ox.NamedNode(expand("sh:IRI"))
    else:
        yield node, expand("sh:datatype"), _xsd(parameter.kind)
    if parameter.allowed is not None and parameter.allowed.source == "class":
        yield node, expand("sh:class"), ox.NamedNode(parameter.allowed.terms[0][1:-1])


def _default(parameter: Parameter) -> Term:
    if parameter.kind == "iri":
        return ox.NamedNode(parameter.default)
    return ox.Literal(parameter.default, datatype=_xsd(parameter.kind))


def _keywords(saved: SavedQuery) -> Iterable[str]:
    return [saved.notes["asked-by"]] if "asked-by" in saved.notes else []


def _xsd(name: str) -> ox.NamedNode:
    return ox.NamedNode(f"{PREFIXES['xsd']}{name}")
