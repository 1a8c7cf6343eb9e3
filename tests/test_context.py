"""JSON-LD in the words of the published context: complete, round, and readable without fetching anything."""

import json
import re
from html.parser import HTMLParser

import pyoxigraph as ox
import pytest
import rdflib
import rdflib.compare
from garden import BASE, a_publication, iri
from hypothesis import given, settings
from hypothesis import strategies as st

from cnrs_graph.context import Context, context_of
from cnrs_graph.formats import JSONLD, NTRIPLES
from cnrs_graph.representations import embedded, graph_bytes
from cnrs_graph.site import addresses, reply
from cnrs_graph.terms import PREFIXES

XSD = PREFIXES["xsd"]


def triples(body):
    return {q.triple for q in ox.parse(body, format=ox.RdfFormat.JSON_LD)}


def canonical(quads):
    dataset = ox.Dataset(ox.Quad(t.subject, t.predicate, t.object) for t in quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return set(dataset)


@pytest.fixture(scope="module")
def published(publication):
    answer = reply(publication, "/context.jsonld")
    assert (answer.status, answer.header("Content-Type")) == (200, "application/ld+json")
    return json.loads(answer.body)["@context"]


# ----------------------------------------------------------------------------------------- the context


def test_every_term_of_the_ontology_has_its_name(publication, published):
    namespace = f"{publication.base}ontology#"
    terms = {iri for iri in publication.said.only("ontology").subjects() if iri.startswith(namespace)}
    assert len(terms) > 50
    named = {d if isinstance(d, str) else d["@id"]: name for name, d in published.items()}
    for term in terms:
        assert named.get(term) == term.removeprefix(namespace)


def test_a_link_is_known_as_a_link_and_a_date_as_a_date(publication, published):
    ontology = publication.said.only("ontology")
    links = {
        q.subject.value
        for q in ontology.quads
        if q.object == ox.NamedNode(f"{PREFIXES['owl']}ObjectProperty")
    }
    for name, definition in published.items():
        if isinstance(definition, dict):
            assert definition.keys() == {"@id", "@type"}
            assert (definition["@type"] == "@id") == (definition["@id"] in links), name
    assert published["startDate"]["@type"] == f"{XSD}date"
    assert published["attestedForYear"]["@type"] == f"{XSD}gYear"
    assert published["skos:exactMatch"]["@type"] == "@id"


def test_the_version_is_kept_for_good_under_its_number(publication, published, config):
    version = json.loads(reply(publication, "/context/0.1.0.jsonld").body)
    assert version["@context"] == published
    kept = sorted((config.ontology / "contexts").glob("*.json"))
    assert kept, "there is no released context"
    for file in kept:
        answer = reply(publication, f"/context/{file.stem}.jsonld")
        assert answer.body == file.read_bytes()
        assert reply(publication, f"/Context/{file.stem}.jsonld/").status == 308
    assert reply(publication, "/context/9.9.9.jsonld").status == 404


def test_the_context_is_about_a_publication_and_not_about_ours():
    context = json.loads(reply(a_publication(), "/context.jsonld").body)["@context"]
    assert context["Garden"] == f"{BASE}ontology#Garden"
    assert context["cnrsg"] == f"{BASE}ontology#"


def test_a_term_named_like_a_prefix_keeps_its_prefix():
    """`org` is a prefix everywhere; a term of that name is written with the prefix of the ontology."""
    kind = ox.NamedNode(f"{PREFIXES['rdf']}type")
    quads = [
        ox.Quad(
            ox.NamedNode(f"{BASE}ontology#{name}"), kind, ox.NamedNode(f"{PREFIXES['owl']}ObjectProperty")
        )
        for name in ("org", "plant", "@x")
    ]
    context = context_of(BASE, quads)
    assert context.definitions["org"] == PREFIXES["org"]
    assert "@x" not in context.definitions
    said = [ox.Quad(ox.NamedNode(iri("id/a")), quads[0].subject, ox.NamedNode(iri("id/b")))]
    body = graph_bytes(said, JSONLD, base=BASE, context=context)
    assert json.loads(body)["cnrsg:org"] == {"@id": iri("id/b")}
    assert triples(body) == {quad.triple for quad in said}


# ---------------------------------------------------------------------------------------- the documents


def test_every_document_carries_the_words_it_uses_and_says_the_same(publication, published):
    """Each JSON-LD document against its N-Triples: with the words it carries, and with the whole context."""
    seen = 0
    for path, fmt in addresses(publication):
        if fmt is not JSONLD or path.startswith("/context"):
            continue
        body = reply(publication, path).body
        tree = json.loads(body)
        own = tree["@context"]
        seen += 1
        assert own.items() <= published.items(), path
        said = reply(publication, f"{path.removesuffix('.jsonld')}.nt").body
        wanted = canonical(ox.parse(said, format=ox.RdfFormat.N_TRIPLES))
        assert canonical(triples(body)) == wanted, path
        if seen % 20 == 0:
            whole = json.dumps({**tree, "@context": published})
            assert canonical(triples(whole)) == wanted, path
    assert seen > 400


def test_another_reader_finds_the_same_graph(publication):
    for stem in ("/data/cooperation/ln2", "/data/country/can", "/ontology", "/dataset"):
        ours = rdflib.Graph().parse(data=reply(publication, f"{stem}.jsonld").body, format="json-ld")
        plain = rdflib.Graph().parse(data=reply(publication, f"{stem}.nt").body, format="nt")
        assert len(plain) > 10
        assert rdflib.compare.isomorphic(ours, plain), stem


def test_links_and_typed_values_are_plain_texts(publication):
    tree = json.loads(reply(publication, "/data/cooperation/ln2.jsonld").body)
    node = next(each for each in tree["@graph"] if each["@id"].endswith("/id/cooperation/ln2"))
    assert "Cooperation" in node["@type"]
    assert node["attestedForYear"] == "2020"
    assert node["carriedBy"] == f"{publication.base}id/laboratory/ln2"


def test_no_document_names_a_context_that_would_be_fetched(publication):
    documents = [path for path, fmt in addresses(publication) if fmt is JSONLD]
    assert len(documents) > 400
    for path in documents[::7]:
        contexts = re.findall(rb'"@context": *(.)', reply(publication, path).body)
        assert contexts
        assert set(contexts) == {b"{"}


WORDS = Context(
    "1",
    {
        "o": f"{BASE}o#",
        "geo": "https://geo.example/",
        "xsd": XSD,
        "Thing": f"{BASE}o#Thing",
        "link": {"@id": f"{BASE}o#link", "@type": "@id"},
        "day": {"@id": f"{BASE}o#day", "@type": f"{XSD}date"},
        "urn": {"@id": f"{BASE}o#urn", "@type": "@id"},
        "o:link2": {"@id": f"{BASE}o#link2", "@type": "@id"},
    },
)
_IRIS = st.sampled_from(
    [f"{BASE}o#{name}" for name in ("Thing", "link", "day", "urn", "link2", "free", "a b".replace(" ", "/"))]
    + ["geo:48.3,4.1", "urn:x:y", "o:link", "day:1", "Thing:x", "https://geo.example/x", "mailto:a@b.example"]
    + [f"{PREFIXES['rdf']}type", "http://example.org/é"]
).map(ox.NamedNode)
_BLANKS = st.sampled_from(["a", "b"]).map(ox.BlankNode)
_TEXT = st.sampled_from(
    ["", "x", "@id", "_:a", "2020-01-01", "https://e.example/", "</script>", "o:link", "é\n\t"]
)
_LITERALS = st.one_of(
    _TEXT.map(ox.Literal),
    st.tuples(_TEXT, st.sampled_from(["en", "fr-CA"])).map(lambda e: ox.Literal(e[0], language=e[1])),
    st.tuples(_TEXT, st.sampled_from(["date", "integer", "boolean", "double"])).map(
        lambda e: ox.Literal(e[0], datatype=ox.NamedNode(XSD + e[1]))
    ),
)
_QUADS = st.lists(st.builds(ox.Quad, _IRIS | _BLANKS, _IRIS, _IRIS | _BLANKS | _LITERALS), max_size=8)


@settings(max_examples=500, deadline=None)
@given(_QUADS)
def test_any_statements_survive_the_words_of_a_context(quads):
    body = graph_bytes(quads, JSONLD, base=BASE, context=WORDS)
    wanted = list(ox.parse(graph_bytes(quads, NTRIPLES), format=ox.RdfFormat.N_TRIPLES))
    assert canonical(triples(body)) == canonical(wanted)
    inside = embedded(quads, WORDS, first=f"{BASE}o#Thing")
    assert canonical(triples(inside.encode())) == canonical(wanted)
    assert not set("<>&\u2028\u2029") & set(inside)


# ---------------------------------------------------------------------------------------- in the pages


class Scripts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.held, self.open = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "script":
            self.open = True
            self.held.append((dict(attrs).get("type"), ""))

    def handle_data(self, data):
        if self.open:
            self.held[-1] = (self.held[-1][0], self.held[-1][1] + data)

    def handle_endtag(self, tag):
        self.open = self.open and tag != "script"


def scripts(page):
    found = Scripts()
    found.feed(page.decode())
    return found.held


def test_the_page_of_a_thing_holds_what_is_said_of_it_for_machines(publication):
    page = reply(publication, "/doc/cooperation/ln2", accept="text/html").body
    [(kind, text)] = scripts(page)
    assert kind == "application/ld+json"
    held = {(t.subject.value, t.predicate.value, str(t.object)) for t in triples(text.encode())}
    all_said = reply(publication, "/data/cooperation/ln2.nt").body
    everything = {
        (q.subject.value, q.predicate.value, str(q.object))
        for q in ox.parse(all_said, format=ox.RdfFormat.N_TRIPLES)
    }
    assert held <= everything
    assert len(held) > 40


def test_hostile_texts_stay_inside_the_data_of_a_page():
    page = reply(a_publication(), "/doc/garden/hostile", accept="text/html").body
    [(kind, text)] = scripts(page)
    assert kind == "application/ld+json"
    assert "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e" in text
    assert any("<script>alert(1)</script>" in str(t.object) for t in triples(text.encode()))
