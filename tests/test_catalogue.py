"""The dataset described: VoID, DCAT, schema.org, sitemap; every number counted again, every claim checked."""

import hashlib
import json
import os
import re
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pyoxigraph as ox
import pyshacl
import pytest
import rdflib
from garden import BASE, a_publication, iri, said

from cnrs_graph.catalogue import Shelf, describe_catalogue
from cnrs_graph.dataset import Dataset, graph_of
from cnrs_graph.dumps import Dump
from cnrs_graph.schema_org import script_text
from cnrs_graph.site import addresses, reply, site_of
from cnrs_graph.sitemap import Sitemaps
from cnrs_graph.terms import PREFIXES, expand

ROOT = Path(__file__).parents[1]
STANDARDS = Path(os.environ.get("CNRS_GRAPH_STANDARDS", ROOT.parent / "shared" / "standards"))
DCAT_AP = STANDARDS / "dcat-ap" / "dcat-ap-3.0.1-SHACL.ttl"
VOID = "http://rdfs.org/ns/void#"


@pytest.fixture(scope="module")
def garden():
    return a_publication()


@pytest.fixture(scope="module", params=["garden", "shipped"])
def anyone(request, garden, publication):
    return garden if request.param == "garden" else publication


def quads_at(publication, path):
    answer = reply(publication, path)
    assert answer.status == 200
    return list(ox.parse(input=answer.body, format=ox.RdfFormat.N_TRIPLES))


def values(quads, subject, curie):
    return [
        q.object.value
        for q in quads
        if str(q.subject) == f"<{subject}>" and q.predicate.value == expand(curie)
    ]


# -------------------------------------------------------------------------------------------------- VoID


def an_engine(publication):
    """The dump in an engine, each literal as a text of its own, so that no spelling is taken for another."""
    store = ox.Store()
    dump = reply(publication, "/dump/dataset.nq").body
    for quad in ox.parse(input=dump, format=ox.RdfFormat.N_QUADS):
        value = ox.Literal(str(quad.object)) if isinstance(quad.object, ox.Literal) else quad.object
        store.add(ox.Quad(quad.subject, quad.predicate, value, quad.graph_name))
        store.add(ox.Quad(quad.subject, quad.predicate, value))
    return store


def counting(described, base):
    """For each number that VoID states, the query that counts it."""
    whole = f"{base}dataset"
    things = f'FILTER(STRSTARTS(STR(?s), "{base}id/"))'
    yield whole, "void:triples", "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
    yield whole, "void:distinctSubjects", "SELECT (COUNT(DISTINCT ?s) AS ?n) { ?s ?p ?o }"
    yield whole, "void:distinctObjects", "SELECT (COUNT(DISTINCT ?o) AS ?n) { ?s ?p ?o }"
    yield whole, "void:properties", "SELECT (COUNT(DISTINCT ?p) AS ?n) { ?s ?p ?o }"
    yield whole, "void:classes", "SELECT (COUNT(DISTINCT ?o) AS ?n) { ?s a ?o FILTER(isIRI(?o)) }"
    yield whole, "void:entities", f"SELECT (COUNT(DISTINCT ?s) AS ?n) {{ ?s ?p ?o {things} }}"
    for node in values(described, whole, "void:classPartition"):
        (kind,) = values(described, node, "void:class")
        yield node, "void:entities", f"SELECT (COUNT(DISTINCT ?s) AS ?n) {{ ?s a <{kind}> }}"
    for node in values(described, whole, "void:propertyPartition"):
        (predicate,) = values(described, node, "void:property")
        yield node, "void:triples", f"SELECT (COUNT(*) AS ?n) {{ ?s <{predicate}> ?o }}"
    for graph in values(described, whole, "void:subset"):
        yield graph, "void:triples", f"SELECT (COUNT(*) AS ?n) {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}"
        for linkset in values(described, graph, "void:subset"):
            (target,) = values(described, linkset, "void:objectsTarget")
            leads = f'FILTER(isIRI(?o) && STRSTARTS(STR(?o), "{target}"))'
            yield (
                linkset,
                "void:triples",
                f"SELECT (COUNT(*) AS ?n) {{ GRAPH <{graph}> {{ ?s ?p ?o {leads} }} }}",
            )


