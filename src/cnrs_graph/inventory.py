"""The dataset and the endpoint described for machines, every number counted from the statements."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset, graph_name
from cnrs_graph.formats import GRAPH_FORMATS, RESULT_FORMATS, Format
from cnrs_graph.terms import Term, compact, expand, graph_family

_TYPE = expand("rdf:type")
#: What the data says of the dataset it describes holds for everything that is published with it.
_OF_WHOLE = tuple(expand(f"dcterms:{name}") for name in ("title", "license"))
#: The W3C's names for formats, for the ones that have one.
_W3C_FORMATS: Mapping[str, str] = {
    "turtle": "Turtle",
    "ntriples": "N-Triples",
    "jsonld": "JSON-LD",
    "rdfxml": "RDF_XML",
    "trig": "TriG",
    "nquads": "N-Quads",
    "json": "SPARQL_Results_JSON",
    "xml": "SPARQL_Results_XML",
    "csv": "SPARQL_Results_CSV",
    "tsv": "SPARQL_Results_TSV",
}
#: What each limit of the endpoint means.
_LIMITS: Mapping[str, str] = {
    "query_seconds": "A query may take {} seconds.",
    "query_memory_bytes": "A query may take {} bytes of memory beyond the data.",
    "body_bytes": "The body of a request may have {} bytes.",
    "workers": "Queries that run at once: {}.",
    "queue": "Queries that may wait: {}.",
}
#: Characters that stand for themselves in a fragment, as RFC 3986 allows (section 3.5), and the percent sign.
_IN_FRAGMENT = "/?!$&'()*+,;=:@-._~%"


def w3c_format(fmt: Format) -> str:
    """The W3C's IRI of a format."""
    return f"http://www.w3.org/ns/formats/{_W3C_FORMATS[fmt.name]}"


def dataset_iri(base: str) -> str:
    """The IRI of the dataset as a whole."""
    return f"{base}dataset"


def published_datasets(said: Dataset) -> tuple[str, ...]:
    """The datasets that the data describes, the one that is the whole first."""
    found = {str(q.subject)[1:-1] for q in said.quads if q.predicate.value == _TYPE and _is_dataset(q.object)}
    whole = dataset_iri(said.base)
    return tuple(sorted(found, key=lambda iri: (iri != whole, iri)))


@dataclass(frozen=True)
class Census:
    """What was counted in a dataset: once, when it is put together, never at a request.

    Graphs: everything counts what was said in every graph; `inferred` is the size of the inferred graph.
    """

    triples: int
    subjects: int
    objects: int
    #: Things that have a page of their own.
    entities: int
    classes: Mapping[str, int]
    properties: Mapping[str, int]
    graphs: Mapping[str, int]
    inferred: int
    #: For each graph of links, by site that it leads to and by property: how many links.
    links: Mapping[str, Mapping[str, Mapping[str, int]]]
    examples: tuple[str, ...]


def census_of(said: Dataset) -> Census:
    """Count the statements of a dataset that is held in memory."""
    triples = {(q.subject, q.predicate, q.object) for q in said.quads}
    classes: dict[str, set[str]] = defaultdict(set)
    uses: Counter[str] = Counter()
    for subject, predicate, target in triples:
        uses[predicate.value] += 1
        if predicate.value == _TYPE and isinstance(target, ox.NamedNode):
            classes[target.value].add(str(subject))
    graphs: dict[str, set[ox.Quad]] = defaultdict(set)
    for quad in said.quads:
        graphs[graph_name(quad)].add(quad)
    things = sorted(s for s in said.subjects() if s.startswith(f"{said.base}id/"))
    folders: dict[str, str] = {}
    for thing in things:
        folders.setdefault(thing[len(said.base) :].split("/")[1], thing)
    return Census(
        triples=len(triples),
        subjects=len({s for s, _, _ in triples}),
        objects=len({o for _, _, o in triples}),
        entities=len(things),
        classes={kind: len(found) for kind, found in classes.items()},
        properties=dict(uses),
        graphs={graph: len(quads) for graph, quads in graphs.items()},
        inferred=0,
        links={
            graph: links_by_target(said.base, Counter((q.object, q.predicate) for q in quads))
            for graph, quads in graphs.items()
            if graph_family(said.base, graph) == "links"
        },
        examples=tuple(sorted(folders.values())),
    )


