"""Graphs by name and by address, and a service description in which every number can be counted again."""

import pyoxigraph as ox
import pytest
from garden import BASE, a_publication, iri, said

from cnrs_graph import graph_store, site
from cnrs_graph.dataset import Dataset
from cnrs_graph.errors import RequestError
from cnrs_graph.formats import DOWNLOAD_FORMATS, GRAPH_FORMATS, RDFXML, RESULT_FORMATS
from cnrs_graph.graph_store import DEFAULT, identified
from cnrs_graph.terms import expand

CURATED = iri("graph/curated/curated")
FORMS = {
    "turtle": ox.RdfFormat.TURTLE,
    "ntriples": ox.RdfFormat.N_TRIPLES,
    "jsonld": ox.RdfFormat.JSON_LD,
    "rdfxml": ox.RdfFormat.RDF_XML,
    "trig": ox.RdfFormat.TRIG,
    "nquads": ox.RdfFormat.N_QUADS,
}
ACCEPTS = [None, "*/*", "text/html", "image/png", *(fmt.media_type for fmt in GRAPH_FORMATS)]


@pytest.fixture(scope="module")
def garden():
    return a_publication()


def triples(answer, fmt):
    return named(ox.parse(input=answer.body, format=FORMS[fmt.name]))


def named(quads):
    """The statements without their graphs, blank nodes named by what is said of them."""
    dataset = ox.Dataset(ox.Quad(q.subject, q.predicate, q.object) for q in quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return set(dataset)


def holds(answer, fmt):
    """Whether an answer came; RDF/XML says so when it cannot hold a statement."""
    assert answer.status == 200 or (fmt is RDFXML and answer.status == 406)
    return answer.status == 200


# --------------------------------------------------------------------------------------------------- names


def test_a_graph_is_identified_by_its_name_or_as_the_default():
    assert identified("") is None
    assert identified("format=turtle") is None
    assert identified("default") == identified("default=") == DEFAULT
    assert identified("graph=urn:x") == "urn:x"
    assert identified("graph=https%3A%2F%2Fa.example%2Fb%2520c%2Bd%C3%A9") == "https://a.example/b%20c+dé"


@pytest.mark.parametrize(
    "query",
    [
        "graph=",
        "graph=x",
        "graph=/graph/x",
        "graph=http:",
        "graph=http://a.example/b%20c",
        "graph=http://[",
        "graph=urn:%00",
        "graph=urn:x&default",
        "graph=urn:x&graph=urn:x",
        "default&default",
        "default=urn:x",
        "graph=%FF",
    ],
)
def test_a_request_that_names_no_one_graph_is_refused(query, garden):
    with pytest.raises(RequestError):
        identified(query)
    assert graph_store.reply(garden, query).status == 400


# ------------------------------------------------------------------------------------------ what is answered


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize(
    ("query", "path"),
    [(f"graph={CURATED}", "/graph/curated/curated"), ("default", "/graphs/default"), ("", "/graphs")],
)
def test_both_ways_to_name_a_graph_give_one_answer(garden, query, path, accept):
    by_name = graph_store.reply(garden, query, accept=accept)
    by_address = site.reply(garden, path, accept=accept)
    assert by_name == by_address
    assert by_name.status == 200 or accept in ("image/png", RDFXML.media_type)
    assert by_name.status != 200 or accept != "image/png"
    tag = by_name.header("ETag")
    assert (tag is None) == (by_name.status == 406)
    if tag is not None:
        again = graph_store.reply(garden, query, accept=accept, if_none_match=tag)
        assert (again.status, again.body, again.header("ETag")) == (304, b"", tag)
        assert graph_store.reply(garden, query, accept=accept, if_none_match='"x"').status == 200


@pytest.mark.parametrize("fmt", GRAPH_FORMATS, ids=lambda fmt: fmt.name)
def test_a_graph_holds_its_statements_and_no_others(garden, fmt):
    wanted = named(q for q in said().quads if q.graph_name.value == CURATED)
    answer = graph_store.reply(garden, f"graph={CURATED}", accept=fmt.media_type)
    assert wanted
    assert not holds(answer, fmt) or triples(answer, fmt) == wanted


@pytest.mark.parametrize("fmt", GRAPH_FORMATS, ids=lambda fmt: fmt.name)
def test_the_default_graph_leaves_out_what_is_set_apart_and_holds_what_follows(garden, fmt):
    names = set(garden.default_graphs())
    everything = (*garden.said.quads, *garden.inferred)
    wanted = named(q for q in everything if q.graph_name.value in names)
    assert wanted >= named(garden.inferred)
    assert wanted < named(everything)
    answer = graph_store.reply(garden, "default", accept=fmt.media_type)
    assert not holds(answer, fmt) or triples(answer, fmt) == wanted


def test_a_graph_that_is_not_here_is_not_found_and_the_nearest_is_named(garden):
    answer = graph_store.reply(garden, "graph=http://127.0.0.1:8000/graph/curated/curated")
    assert answer.status == 404
    assert CURATED.encode() in answer.body
    assert graph_store.reply(garden, "graph=urn:none", if_none_match="*").status == 404


def test_a_graph_named_by_somebody_else_is_served_by_its_name():
    one = ox.NamedNode("urn:a")
    foreign = [
        ox.Quad(one, one, ox.Literal("007", datatype=ox.NamedNode(expand("xsd:integer"))), graph)
        for graph in (ox.NamedNode("http://elsewhere.example/#g"), ox.NamedNode(iri("id/garden/north")))
    ]
    mixed = a_publication(said=Dataset(BASE, (*said().quads, *foreign)))
    for query in ("graph=http://elsewhere.example/%23g", f"graph={iri('id/garden/north')}"):
        answer = graph_store.reply(mixed, query, accept="application/n-triples")
        assert answer.status == 200
        assert answer.body == b'<urn:a> <urn:a> "007"^^<http://www.w3.org/2001/XMLSchema#integer> .\n'
    listed = graph_store.reply(mixed, "", accept="application/n-triples").body.decode()
    assert "<http://elsewhere.example/#g>" in listed
    assert "sparql#http://elsewhere.example/%23g>" in listed
    assert b"North garden" in site.reply(mixed, "/doc/garden/north").body, "the thing keeps its page"


def test_a_name_that_tries_to_break_out_is_only_a_name(garden):
    for name in ("urn:x%0D%0ASet-Cookie:a=b", "urn:%3Cscript%3E", "file:///etc/passwd"):
        answer = graph_store.reply(garden, f"graph={name}", accept="text/html")
        assert answer.status in (400, 404)
        assert b"<script>" not in answer.body
        assert not any("\r" in value or "\n" in value for _, value in answer.headers)


# ------------------------------------------------------------------------------ the service, counted again


@pytest.fixture(scope="module")
def described(client):
    answer = client.get("/sparql", headers={"Accept": "application/n-triples"})
    assert answer.status_code == 200
    return list(ox.parse(input=answer.content, format=ox.RdfFormat.N_TRIPLES))


def values(described, subject, curie):
    predicate = ox.NamedNode(expand(curie))
    return [q.object.value for q in described if q.predicate == predicate and q.subject.value == subject]


def number(client, query):
    answer = client.get("/sparql", params={"query": query})
    return int(answer.json()["results"]["bindings"][0]["n"]["value"])


def one(described, curie):
    predicate = ox.NamedNode(expand(curie))
    return {q.subject.value: q.object.value for q in described if q.predicate == predicate}


def test_every_number_of_the_service_description_can_be_counted_again(client, described):
    names, graphs, counts = (one(described, curie) for curie in ("sd:name", "sd:graph", "void:triples"))
    held = client.get(
        "/sparql",
        params={"query": "SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }"},
        headers={"Accept": "text/csv"},
    )
    assert sorted(names.values()) == sorted(held.text.split()[1:])
    for node, name in names.items():
        counted = number(client, f"SELECT (COUNT(*) AS ?n) {{ GRAPH <{name}> {{ ?s ?p ?o }} }}")
        assert int(counts.pop(graphs[node])) == counted > 0, name
    (default,) = one(described, "sd:defaultGraph").values()
    assert int(counts.pop(default)) == number(client, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
    assert counts == {}, "no number is left that nobody counted"


def test_the_parts_of_the_default_graph_are_what_simple_queries_see(client, described):
    (default,) = one(described, "sd:defaultGraph").values()
    parts = "".join(f"FROM <{name}> " for name in values(described, default, "dcterms:hasPart"))
    assert parts
    simple = number(client, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
    distinct = "{ SELECT DISTINCT ?s ?p ?o { ?s ?p ?o } }"
    assert number(client, f"SELECT (COUNT(*) AS ?n) {parts} {distinct}") == simple


def test_every_format_of_the_description_is_offered_and_every_offered_one_described(client, described):
    w3c = "http://www.w3.org/ns/formats/"
    names = {
        "json": "SPARQL_Results_JSON", "xml": "SPARQL_Results_XML", "csv": "SPARQL_Results_CSV",
        "tsv": "SPARQL_Results_TSV", "turtle": "Turtle", "ntriples": "N-Triples", "jsonld": "JSON-LD",
        "rdfxml": "RDF_XML", "trig": "TriG", "nquads": "N-Quads",
    }  # fmt: skip
    (service,) = one(described, "sd:endpoint")
    said_formats = set(values(described, service, "sd:resultFormat"))
    for query, formats in (("SELECT * {}", RESULT_FORMATS), ("CONSTRUCT {} {}", GRAPH_FORMATS)):
        refused = client.get("/sparql", params={"query": query}, headers={"Accept": "image/png"}).json()
        beside = {"text/html", *(fmt.media_type for fmt in DOWNLOAD_FORMATS)}
        assert set(refused["offered"]) - beside == {fmt.media_type for fmt in formats} - beside
        for fmt in formats:
            answer = client.get("/sparql", params={"query": query}, headers={"Accept": fmt.media_type})
            assert answer.headers["content-type"].partition(";")[0] == fmt.media_type
            said_formats.remove(w3c + names[fmt.name])
    assert said_formats == set()


def test_limits_are_those_of_the_server_and_addresses_are_absolute(client, described):
    names, numbers = one(described, "schema:name"), one(described, "schema:value")
    said_limits = {names[node]: float(value) for node, value in numbers.items()}
    assert said_limits == client.get("/health").json()["limits"]
    (endpoint,) = one(described, "sd:endpoint").values()
    assert endpoint == "https://w3id.org/cnrs-graph/sparql"
    (graphs,) = one(described, "sd:availableGraphs").values()
    assert graphs == "https://w3id.org/cnrs-graph/graphs"
    assert all(q.subject.value.startswith("https://w3id.org/cnrs-graph/") for q in described)


def test_nothing_is_claimed_that_the_service_does_not_do(described):
    features = set(one(described, "sd:feature").values())
    languages = set(one(described, "sd:supportedLanguage").values())
    assert features == set(), "claims are set apart, so not even the union holds"
    assert languages == {expand("sd:SPARQL11Query")}
    predicates = {q.predicate.value for q in described}
    for curie in ("sd:extensionFunction", "sd:extensionAggregate", "sd:languageExtension", "sd:inputFormat"):
        assert expand(curie) not in predicates


def test_the_union_is_claimed_where_it_holds():
    everything = a_publication(outside_default=())
    fmt = GRAPH_FORMATS[1]
    answer = site.service_description(everything, fmt, limits={})
    assert expand("sd:UnionDefaultGraph").encode() in answer.body