def test_every_number_of_void_is_counted_again_by_an_engine(anyone):
    described, store = quads_at(anyone, "/dataset.nt"), an_engine(anyone)
    numbers = {
        (q.subject.value, q.predicate.value): int(q.object.value)
        for q in described
        if q.predicate.value.startswith(VOID)
        and isinstance(q.object, ox.Literal)
        and q.object.value.isdecimal()
    }
    assert len(numbers) > 40
    counted = {}
    for subject, curie, query in counting(described, anyone.base):
        (row,) = store.query(query)
        counted[subject, expand(curie)] = int(row["n"].value)
    assert counted == numbers


def test_what_links_elsewhere_is_a_linkset_for_each_site(publication):
    described, base = quads_at(publication, "/dataset.nt"), publication.base
    ror = f"{base}dataset#links/ror/https://ror.org/"
    assert values(described, ror, "rdf:type") == [f"{VOID}Linkset"]
    assert values(described, ror, "void:subjectsTarget") == [f"{base}dataset"]
    assert values(described, ror, "void:linkPredicate")
    assert int(values(described, ror, "void:triples")[0]) > 50


def test_void_says_where_the_files_are_and_that_it_is_about_the_dataset(anyone):
    described, whole = quads_at(anyone, "/dataset.nt"), f"{anyone.base}dataset"
    files = {f"{anyone.base}dump/{dump.name}" for dump in site_of(anyone).documents.dumps}
    assert len(files) == 6
    assert set(values(described, whole, "void:dataDump")) == files
    assert values(described, f"{anyone.base}.well-known/void", "foaf:primaryTopic") == [whole]
    assert values(described, whole, "dcterms:license")


def test_the_well_known_address_gives_the_same_description(garden):
    known = reply(garden, "/.well-known/void", accept="application/n-triples")
    assert known.body == reply(garden, "/dataset.nt").body


# -------------------------------------------------------------------------------------------------- DCAT


def shapes():
    """The shapes of DCAT-AP, without the two references to parts that the release left out."""
    if not DCAT_AP.is_file():
        pytest.skip(f"DCAT-AP's shapes are not in {STANDARDS}; CNRS_GRAPH_STANDARDS names another folder")
    found, sh = rdflib.Graph().parse(DCAT_AP), rdflib.Namespace("http://www.w3.org/ns/shacl#")
    for shape, part in list(found.subject_objects(sh.property)):
        if (part, sh.path, None) not in found:
            found.remove((shape, sh.property, part))
    assert len(set(found.subjects(sh.targetClass))) > 20
    return found


def findings(graph):
    conforms, report, text = pyshacl.validate(graph, shacl_graph=shapes())
    assert conforms is (
        rdflib.URIRef("http://www.w3.org/ns/shacl#ValidationResult") not in set(report.objects())
    )
    return text if not conforms else ""


def graph_at(publication, path):
    return rdflib.Graph().parse(data=reply(publication, path).body, format="nt")


def test_the_shipped_catalogue_conforms_to_dcat_ap(publication):
    assert findings(graph_at(publication, "/catalog.nt")) == ""


@pytest.mark.parametrize(
    ("subject", "curie"),
    [
        ("catalog", "dcterms:title"),
        ("catalog", "dcterms:description"),
        ("catalog", "dcterms:publisher"),
        ("catalog#dataset.nq", "dcat:accessURL"),
        ("catalog#dataset.nq-sha256", "spdx:checksumValue"),
        ("sparql#service", "dcat:endpointURL"),
        ("dataset/north-america", "dcterms:title"),
    ],
)
def test_dcat_ap_notices_what_is_left_out(publication, subject, curie):
    graph = graph_at(publication, "/catalog.nt")
    left_out = (rdflib.URIRef(publication.base + subject), rdflib.URIRef(expand(curie)), None)
    assert left_out in graph
    graph.remove(left_out)
    assert "MinCount" in findings(graph)


def described(turtle, **changes):
    """The catalogue of a dataset of which the data says this."""
    prefixes = "".join(f"@prefix {name}: <{PREFIXES[name]}> .\n" for name in ("dcat", "dcterms", "xsd"))
    text = f"{prefixes} <{BASE}d> {turtle} ."
    about = list(ox.parse(input=text, format=ox.RdfFormat.TURTLE))
    facts = {
        "base": BASE,
        "title": {"en": "Gardens"},
        "datasets": (f"{BASE}d",),
        "about": lambda key: [q for q in about if q.subject == ox.NamedNode(key)],
    }
    return describe_catalogue(Shelf(**(facts | changes)))