def describe_dataset(said: Dataset, *, dumps: Iterable[str] = ()) -> tuple[ox.Quad, ...]:
    """Describe a dataset that is held in memory with VoID, every number counted."""
    described = {ox.NamedNode(iri) for iri in published_datasets(said)}
    about = [q for q in said.quads if q.subject in described]
    return describe_census(said.base, census_of(said), about, dumps=dumps)


def describe_census(
    base: str, census: Census, described: Iterable[ox.Quad], *, dumps: Iterable[str] = ()
) -> tuple[ox.Quad, ...]:
    """Describe a dataset with VoID: its size, classes, properties, graphs and links, as they were counted.

    Graphs: inferred statements are left out; *described* is what the data says about its datasets, repeated.
    Source: Describing Linked Datasets with the VoID Vocabulary, sections 2 to 6.
    """
    whole = dataset_iri(base)
    write = Writer()
    write.link(f"{base}.well-known/void", "rdf:type", expand("void:DatasetDescription"))
    write.link(f"{base}.well-known/void", "foaf:primaryTopic", whole)
    write.link(whole, "rdf:type", expand("void:Dataset"))
    write.number(whole, "void:triples", census.triples)
    write.number(whole, "void:distinctSubjects", census.subjects)
    write.number(whole, "void:distinctObjects", census.objects)
    write.text(whole, "void:uriSpace", f"{base}id/")
    write.link(whole, "void:sparqlEndpoint", f"{base}sparql")
    for fmt in GRAPH_FORMATS:
        write.link(whole, "void:feature", w3c_format(fmt))
    for dump in dumps:
        write.link(whole, "void:dataDump", dump)
    for quad in described:
        write.quads.append(ox.Quad(quad.subject, quad.predicate, quad.object))
        if quad.subject != ox.NamedNode(whole):
            write.link(whole, "dcterms:hasPart", str(quad.subject)[1:-1])
        if quad.predicate.value in _OF_WHOLE:
            write.quads.append(ox.Quad(ox.NamedNode(whole), quad.predicate, quad.object))
    for namespace in sorted({_namespace(term) for term in (*census.properties, *census.classes)}):
        write.link(whole, "void:vocabulary", namespace)
    for example in census.examples:
        write.link(whole, "void:exampleResource", example)
    _partitions(write, whole, census)
    _subsets(write, base, census)
    return tuple(dict.fromkeys(write.quads))


