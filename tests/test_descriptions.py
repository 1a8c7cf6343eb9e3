"""What is said about one thing, from a small publication whose every statement is known."""

import pyoxigraph as ox
import pytest
from garden import BASE, a_publication, inferred, iri, said

from cnrs_graph import descriptions
from cnrs_graph.dataset import Dataset, graph_name
from cnrs_graph.descriptions import build_index, describe, description_text, document, find, name_of
from cnrs_graph.errors import UnknownResourceError
from cnrs_graph.inventory import describe_dataset, describe_service, graph_sizes
from cnrs_graph.terms import expand

NORTH = iri("id/garden/north")


@pytest.fixture(scope="module")
def index():
    return build_index(said(), inferred())


@pytest.fixture(scope="module")
def north(index):
    return describe(index, NORTH)


def values(facts, predicate):
    return [fact.object.value for fact in facts if fact.predicate == predicate]


def test_a_description_holds_what_is_accepted_as_it_was_written(north):
    assert values(north.facts, iri("ontology#founded")) == ["1901"]
    assert values(north.facts, iri("ontology#openAllYear")) == ["true"]


def test_lexical_forms_stay_as_written(index):
    (fact,) = [
        f for f in describe(index, iri("id/garden/south")).facts if f.predicate == iri("ontology#founded")
    ]
    assert (fact.object.value, fact.object.datatype.value) == ("007", expand("xsd:integer"))


def test_what_follows_is_marked_and_said_only_once(north):
    derived = {(f.predicate, f.object.value) for f in north.facts if f.derived}
    assert derived == {
        (iri("ontology#hasBed"), iri("id/bed/north/1")),
        (iri("ontology#hasBed"), iri("id/bed/north/2")),
        (iri("ontology#plant"), iri("id/garden/hostile")),
    }
    accepted = said().without("claims").quads
    again = build_index(said(), [ox.Quad(q.subject, q.predicate, q.object) for q in accepted])
    assert not any(f.derived for f in describe(again, NORTH).facts)


def test_nameless_nodes_that_point_here_are_parts_and_named_things_are_not(north):
    assert [part.key for part in north.parts] == [iri("id/bed/north/1"), iri("id/bed/north/2")]
    assert north.parts_total == 2
    assert not north.truncated


def test_a_concept_has_no_parts_but_says_who_uses_it(index):
    rose = describe(index, iri("vocab/plant/rose"))
    assert rose.parts == ()
    assert [(g.kind, g.predicate, g.total) for g in rose.incoming] == [
        (iri("ontology#Bed"), iri("ontology#plant"), 1)
    ]


def test_too_many_parts_and_links_are_cut_and_counted(monkeypatch):
    graph, here = ox.NamedNode(iri("graph/curated/many")), ox.NamedNode(iri("id/hub"))
    bed_of = ox.NamedNode(iri("ontology#bedOf"))
    name = ox.NamedNode(expand("skos:prefLabel"))
    quads = [ox.Quad(here, name, ox.Literal("hub"), graph)]
    for number in range(300):
        part, thing = ox.NamedNode(iri(f"id/bed/{number}")), ox.NamedNode(iri(f"id/thing/{number}"))
        quads += [ox.Quad(part, bed_of, here, graph), ox.Quad(thing, bed_of, here, graph)]
        quads.append(ox.Quad(thing, name, ox.Literal(str(number)), graph))
        quads.append(ox.Quad(thing, ox.NamedNode(descriptions.TYPE), bed_of, graph))
    hub = describe(build_index(Dataset(BASE, tuple(quads))), here.value)
    assert (len(hub.parts), hub.parts_total) == (descriptions.PART_LIMIT, 300)
    (named,) = [group for group in hub.incoming if group.kind == bed_of.value]
    assert (len(named.things), named.total) == (descriptions.INCOMING_LIMIT, 300)
    assert named.truncated
    assert hub.truncated


def test_claims_that_differ_stand_beside_what_is_accepted(north):
    (dispute,) = north.disputes
    assert dispute.claim.object.value == "1899"
    assert dispute.claim.sources == (iri("id/source/rumour"),)
    assert [fact.object.value for fact in dispute.accepted] == ["1901"]


def test_a_statement_that_a_claim_says_too_names_its_source(north):
    (fact,) = [f for f in north.facts if f.predicate == iri("ontology#neighbour")]
    assert fact.sources == (iri("id/source/rumour"),)


def test_other_statements_have_the_source_of_their_subject(north):
    (fact,) = [f for f in north.facts if f.predicate == iri("ontology#founded")]
    assert fact.sources == (iri("id/source/guide"),)


