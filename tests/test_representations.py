"""Statements as bytes: every term through every format, the same bytes each time."""

import re

import pyoxigraph as ox
import pytest
import rdflib
from garden import BASE, iri, said
from hypothesis import given, settings
from hypothesis import strategies as st
from rdflib.compare import isomorphic

from cnrs_graph.errors import NotAcceptableError
from cnrs_graph.formats import GRAPH_FORMATS, JSONLD, NQUADS, NTRIPLES, RDFXML, TRIG, TURTLE
from cnrs_graph.representations import graph_bytes
from cnrs_graph.terms import PREFIXES, expand

ENGINE = {
    TURTLE: ox.RdfFormat.TURTLE,
    NTRIPLES: ox.RdfFormat.N_TRIPLES,
    JSONLD: ox.RdfFormat.JSON_LD,
    RDFXML: ox.RdfFormat.RDF_XML,
    TRIG: ox.RdfFormat.TRIG,
    NQUADS: ox.RdfFormat.N_QUADS,
}
RDFLIB = {TURTLE: "turtle", NTRIPLES: "nt", JSONLD: "json-ld", RDFXML: "xml", TRIG: "trig", NQUADS: "nquads"}
S, P = ox.NamedNode("https://example.org/s"), ox.NamedNode("https://example.org/p")
EACH = pytest.mark.parametrize("fmt", GRAPH_FORMATS, ids=lambda fmt: fmt.name)


def back(body, fmt):
    return list(ox.parse(input=body, format=ENGINE[fmt], base_iri="https://elsewhere.example/"))


def triples(quads):
    return {(q.subject, q.predicate, q.object) for q in quads}


def literal(text, *, language=None, datatype=None):
    return (
        ox.Literal(text, language=language)
        if language
        else ox.Literal(text, datatype=datatype and ox.NamedNode(datatype))
    )


ODD = [
    literal("plain"),
    literal(""),
    literal("école", language="fr-ca"),
    literal("007", datatype=expand("xsd:integer")),
    literal("+1.50", datatype=expand("xsd:decimal")),
    literal(".5", datatype=expand("xsd:decimal")),
    literal("1", datatype=expand("xsd:boolean")),
    literal("true", datatype=expand("xsd:boolean")),
    literal("no number", datatype=expand("xsd:integer")),
    literal("5", datatype=expand("xsd:nonNegativeInteger")),
    literal("1e3", datatype=expand("xsd:double")),
    literal("2020", datatype=expand("xsd:gYear")),
    literal("2020-01-01T00:00:00+00:00", datatype=expand("xsd:dateTime")),
    literal("P0Y1D", datatype=expand("xsd:duration")),
    literal("POINT(1 2)", datatype=expand("geo:wktLiteral")),
    literal('quotes " \'\'\' """ and \\ backslashes \\" \\n'),
    literal('ends with "'),
    literal('\nends after a line feed with "'),
    literal("line\nfeed, carriage\rreturn, both\r\n, tab\t."),
    literal("a\u0085b\u2028c\u00a0d"),
    literal("𝔘𝔫𝔦 e\u0301 \U0010fffd"),
    literal("<b>&amp;]]></b><!-- -->"),
    literal("-- {{ }} $x #no comment"),
    ox.NamedNode("https://example.org/é/ü?a=1&b='2'#x"),
    ox.NamedNode("https://example.org/caf%C3%A9"),
    ox.NamedNode("urn:x:y"),
    ox.NamedNode("geo:48.2,16.3"),
    ox.NamedNode("mailto:nobody@example.org"),
    ox.NamedNode(f"{BASE}id/garden/a.b."),
    ox.NamedNode(f"{BASE}id/garden/-x"),
    ox.NamedNode(f"{BASE}id/garden/7"),
    ox.NamedNode(f"{BASE}id/a/b/c"),
    ox.NamedNode(PREFIXES["skos"]),
    ox.NamedNode(expand("skos:prefLabel")),
    ox.BlankNode("x"),
]


@EACH
@pytest.mark.parametrize("term", ODD, ids=str)
def test_every_term_comes_back_as_it_was(fmt, term):
    body = graph_bytes([ox.Quad(S, P, term)], fmt, base=BASE)
    ((_, _, found),) = triples(back(body, fmt))
    assert isinstance(found, ox.BlankNode) if isinstance(term, ox.BlankNode) else found == term


@EACH
@pytest.mark.parametrize("term", [t for t in ODD if "a.b." not in str(t)], ids=str)
def test_the_other_library_reads_the_same(fmt, term, monkeypatch):
    monkeypatch.setattr(rdflib, "NORMALIZE_LITERALS", False)
    body = graph_bytes([ox.Quad(S, P, term)], fmt, base=BASE)
    graph = rdflib.Dataset() if fmt.keeps_graphs else rdflib.Graph()
    graph.parse(data=body, format=RDFLIB[fmt])
    (found,) = {quad[2] for quad in graph}
    if isinstance(term, ox.Literal):
        assert (str(found), (found.language or "").lower()) == (term.value, (term.language or "").lower())
        datatype = term.datatype.value if term.datatype.value != expand("xsd:string") else None
        if not term.language:
            assert (str(found.datatype) if found.datatype else None) in (datatype, term.datatype.value)
    elif isinstance(term, ox.NamedNode):
        assert str(found) == term.value


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@EACH
@settings(max_examples=60, deadline=None)
@given(text=TEXT)
def test_any_text_comes_back_or_is_refused(fmt, text):
    try:
        body = graph_bytes([ox.Quad(S, P, ox.Literal(text))], fmt)
    except NotAcceptableError:
        assert fmt is RDFXML
        assert re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text)
        return
    assert triples(back(body, fmt)) == {(S, P, ox.Literal(text))}