def describe_service(
    base: str,
    *,
    graphs: Mapping[str, int],
    default_graphs: Sequence[str],
    default_triples: int,
    result_formats: Iterable[Format] = RESULT_FORMATS,
    graph_formats: Iterable[Format] = GRAPH_FORMATS,
    limits: Mapping[str, float] | None = None,
) -> tuple[ox.Quad, ...]:
    """Describe the SPARQL endpoint: language, formats, graphs with sizes, limits in words and as numbers.

    Only what holds is said: no federation, no extension functions, and a union as default graph only if it
    is one.

    Graphs: *graphs* counts the triples of each named graph; *default_graphs* make up the default graph.
    Source: SPARQL 1.1 Service Description, section 3.
    """
    endpoint = f"{base}sparql"
    service = f"{endpoint}#service"
    write = Writer()
    write.link(service, "rdf:type", expand("sd:Service"))
    write.link(service, "sd:endpoint", endpoint)
    write.link(service, "sd:supportedLanguage", expand("sd:SPARQL11Query"))
    # What follows by the ontology's rules is in a graph of its own; answering a query derives nothing.
    write.link(service, "sd:defaultEntailmentRegime", "http://www.w3.org/ns/entailment/Simple")
    if set(graphs) == set(default_graphs):
        write.link(service, "sd:feature", expand("sd:UnionDefaultGraph"))
    for fmt in (*result_formats, *graph_formats):
        write.link(service, "sd:resultFormat", w3c_format(fmt))
    for name, value in (limits or {}).items():
        limit = f"{endpoint}#limit-{name}"
        write.text(service, "rdfs:comment", _LIMITS.get(name, f"{name}: {{}}").format(f"{value:g}"), "en")
        write.link(service, "schema:additionalProperty", limit)
        write.link(limit, "rdf:type", expand("schema:PropertyValue"))
        write.text(limit, "schema:name", name)
        write.number(limit, "schema:value", value)
    write.link(service, "rdfs:seeAlso", graph_list_iri(base))
    write.link(service, "sd:availableGraphs", graph_list_iri(base))
    write.link(service, "sd:defaultDataset", f"{endpoint}#dataset")
    return (*write.quads, *describe_graphs(base, graphs, default_graphs, default_triples))


def describe_graphs(
    base: str, graphs: Mapping[str, int], default_graphs: Sequence[str], default_triples: int
) -> tuple[ox.Quad, ...]:
    """List the graphs that can be fetched and queried, with their sizes, and what the default graph is.

    Source: SPARQL 1.1 Service Description, sections 3.2.4 to 3.2.9.
    """
    everything = graph_list_iri(base)
    data, default = f"{base}sparql#dataset", f"{base}sparql#default-graph"
    write = Writer()
    write.link(everything, "rdf:type", expand("sd:GraphCollection"))
    write.link(data, "rdf:type", expand("sd:Dataset"))
    write.link(data, "sd:defaultGraph", default)
    write.link(default, "rdf:type", expand("sd:Graph"))
    write.number(default, "void:triples", default_triples)
    for name in default_graphs:
        write.link(default, "dcterms:hasPart", name)
    for name, triples in sorted(graphs.items()):
        node = f"{base}sparql#{quote(name.removeprefix(base), safe=_IN_FRAGMENT)}"
        write.link(data, "sd:namedGraph", node)
        write.link(everything, "sd:namedGraph", node)
        write.link(node, "rdf:type", expand("sd:NamedGraph"))
        write.link(node, "sd:name", name)
        write.link(node, "sd:graph", f"{node}-graph")
        write.link(f"{node}-graph", "rdf:type", expand("sd:Graph"))
        write.number(f"{node}-graph", "void:triples", triples)
    return tuple(write.quads)


def graph_list_iri(base: str) -> str:
    """The IRI of the list of graphs, where each can be fetched."""
    return f"{base}graphs"


def graph_sizes(quads: Iterable[ox.Quad]) -> dict[str, int]:
    """How many statements each graph holds."""
    return dict(sorted(Counter(graph_name(quad) for quad in set(quads)).items()))


def default_graph_of(quads: Iterable[ox.Quad], names: Collection[str]) -> list[ox.Quad]:
    """The statements of the named graphs, each once, with no graph name."""
    found = {(q.subject, q.predicate, q.object): None for q in quads if graph_name(q) in names}
    return [ox.Quad(*triple) for triple in found]