TEXTS = """a dcat:Dataset ; dcterms:title "Gardens"@en ; dcterms:description "All of them."@en ;
    dcterms:publisher "The gardeners" ; dcterms:creator "The gardeners" ; dcterms:language "en" , "pt-BR" ;
    dcterms:temporal "1999"^^xsd:gYear , "long ago" ; dcterms:spatial "Behind" ;
    dcterms:license "Ask first" ; dcterms:source <https://guide.example/> ; dcat:contactPoint "Jo" """


def test_a_text_where_a_catalogue_needs_a_node_becomes_a_node():
    quads = described(TEXTS)
    assert findings(graph_of(quads)) == ""
    (publisher,) = values(quads, f"{BASE}d", "dcterms:publisher")
    assert values(quads, publisher, "foaf:name") == ["The gardeners"]
    assert values(quads, f"{BASE}d", "dcterms:creator") == [publisher]
    assert values(quads, f"{BASE}d", "prov:wasDerivedFrom") == ["https://guide.example/"]
    assert "http://id.loc.gov/vocabulary/iso639-1/en" in values(quads, f"{BASE}d", "dcterms:language")
    starts = [
        start
        for when in values(quads, f"{BASE}d", "dcterms:temporal")
        for start in values(quads, when, "dcat:startDate")
    ]
    assert starts == ["1999"]


def test_nothing_is_said_that_the_data_does_not_say():
    quads = describe_catalogue(Shelf(BASE, {"en": "Gardens"}, (), lambda _: ()))
    said_of = {q.predicate.value for q in quads}
    for curie in (
        "dcterms:publisher",
        "dcterms:license",
        "dcterms:issued",
        "dcterms:spatial",
        "dcat:byteSize",
    ):
        assert expand(curie) not in said_of
    assert values(quads, f"{BASE}catalog", "dcat:dataset") == [f"{BASE}dataset"]
    assert values(quads, f"{BASE}dataset", "dcterms:title") == ["Gardens"]
    assert not [q for q in quads if isinstance(q.subject, ox.BlankNode) or isinstance(q.object, ox.BlankNode)]


def test_every_file_is_described_as_it_is(anyone):
    quads, base = quads_at(anyone, "/catalog.nt"), anyone.base
    files = [q.subject.value for q in quads if q.predicate.value == expand("dcat:downloadURL")]
    assert len(files) == 6
    for node in files:
        (address,) = values(quads, node, "dcat:downloadURL")
        body = reply(anyone, address.removeprefix(base.rstrip("/"))).body
        assert values(quads, node, "dcat:byteSize") == [str(len(body))]
        (checksum,) = values(quads, node, "spdx:checksum")
        assert values(quads, checksum, "spdx:checksumValue") == [hashlib.sha256(body).hexdigest()]
        assert bool(values(quads, node, "dcat:compressFormat")) is (body[:2] == b"\x1f\x8b")


def test_the_catalogue_is_had_in_every_format_and_as_a_page(garden):
    assert (
        reply(garden, "/catalog", accept="text/html").body
        == reply(garden, "/dataset", accept="text/html").body
    )
    for extension in ("ttl", "jsonld", "rdf", "trig", "nq"):
        assert reply(garden, f"/catalog.{extension}").status == 200


# -------------------------------------------------------------------------------------------- schema.org


def embedded(publication, path, language=None):
    page = reply(publication, path, accept="text/html", accept_language=language).body.decode()
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