def test_what_points_here_is_grouped_by_class_and_property(north):
    groups = {(group.kind, group.predicate): group.things for group in north.incoming}
    assert groups == {(iri("ontology#Doubt"), iri("ontology#about")): (iri("id/doubt/founding"),)}


@pytest.mark.parametrize("missing", ["id/garden/nroth", "id/nothing/at-all"])
def test_an_unknown_thing_is_an_error_that_names_its_neighbours(index, missing):
    with pytest.raises(UnknownResourceError) as caught:
        describe(index, iri(missing))
    assert caught.value.iri == iri(missing)
    assert (NORTH in caught.value.near) is (missing == "id/garden/nroth")


def test_what_is_only_pointed_at_is_unknown(index):
    with pytest.raises(UnknownResourceError):
        describe(index, "https://north.example/")


def test_a_document_holds_the_thing_its_parts_and_the_names_of_what_it_links_to(index, north):
    quads = document(index, north)
    triples = {(q.subject.value, q.predicate.value, q.object.value) for q in quads}
    assert (NORTH, iri("ontology#founded"), "1901") in triples
    assert (iri("id/bed/north/1"), iri("ontology#bedOf"), NORTH) in triples
    assert (iri("vocab/plant/rose"), expand("skos:prefLabel"), "rose") in triples
    assert (iri("id/source/guide"), expand("skos:prefLabel"), "The garden guide") in triples
    assert (iri("id/doubt/founding"), iri("ontology#about"), NORTH) in triples
    assert {graph_name(q) for q in quads if q.object.value == "1899"} == {iri("graph/claims/rumour")}


def test_names_fall_back_to_another_language_and_then_to_class_and_slug(index):
    assert name_of(index, iri("id/garden/south"), ("en",)).value == "Jardin du sud"
    assert name_of(index, iri("id/bed/north/1"), ("en",)).value == "bed north/1"


@pytest.mark.parametrize(
    "text",
    [NORTH, "id/garden/north", "garden/north", "garden:north", "north", "North garden", "jardin du NORD"],
)
def test_a_thing_is_found_by_what_people_type(index, text):
    assert find(index, text) == NORTH


def test_a_description_as_text_cannot_command_a_terminal(index):
    hostile = describe(index, iri("id/garden/hostile"))
    text = description_text(index, hostile, language="en")
    assert "<script>" in text
    assert all(character.isprintable() or character == "\n" for character in text)


# ---------------------------------------------------------------------------------------------- the whole


def number(quads, subject, curie):
    (found,) = [
        q.object.value for q in quads if (q.subject.value, q.predicate.value) == (subject, expand(curie))
    ]
    return int(found)


def test_the_numbers_of_the_dataset_are_those_an_engine_counts():
    quads, whole = describe_dataset(said()), iri("dataset")
    store = ox.Store()
    store.extend(ox.Quad(q.subject, q.predicate, q.object) for q in said().quads)
    counted = {
        "void:triples": "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }",
        "void:distinctSubjects": "SELECT (COUNT(DISTINCT ?s) AS ?n) { ?s ?p ?o }",
        "void:distinctObjects": "SELECT (COUNT(DISTINCT ?o) AS ?n) { ?s ?p ?o }",
        "void:properties": "SELECT (COUNT(DISTINCT ?p) AS ?n) { ?s ?p ?o }",
        "void:classes": "SELECT (COUNT(DISTINCT ?c) AS ?n) { ?s a ?c }",
    }
    for curie, query in counted.items():
        (row,) = store.query(query)
        assert number(quads, whole, curie) == int(row["n"].value), curie
    gardens = f"{whole}#class-{_handle(iri('ontology#Garden'))}"
    assert number(quads, gardens, "void:entities") == 5


def _handle(kind):
    from cnrs_graph.inventory import _handle as handle

    return handle(kind)


def test_the_dataset_says_again_what_the_data_says_of_it():
    triples = {(q.subject.value, q.predicate.value, q.object.value) for q in describe_dataset(said())}
    assert (iri("dataset"), expand("dcterms:license"), "https://licence.example/by") in triples


def test_the_service_names_every_graph_with_its_size():
    publication = a_publication()
    sizes = graph_sizes(said().quads)
    quads = describe_service(
        BASE, graphs=sizes, default_graphs=publication.default_graphs(), default_triples=4711
    )
    names = {q.object.value for q in quads if q.predicate.value == expand("sd:name")}
    assert names == set(publication.said.graphs())
    counted = sorted(int(q.object.value) for q in quads if q.predicate.value == expand("void:triples"))
    assert counted == sorted((*sizes.values(), 4711))
    parts = {q.object.value for q in quads if q.predicate.value == expand("dcterms:hasPart")}
    assert iri("graph/claims/rumour") not in parts
    assert iri("graph/curated/curated") in parts
