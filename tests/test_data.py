"""One promise per test about ontology/, shapes/, data/ and queries/; the message says how to mend."""

import csv
import re
from collections import Counter
from pathlib import Path

import pyoxigraph as ox
import pytest

from cnrs_graph.terms import PREFIXES, ResourceName, resource_name

ROOT = Path(__file__).parents[1]
TYPE = f"{PREFIXES['rdf']}type"
SOURCE = f"{PREFIXES['prov']}hadPrimarySource"
CNRSG = PREFIXES["cnrsg"]


@pytest.fixture(scope="module")
def data(publication):
    found = publication.said.without("ontology", "shapes")
    assert len(found.quads) > 5000, "the data is not where it was"
    return found


@pytest.fixture(scope="module")
def register():
    with (ROOT / "data" / "slugs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 500
    return rows


def instances(dataset, name):
    wanted = ox.NamedNode(CNRSG + name)
    return {
        quad.subject.value for quad in dataset.quads if quad.predicate.value == TYPE and quad.object == wanted
    }


def test_every_thing_has_its_slug_in_the_register(data, register):
    known = {ResourceName(row["kind"], row["slug"]) for row in register}
    named = {resource_name(data.base, iri) for iri in data.subjects()} - {None}
    assert named - known == set(), "append these to data/slugs.csv: kind,slug,release,active"
    active = {ResourceName(row["kind"], row["slug"]) for row in register if row["status"] == "active"}
    assert active - named == set(), "a published slug has disappeared; bring the thing back or withdraw it"


def test_the_register_says_each_slug_once(register):
    doubled = [
        key for key, count in Counter((row["kind"], row["slug"]) for row in register).items() if count > 1
    ]
    assert doubled == []
    assert {row["status"] for row in register} <= {"active", "withdrawn", "merged"}


def test_slugs_hold_no_year_and_no_unit_code(register):
    named_after_codes = {"unit-code"}
    suspicious = [
        row["slug"]
        for row in register
        if row["kind"] not in named_after_codes
        and re.search(r"(?<!\d)(19|20)\d\d(?!\d)|(umi|usr|umr|irl)-?\d", row["slug"])
    ]
    assert suspicious == []


def test_data_has_no_blank_node(data):
    found = [
        str(quad)
        for quad in data.quads
        if isinstance(quad.subject, ox.BlankNode) or isinstance(quad.object, ox.BlankNode)
    ]
    assert found == []


def test_every_iri_of_ours_that_is_mentioned_is_described(publication, data):
    described = publication.said.subjects() | set(publication.named_graphs())
    ours = (f"{data.base}id/", f"{data.base}vocab/", f"{data.base}ontology#", f"{data.base}shapes#")
    mentioned = {
        term.value
        for quad in data.quads
        for term in (quad.predicate, quad.object)
        if isinstance(term, ox.NamedNode) and term.value.startswith(ours)
    }
    assert mentioned
    assert mentioned - described == set()


def test_every_node_of_the_curated_data_has_a_source(data):
    curated = data.only("curated", "counts")
    sourced = {quad.subject.value for quad in curated.quads if quad.predicate.value == SOURCE}
    assert curated.subjects() - sourced == set()


def test_every_row_of_the_facts_that_is_firm_or_inferred_is_there(data):
    assert len(instances(data, "InternationalResearchLaboratory")) == 13
    assert len(instances(data, "Umifre")) == 1
    assert len(instances(data, "InternationalResearchProject")) == 7
    assert len(instances(data, "Scheme")) == 17
    assert len(instances(data, "PublishedCount")) == 113


def test_what_is_inferred_says_why_in_english_and_french(data):
    inferred = ox.NamedNode(f"{data.base}vocab/certainty/inferred")
    nodes = {
        quad.subject
        for quad in data.quads
        if quad.predicate.value == f"{CNRSG}certainty" and quad.object == inferred
    }
    assert nodes
    for node in nodes:
        languages = {
            quad.object.language
            for quad in data.quads
            if quad.subject == node and quad.predicate.value == f"{CNRSG}reason"
        }
        assert {"en", "fr"} <= languages, f"{node} is inferred without a reason"


def test_candidates_are_members_of_no_roster(data):
    members = {
        quad.object.value for quad in data.quads if quad.predicate.value == f"{PREFIXES['prov']}hadMember"
    }
    assert members
    assert members <= instances(data, "Cooperation")


def test_each_side_of_a_conflict_stands_in_a_graph_of_its_source(data):
    claims = data.only("claims")
    assert len(claims.graphs()) > 20
    derived = {
        (quad.subject.value, quad.object.value)
        for quad in data.only("meta").quads
        if quad.predicate.value == f"{PREFIXES['prov']}wasDerivedFrom"
    }
    for graph in claims.graphs():
        slug = graph.rpartition("/")[2]
        assert (graph, f"{data.base}id/source/{slug}") in derived, (
            f"say in data/meta/graphs.ttl what {graph} is"
        )


def test_every_graph_is_described(publication, data):
    described = data.only("meta").subjects()
    for graph in data.graphs():
        assert graph in described, f"describe {graph} in data/meta/graphs.ttl"


def test_one_version_goes_through_the_whole_project(publication):
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    said = {
        (quad.subject.value, quad.predicate.value, quad.object.value)
        for quad in publication.said.quads
        if quad.predicate.value in (f"{PREFIXES['owl']}versionInfo", f"{PREFIXES['dcat']}version")
    }
    assert (f"{publication.base}ontology", f"{PREFIXES['owl']}versionInfo", version) in said
    assert any(predicate == f"{PREFIXES['dcat']}version" and value == version for _, predicate, value in said)
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "namespace",
    ["http://schema.org/", "https://www.wikidata.org/", "http://w3.org/", "https://www.w3.org/ns/"],
)
def test_namespaces_are_spelt_as_their_owners_spell_them(publication, namespace):
    wrong = [
        str(quad)
        for quad in publication.said.without("shapes").quads  # a shape may name what it refuses
        for term in (quad.subject, quad.predicate, quad.object)
        if isinstance(term, ox.NamedNode)
        and term.value.startswith(namespace)
        and quad.predicate.value != f"{PREFIXES['schema']}url"
        and quad.predicate.value != f"{PREFIXES['foaf']}homepage"
    ]
    assert wrong == []


def test_turtle_files_declare_the_prefixes_everybody_uses():
    files = [path for folder in ("ontology", "shapes", "data") for path in (ROOT / folder).rglob("*.ttl")]
    assert len(files) > 50
    # "org", "geo" … must mean the same in every file; a file may add prefixes of its own.
    for path in files:
        for prefix, namespace in re.findall(
            r"^@prefix ([\w-]+): <([^>]+)>", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert PREFIXES.get(prefix, namespace) == namespace, f"{path}: {prefix}: is <{namespace}>"