@pytest.mark.parametrize("path", ["/", "/dataset"])
def test_the_page_says_the_dataset_for_search_engines(publication, path):
    found = embedded(publication, path)
    assert (found["@context"], found["@type"]) == ("https://schema.org/", "Dataset")
    assert 50 <= len(found["description"]) <= 5000
    assert found["@id"] == f"{publication.base}dataset/north-america"
    assert found["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert found["publisher"]["name"] == "The cnrs-graph maintainers"
    assert found["temporalCoverage"] == "2020"
    assert {place["name"] for place in found["spatialCoverage"]} >= {"Canada", "North America"}
    assert found["isAccessibleForFree"] is True
    assert found["keywords"][0] == "international research cooperation"
    files = {file["contentUrl"]: file for file in found["distribution"]}
    packed = files[f"{publication.base}dump/dataset.nq.gz"]
    body = reply(publication, "/dump/dataset.nq.gz").body
    assert packed["sha256"] == hashlib.sha256(body).hexdigest()
    assert packed["contentSize"] == f"{len(body)} B"
    assert packed["encodingFormat"] == ["application/n-quads", "application/gzip"]


HOSTILE = "</script><script>alert(1)</script><!-- & \u2028 ]]>"


def test_no_text_ends_the_script_that_holds_it():
    text = script_text({"name": HOSTILE})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"name": HOSTILE}


def test_a_hostile_title_stays_a_title_in_the_page():
    title = ox.Quad(
        ox.NamedNode(iri("dataset")),
        ox.NamedNode(expand("dcterms:title")),
        ox.Literal(HOSTILE, language="en"),
        ox.NamedNode(iri("graph/meta/meta")),
    )
    quads = [q for q in said().quads if (q.subject, q.predicate) != (title.subject, title.predicate)]
    hostile = a_publication(said=Dataset(BASE, (*quads, title)), title={"en": HOSTILE})
    assert embedded(hostile, "/")["name"] == HOSTILE
    page = reply(hostile, "/", accept="text/html").body.decode()
    assert page.count("<script") == page.count("</script>") == 1


# ------------------------------------------------------------------------------------------------ crawlers


def locations(body, tag):
    root = ElementTree.fromstring(body)  # noqa: S314 - our own answer
    assert root.tag == "{http://www.sitemaps.org/schemas/sitemap/0.9}" + tag
    return [each.text for each in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]


def test_the_sitemap_names_every_page_once(garden):
    found = locations(reply(garden, "/sitemap.xml").body, "urlset")
    pages = {path for path, fmt in addresses(garden) if fmt.name == "page"}
    aliases = {"/catalog", "/.well-known/void"}
    assert len(pages) > 20
    assert sorted(found) == sorted(BASE.rstrip("/") + path for path in pages - aliases)
    for address in found:
        assert reply(garden, urlsplit(address).path.removeprefix("/g"), accept="text/html").status == 200


def test_the_sitemap_says_where_the_site_is_served():
    served = a_publication(public_url="https://gardens.example/a/b")
    found = locations(reply(served, "/sitemap.xml").body, "urlset")
    assert all(address.startswith("https://gardens.example/a/b/") for address in found)
    rules = reply(served, "/robots.txt").body.decode().splitlines()
    assert "Disallow: /a/b/sparql" in rules
    assert "Sitemap: https://gardens.example/a/b/sitemap.xml" in rules


def test_a_long_sitemap_is_split_and_an_index_names_the_parts(garden):
    documents = site_of(garden).documents
    split, whole = Sitemaps(documents, part=7), Sitemaps(documents)
    parts = locations(split.at("/sitemap.xml"), "sitemapindex")
    assert parts == [f"{BASE}sitemap-{n}.xml" for n in range(1, len(parts) + 1)]
    named = [locations(split.at(path.removeprefix(BASE.rstrip("/"))), "urlset") for path in parts]
    assert all(0 < len(part) <= 7 for part in named)
    assert [each for part in named for each in part] == locations(whole.at("/sitemap.xml"), "urlset")
    assert split.at("/sitemap-0.xml") is split.at(f"/sitemap-{len(parts) + 1}.xml") is None
    assert split.paths() == ["/sitemap.xml", *(path.removeprefix(BASE.rstrip("/")) for path in parts)]


@pytest.mark.parametrize("path", ["/sitemap-1.xml", "/sitemap-x.xml", "/sitemap", "/sitemapx.xml"])
def test_no_other_sitemap_is_there(garden, path):
    assert reply(garden, path).status == 404


def test_a_size_in_a_description_is_that_of_the_dump():
    dump = Dump(Path("dataset.nq.gz"), 4711, "ab" * 32)
    quads = described("a dcat:Dataset", dumps=[dump])
    assert values(quads, f"{BASE}catalog#dataset.nq.gz", "dcat:byteSize") == ["4711"]
    assert values(quads, f"{BASE}d", "dcat:distribution")[0] == f"{BASE}catalog#dataset.nq.gz"