@settings(max_examples=100, deadline=None)
@given(local=st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), max_size=8))
def test_any_property_is_written_or_refused_in_rdf_xml(local):
    try:
        predicate = ox.NamedNode(f"https://example.org/p/{local}")
        list(ox.parse(input=f"<x:s> {predicate} <x:o> .".encode(), format=ox.RdfFormat.N_TRIPLES))
    except (ValueError, SyntaxError):
        return
    try:
        body = graph_bytes([ox.Quad(S, predicate, S)], RDFXML)
    except NotAcceptableError:
        assert not re.fullmatch("[a-z]+", local)
        return
    assert triples(back(body, RDFXML)) == {(S, predicate, S)}
    graph = rdflib.Graph().parse(data=body, format="xml")
    assert {str(p) for _, p, _ in graph} == {predicate.value}


@pytest.mark.parametrize(
    "quad",
    [
        ox.Quad(S, ox.NamedNode("https://example.org/p/123"), S),
        ox.Quad(S, P, ox.Literal("bell \x07")),
        ox.Quad(S, P, ox.Literal("\uffff")),
    ],
    ids=["number", "bell", "no character"],
)
def test_rdf_xml_is_refused_where_it_would_be_broken(quad):
    with pytest.raises(NotAcceptableError) as caught:
        graph_bytes([quad], RDFXML)
    assert "text/turtle" in caught.value.offered


@EACH
def test_the_same_statements_are_the_same_bytes_whatever_their_order(fmt):
    once = list(said().quads)
    again = once[::-1]
    if fmt is RDFXML:
        once, again = ([q for q in quads if "\x07" not in q.object.value] for quads in (once, again))
    assert graph_bytes(once, fmt, base=BASE) == graph_bytes(again, fmt, base=BASE)


NESTED = """
@prefix : <https://example.org/> .
:s :list ( 1 "two" ( :three ) [ :p :o ] ) , () ; :one [ :p [ :q "deep" ] ] ; :shared _:x ; :again _:x ;
   :empty [] ; :loop _:l , _:k .
_:x :p :o . _:l :next _:m . _:m :next _:l . _:k :next _:k .
_:a :next _:b . _:b :next _:a . [] :p "top" .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
:broken rdf:rest _:r . _:r rdf:first 1 , 2 ; rdf:rest rdf:nil .
"""


@EACH
def test_blank_nodes_nested_listed_shared_and_in_circles_come_back(fmt):
    quads = list(ox.parse(input=NESTED.encode(), format=ox.RdfFormat.TURTLE))
    found = rdflib.Dataset(default_union=True) if fmt.keeps_graphs else rdflib.Graph()
    found.parse(data=graph_bytes(quads, fmt), format=RDFLIB[fmt])
    flat = rdflib.Graph()
    for statement in found:
        flat.add(statement[:3])
    assert isomorphic(flat, rdflib.Graph().parse(data=NESTED, format="turtle"))


def test_blank_nodes_shared_by_two_graphs_stay_one_node():
    node, one, two = (
        ox.BlankNode(),
        ox.NamedNode("https://example.org/1"),
        ox.NamedNode("https://example.org/2"),
    )
    quads = [ox.Quad(S, P, node, one), ox.Quad(node, P, S, two)]
    for fmt in (TRIG, NQUADS):
        found = ox.Dataset(back(graph_bytes(quads, fmt), fmt))
        found.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
        wanted = ox.Dataset(quads)
        wanted.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
        assert found == wanted


def test_turtle_reads_well():
    north = iri("id/garden/north")
    quads = [q for q in said().quads if q.subject.value in (north, iri("id/garden/south"))]
    text = graph_bytes(quads, TURTLE, base=BASE, first=north).decode()
    blocks = text.split("\n\n")
    assert blocks[0].startswith("@prefix cnrsg: <https://example.org/g/ontology#> .")
    assert blocks[1].startswith("garden:north a cnrsg:Garden ;")
    assert "    cnrsg:openAllYear true ." in blocks[1]
    assert 'cnrsg:founded "007"^^xsd:integer' in text
    declared = set(re.findall(r"@prefix ([\w-]+):", text))
    used = set(re.findall(r"(?<![<\w:/])([a-z][\w-]*):[\w]", re.sub(r'<[^>]*>|"[^"]*"', "", text)))
    assert declared == used


@EACH
def test_an_iri_whose_scheme_is_spelt_like_a_prefix_keeps_its_meaning(fmt):
    point = literal("POINT(1 2)", datatype=expand("geo:wktLiteral"))
    quads = [ox.Quad(S, P, ox.NamedNode("geo:48.2,16.3")), ox.Quad(S, P, point)]
    assert triples(back(graph_bytes(quads, fmt), fmt)) == triples(quads)


def test_only_trig_and_n_quads_name_graphs():
    quads = said().only("claims").quads
    for fmt in GRAPH_FORMATS:
        named = {quad.graph_name for quad in back(graph_bytes(quads, fmt), fmt)}
        assert (ox.DefaultGraph() not in named) is fmt.keeps_graphs, fmt.name