class Writer:
    """Statements as they are collected."""

    def __init__(self) -> None:
        self.quads: list[ox.Quad] = []

    def term(self, subject: str, curie: str, value: Term) -> None:
        """Say something with a term that is there already."""
        self.quads.append(ox.Quad(ox.NamedNode(subject), ox.NamedNode(expand(curie)), value))

    def link(self, subject: str, curie: str, target: str) -> None:
        """Link to an IRI; nothing is said if it is empty."""
        if target:
            self.term(subject, curie, ox.NamedNode(target))

    def number(self, subject: str, curie: str, value: float) -> None:
        """Say a number."""
        whole = value == int(value)
        self.typed(
            subject, curie, str(int(value) if whole else value), "xsd:integer" if whole else "xsd:decimal"
        )

    def typed(self, subject: str, curie: str, value: str, datatype: str) -> None:
        """Say a value with its datatype."""
        self.term(subject, curie, ox.Literal(value, datatype=ox.NamedNode(expand(datatype))))

    def text(self, subject: str, curie: str, value: str, language: str | None = None) -> None:
        """Say a text, in a language or in none."""
        self.term(subject, curie, ox.Literal(value, language=language) if language else ox.Literal(value))


def _is_dataset(term: object) -> bool:
    return isinstance(term, ox.NamedNode) and term.value in (expand("dcat:Dataset"), expand("void:Dataset"))


def _partitions(write: Writer, whole: str, census: Census) -> None:
    """Classes with their instances, properties with their triples."""
    write.number(whole, "void:classes", len(census.classes))
    write.number(whole, "void:properties", len(census.properties))
    write.number(whole, "void:entities", census.entities)
    for kind, count in sorted(census.classes.items()):
        node = f"{whole}#class-{_handle(kind)}"
        write.link(whole, "void:classPartition", node)
        write.link(node, "void:class", kind)
        write.number(node, "void:entities", count)
    for predicate, count in sorted(census.properties.items()):
        node = f"{whole}#property-{_handle(predicate)}"
        write.link(whole, "void:propertyPartition", node)
        write.link(node, "void:property", predicate)
        write.number(node, "void:triples", count)


def _subsets(write: Writer, base: str, census: Census) -> None:
    """Each graph as a subset; of a graph of links, the links to each site as a linkset."""
    whole = dataset_iri(base)
    for graph, count in sorted(census.graphs.items()):
        if not graph:
            continue
        write.link(whole, "void:subset", graph)
        write.link(graph, "rdf:type", expand("void:Dataset"))
        write.number(graph, "void:triples", count)
        for target, uses in sorted(census.links.get(graph, {}).items()):
            linkset = f"{whole}#{quote(graph.removeprefix(f'{base}graph/'), safe=_IN_FRAGMENT)}/{target}"
            write.link(graph, "void:subset", linkset)
            write.link(linkset, "rdf:type", expand("void:Linkset"))
            write.link(linkset, "void:subjectsTarget", whole)
            write.link(linkset, "void:objectsTarget", target)
            write.number(linkset, "void:triples", sum(uses.values()))
            for predicate in sorted(uses):
                write.link(linkset, "void:linkPredicate", predicate)


def links_by_target(base: str, uses: Mapping[tuple[Term, Term], int]) -> dict[str, dict[str, int]]:
    """How often each property leads to each site, from how often it leads to each IRI."""
    found: dict[str, dict[str, int]] = {}
    for (value, predicate), count in uses.items():
        target = target_of(base, value.value) if isinstance(value, ox.NamedNode) else None
        if target is not None and isinstance(predicate, ox.NamedNode):
            by_property = found.setdefault(target, {})
            by_property[predicate.value] = by_property.get(predicate.value, 0) + count
    return {target: dict(sorted(found[target].items())) for target in sorted(found)}


def target_of(base: str, iri: str) -> str | None:
    """The site that a link leads to; None when it stays here, or leads to no site."""
    parts = urlsplit(iri)
    return f"{parts.scheme}://{parts.netloc}/" if parts.netloc and not iri.startswith(base) else None


def _namespace(iri: str) -> str:
    return iri[: max(iri.rfind("#"), iri.rfind("/")) + 1] or iri


def _handle(iri: str) -> str:
    short = compact(iri)
    return hashlib.sha256(iri.encode()).hexdigest()[:12] if short.startswith("<") else short.replace(":", "-")
