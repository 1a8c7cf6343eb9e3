"""The promises of validation: what is found, where, in which words, and what cannot pass for a check."""

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pyoxigraph as ox
import pyshacl
import pytest
import rdflib
from rdflib.compare import isomorphic

from cnrs_graph import shacl_engine
from cnrs_graph.dataset import Dataset, graph_of, load
from cnrs_graph.errors import ConfigError, Place, ShapesError, VacuousShapesError
from cnrs_graph.shape_graph import term_of
from cnrs_graph.terms import to_rdflib
from cnrs_graph.validation import (
    Severity,
    explain,
    focus_nodes,
    in_language,
    load_shapes,
    rules,
    vacuous,
    validate,
)

FIXTURES = Path(__file__).parent / "fixtures" / "validation"
BASE = "https://example.org/"
SH = rdflib.SH
PREFIXES = """
@prefix : <https://example.org/ns#> .
@prefix id: <https://example.org/id/> .
@prefix s: <https://example.org/shapes#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""
ONTOLOGY = ":LongLoan rdfs:subClassOf :Loan . :Loan a owl:Class ."


@pytest.fixture
def write(tmp_path):
    """Write a file and read it as a dataset."""

    def write_(text, name="data.ttl", prefixes=PREFIXES):
        path = tmp_path / name
        path.write_text(prefixes + text, encoding="utf-8")
        return load(path, base=BASE)

    return write_


@pytest.fixture
def shapes():
    return load_shapes(load(FIXTURES / "shapes.ttl", base=BASE))


@pytest.fixture
def changed(write):
    """The valid loans with one change, and the report on them."""
    text = (FIXTURES / "loans.ttl").read_text(encoding="utf-8")

    def changed_(old, new):
        assert old in text
        return write(text.replace(old, new, 1), prefixes="")

    return changed_


def found(report):
    return [
        (result.rule, result.severity.name, result.place.line, result.place.column)
        for result in report.results
    ]


def test_valid_data_conforms_and_was_looked_at(shapes, changed):
    report = validate(changed("brief", "short"), shapes)

    assert report.conforms
    assert (report.results, report.worst) == ((), None)
    assert report.looked_at["https://example.org/shapes#Loan"] == 1


def test_a_wrong_date_is_found_on_its_very_line(shapes, changed):
    report = validate(changed('"2020-01-15"', '"2020-13-45"'), shapes)

    (result,) = [result for result in report.results if result.path.endswith("start")]
    assert (result.place.line, result.place.column) == (8, 12)
    assert result.value == ox.Literal(
        "2020-13-45", datatype=ox.NamedNode("http://www.w3.org/2001/XMLSchema#date")
    )
    assert (result.rule, result.severity) == ("LN1", Severity.VIOLATION)
    assert result.shape == "https://example.org/shapes#Loan-start"
    assert not report.conforms


def test_a_missing_property_is_found_on_the_first_line_of_its_subject(shapes, changed):
    report = validate(changed(':start "2020-01-15"^^xsd:date ;', ""), shapes)

    assert found(report) == [("LN1", "VIOLATION", 6, 1)]


def test_each_language_has_its_own_message(shapes, changed):
    report = validate(changed('"2020-02-15"', '"2019-02-15"'), shapes)

    (result,) = report.results
    assert result.messages == {
        "en": "Ends on 2019-02-15, before it starts; check both dates.",
        "fr": "Finit le 2019-02-15, avant de commencer ; vérifiez les deux dates.",
    }
    assert result.message("fr").startswith("Finit")
    assert result.message("es").startswith("Ends")
    assert (result.rule, result.path, result.place.line) == ("LN2", "https://example.org/ns#end", 9)
    messages = set(report.graph.objects(None, SH.resultMessage))
    assert {message.language for message in messages} == {"en", "fr"}


def test_a_language_that_is_missing_falls_back_to_english_then_to_any():
    assert in_language({"en": "a", "fr": "b"}, "es") == "a"
    assert in_language({"": "c", "fr": "b"}, "es") == "c"
    assert in_language({"fr": "b"}, "en") == "b"
    assert in_language({}, "en") == ""


def test_a_value_with_a_backslash_does_not_stop_a_message(shapes, changed):
    said = changed('"2020-02-15"^^xsd:date', r'"\\1 \\g<0>"')
    text = (FIXTURES / "shapes.ttl").read_text(encoding="utf-8")
    free = text.replace("FILTER(?value < ?start)", "")

    path = next(iter(said.files.values())).with_name("shapes.ttl")
    path.write_text(free, encoding="utf-8")
    report = validate(said, load_shapes(load(path, base=BASE)))

    assert [r.message() for r in report.results] == [
        "Ends on \\1 \\g<0>, before it starts; check both dates."
    ]


def test_infos_alone_do_not_conform_and_are_no_worse_than_info(shapes, changed, write):
    context = write(ONTOLOGY, "ontology.ttl")
    report = validate(changed("brief", "far too long to be a note"), shapes, context=context)

    assert not report.conforms
    assert report.worst is Severity.INFO
    assert report.at_least(Severity.INFO) == report.results
    assert report.at_least(Severity.WARNING) == ()
    assert found(report) == [("LN1", "INFO", 14, 11)]


def test_the_worst_comes_first(shapes, write):
    said = write(
        'id:x a :Loan ; :note "far too long to be a note" ; :borrower id:b . id:b :town "Nice" .\n'
        "id:r1 :renews id:x . id:r2 :renews id:x ."
    )
    report = validate(said, shapes)

    severities = [result.severity for result in report.results]
    assert severities == sorted(severities, reverse=True)
    assert [severity.name for severity in severities] == ["VIOLATION", "WARNING", "WARNING", "INFO"]
    assert report.worst is Severity.VIOLATION


def test_members_of_a_subclass_are_looked_at_when_the_ontology_is_there(shapes, changed, write):
    said = changed('"2020-03-01"^^xsd:date', '"soon"')

    assert validate(said, shapes).conforms
    report = validate(said, shapes, context=write(ONTOLOGY, "ontology.ttl"))
    assert found(report) == [("LN1", "VIOLATION", 13, 12)]
    assert report.looked_at["https://example.org/shapes#Loan"] == 2


def test_what_only_the_context_says_is_not_reported(shapes, changed, write):
    context = write("id:bad a :Loan . id:also a :Loan .", "context.ttl")
    said = changed(":borrower id:ada", ":borrower id:ada ; :seeAlso id:also")

    report = validate(said, shapes, context=context)

    assert [result.focus.value for result in report.results] == [f"{BASE}id/also"]
    assert report.looked_at["https://example.org/shapes#Loan"] == 1


def test_the_label_is_the_name_in_the_language_asked_for(shapes, changed):
    said = changed(':start "2020-01-15"^^xsd:date ;', "")

    assert [result.label for result in validate(said, shapes, language="fr").results] == ["Premier prêt"]
    assert [result.label for result in validate(said, shapes, language="es").results] == ["First loan"]


def test_a_node_without_name_is_called_by_what_its_iri_says(shapes, write):
    report = validate(write("<https://example.org/id/loan/x/1> a :Loan . id:y a :Loan ."), shapes)

    assert sorted(result.label for result in report.results) == ["<https://example.org/id/y>", "loan x/1"]


def test_a_path_of_several_steps_is_written_the_way_of_sparql(shapes, write):
    said = write('id:x a :Loan ; :start "2020-01-01"^^xsd:date ;\n :borrower id:b . id:b :town "Nice" .')

    (result,) = validate(said, shapes).results
    assert result.path == "<https://example.org/ns#borrower>/<https://example.org/ns#town>"
    assert (result.place.line, result.place.column) == (10, 12)


def test_a_path_walked_backwards_has_its_place_too(shapes, write):
    said = write('id:x a :Loan ; :start "2020-01-01"^^xsd:date .\nid:r1 :renews id:x .\nid:r2 :renews id:x .')
    (result,) = validate(said, shapes).results
    assert result.path == "^<https://example.org/ns#renews>"
    assert result.place == Place(next(iter(said.files.values())), 9, 1)


def test_a_wrong_value_of_a_path_walked_backwards_stands_where_it_points_here(write):
    shapes = load_shapes(
        write("s:X sh:targetClass :K ; sh:property s:P . s:P sh:path [ sh:inversePath :p ] ; sh:class :L .")
    )
    (result,) = validate(
        write("id:x a :K .\nid:l a :L ; :p id:x .\nid:m :q 1 ; :p id:x .", "x.ttl"), shapes
    ).results

    assert result.value == ox.NamedNode(f"{BASE}id/m")
    assert (result.place.line, result.place.column) == (11, 16)


def test_own_words_for_a_list_keep_the_order_of_the_list(shapes, write):
    said = write('id:x a :Loan ; :start "2020-01-01"^^xsd:date ; :borrower id:b . id:b :town "Nice" .')

    (result,) = validate(said, shapes).results
    assert result.messages["en"].endswith('"Nice" is not one of "Lyon", "Metz", "Albi"')
    assert result.messages["fr"].endswith("""n'est pas dans la liste "Lyon", "Metz", "Albi\"""")


CORE = {
    "class": "sh:class :K",
    "datatype": "sh:datatype xsd:integer",
    "nodeKind": "sh:nodeKind sh:IRI",
    "minCount": "sh:minCount 2",
    "maxCount": "sh:maxCount 0",
    "minExclusive": "sh:minExclusive 9",
    "minInclusive": "sh:minInclusive 9",
    "maxExclusive": "sh:maxExclusive 0",
    "maxInclusive": "sh:maxInclusive 0",
    "minLength": "sh:minLength 9",
    "maxLength": "sh:maxLength 0",
    "pattern": 'sh:pattern "^z"',
    "languageIn": 'sh:languageIn ( "en" )',
    "equals": "sh:equals :q",
    "disjoint": "sh:disjoint :r",
    "lessThan": "sh:lessThan :r",
    "lessThanOrEquals": "sh:lessThanOrEquals :q",
    "not": "sh:not [ sh:minLength 0 ]",
    "and": "sh:and ( [ sh:minLength 9 ] )",
    "or": "sh:or ( [ sh:minLength 9 ] )",
    "xone": "sh:xone ( [ sh:minLength 9 ] )",
    "node": "sh:node [ sh:nodeKind sh:IRI ]",
    "hasValue": "sh:hasValue 9",
    "in": "sh:in ( 8 9 )",
    "qualifiedMinCount": "sh:qualifiedValueShape [ sh:nodeKind sh:IRI ] ; sh:qualifiedMinCount 1",
    "qualifiedMaxCount": "sh:qualifiedValueShape [ sh:nodeKind sh:Literal ] ; sh:qualifiedMaxCount 0",
    "sparql": 'sh:sparql [ sh:select "SELECT $this WHERE { $this ?p ?o }" ]',
}


@pytest.mark.parametrize("constraint", CORE.values(), ids=CORE)
def test_every_constraint_without_message_has_words_of_our_own(constraint, write):
    shapes = load_shapes(
        write(f"s:X a sh:NodeShape ; sh:targetNode id:x ; sh:property s:P .\ns:P sh:path :p ; {constraint} .")
    )
    report = validate(write('id:x :p "5" ; :r "5" ; :q 3 .', "x.ttl"), shapes)

    assert report.results
    for result in report.results:
        assert set(result.messages) == {"en", "es", "fr"}
        assert "{" not in result.message("en") + result.message("fr")
        assert result.place is not None


def test_closed_and_unique_languages_have_words_too(write):
    shapes = load_shapes(
        write(
            "s:X sh:targetNode id:x ; sh:closed true ; sh:property s:P .\n"
            "s:P sh:path :p ; sh:uniqueLang true ."
        )
    )
    report = validate(write('id:x :p "a"@en , "b"@en ;\n :q 1 .', "x.ttl"), shapes)

    assert [(result.path[-1], result.place.line) for result in report.results] == [("p", 9), ("q", 10)]
    assert all(result.message("fr") for result in report.results)


BROKEN = {
    "no path": ("s:X sh:property s:P . s:P sh:minCount 1 .", "needs exactly one sh:path"),
    "two paths": ("s:X sh:property s:P . s:P sh:path :a , :b .", "needs exactly one sh:path, this one has 2"),
    "a node shape with a path": ("s:X sh:path :p .", "a node shape has no sh:path"),
    "a path that is a text": ('s:X sh:property s:P . s:P sh:path "p" .', 'not of the text "p"'),
    "a path of one step": ("s:X sh:property s:P . s:P sh:path ( :p ) .", "no property path"),
    "an empty path": ("s:X sh:property s:P . s:P sh:path () .", "no property path"),
    "a path of no known kind": (
        "s:X sh:property s:P . s:P sh:path [ sh:inversPath :p ] .",
        "no property path",
    ),
    "a path inside a path": (
        "s:X sh:property s:P . s:P sh:path ( :a [ sh:alternativePath :p ] ) .",
        "no property path",
    ),
    "no whole list": ("s:X sh:in :a .", "sh:in must be a list"),
    "a list without end": (
        "s:X sh:or _:l . _:l <http://www.w3.org/1999/02/22-rdf-syntax-ns#first> s:Y ; "
        "<http://www.w3.org/1999/02/22-rdf-syntax-ns#rest> _:l .",
        "sh:or must be a list",
    ),
    "a class that is a text": ('s:X sh:class "K" .', 'not the text "K"'),
    "a count that is a text": ('s:X sh:property s:P . s:P sh:path :p ; sh:minCount "one" .', "integer"),
    "two datatypes": ("s:X sh:property s:P . s:P sh:path :p ; sh:datatype :a , :b .", "datatype"),
    "a pattern that is none": ('s:X sh:property s:P . s:P sh:path :p ; sh:pattern "(" .', 'the pattern "("'),
    "a query that is none": (
        's:X sh:sparql [ sh:select "SELECT $this WHERE { $this }" ] .',
        "line 1, column",
    ),
    "a query without select": ('s:X sh:sparql [ sh:ask "ASK {}" ] .', "sh:select"),
    "a query that does not give this": (
        's:X sh:sparql [ sh:select "SELECT ?x WHERE { $this ?p ?x }" ] .',
        "SELECT that gives $this",
    ),
    "a prefix nobody declared": (
        's:X sh:sparql [ sh:select "SELECT $this WHERE { $this no:p 1 }" ] .',
        "Unknown namespace prefix : no",
    ),
    "a query that calls out": (
        's:X sh:sparql [ sh:select "SELECT $this WHERE { SERVICE <http://127.0.0.1:9/> {} }" ] .',
        "SERVICE",
    ),
    "a query that names a graph to fetch": (
        's:X sh:sparql [ sh:select "SELECT $this FROM <http://127.0.0.1:9/> WHERE { $this ?p ?o }" ] .',
        "FROM",
    ),
    "a list of no shapes": ("s:X sh:or () .", "the list of sh:or is empty"),
    "a truth that is a text": ('s:X sh:closed "yes" .', "sh:closed must be true or false"),
    "a message that is no text": ("s:X sh:message :m .", "a sh:message must be a text"),
}


@pytest.mark.parametrize(("text", "reason"), BROKEN.values(), ids=BROKEN)
def test_broken_shapes_are_refused_by_name_and_place_with_the_reason(text, reason, write):
    data = write(f"\ns:X a sh:NodeShape ; sh:targetClass :K .\n{text}", "shapes.ttl")

    with pytest.raises(ShapesError) as refused:
        load_shapes(data)

    message = str(refused.value)
    assert reason in message
    assert not isinstance(refused.value, VacuousShapesError)
    assert "https://example.org/shapes#" in message
    assert f"{next(iter(data.files.values()))}:" in message


WITHOUT_EFFECT = {
    "a misspelt parameter": (
        "sh:property s:P . s:P sh:path :p ; sh:minLenght 3",
        "did you mean sh:minLength?",
    ),
    "a misspelt class": (
        "sh:property s:P . s:P a sh:PropertyShap ; sh:path :p",
        "SHACL defines no sh:PropertyShap",
    ),
    "a severity on a query": (
        'sh:sparql [ sh:severity sh:Info ; sh:select "SELECT $this WHERE {$this a $this}" ]',
        "sh:severity on a SPARQL constraint is ignored",
    ),
    "a severity that SHACL does not have": ("sh:severity sh:Error", "SHACL defines no sh:Error"),
    "a truth in a number": ("sh:closed '1'^^xsd:boolean", 'sh:closed has the value "1" and not true'),
    "a number of values of nothing": (
        "sh:qualifiedMinCount 5",
        "sh:qualifiedMinCount says nothing without sh:path",
    ),
    "flags without a pattern": (
        "sh:property s:P . s:P sh:path :p ; sh:flags 'i'",
        "sh:flags says nothing without sh:pattern beside it",
    ),
    "an advanced target": ("sh:target [ a sh:SPARQLTarget ]", "sh:target is beyond"),
    "a shape inside itself": ("sh:property s:P . s:P sh:path :p ; sh:node s:X", "leads back to itself"),
    "a shape that is its own part": ("sh:node s:X", "leads back to itself"),
    "a shape nobody uses": ("sh:name 'x' . s:Y a sh:NodeShape", "has no target and no shape uses it"),
}


@pytest.mark.parametrize(("text", "warning"), WITHOUT_EFFECT.values(), ids=WITHOUT_EFFECT)
def test_what_has_no_effect_in_shapes_is_named(text, warning, write):
    warnings = load_shapes(write(f"s:X a sh:NodeShape ; sh:targetClass :K ; {text} .")).warnings

    assert [line for line in warnings if warning in line], warnings
    assert all("https://example.org/shapes#" in line for line in warnings)


def test_good_shapes_have_no_warnings(shapes):
    assert shapes.warnings == ()


def test_shapes_that_look_at_nothing_are_no_check(shapes, write):
    with pytest.raises(
        VacuousShapesError, match=r"no shape looked at any node: .*LN1 looks for sh:targetClass"
    ):
        validate(write("id:x a :Book ."), shapes)


@pytest.mark.parametrize(
    "text", ["", "s:X a sh:NodeShape ; sh:closed true .", "s:X sh:targetClass :K ; sh:deactivated true ."]
)
def test_shapes_without_a_working_target_are_no_check(text, write):
    with pytest.raises(VacuousShapesError):
        validate(write("id:x a :K .", "x.ttl"), load_shapes(write(f"{text} id:y a :Z .", "shapes.ttl")))


def test_a_node_of_the_context_is_not_enough_to_have_looked(shapes, write):
    context = write("id:old a :Loan .", "context.ttl")
    with pytest.raises(VacuousShapesError):
        validate(write("id:x a :Lone ; :renews id:old ."), shapes, context=context)


@pytest.mark.parametrize(
    ("data", "meant"),
    [
        ("id:x a :Laon .", "<https://example.org/ns#Laon>"),
        ("id:x a <https://example.org/other#Loan> .", "<https://example.org/other#Loan>"),
        ("id:x :ends 1 .", "<https://example.org/ns#ends>"),
    ],
)
def test_a_target_spelt_nearly_like_the_data_is_pointed_out(data, meant, shapes, write):
    said = write(data)

    with pytest.raises(VacuousShapesError, match=f"did you mean {meant}"):
        validate(said, shapes)
    assert [item.near for item in vacuous(shapes, said) if item.near] == [meant]


def test_focus_nodes_are_counted_by_every_kind_of_target(write):
    shapes = load_shapes(
        write(
            "s:C sh:targetClass :K . s:N sh:targetNode id:a , id:absent . s:S sh:targetSubjectsOf :p .\n"
            "s:O sh:targetObjectsOf :p . :Implicit a sh:NodeShape , owl:Class . s:None sh:targetClass :None ."
        )
    )
    said = write("id:a a :Sub ; :p id:b , 7 . :Sub rdfs:subClassOf :K . id:c a :Implicit .", "x.ttl")

    counts = {shape.rpartition("#")[2]: count for shape, count in focus_nodes(shapes, said).items()}

    assert counts == {"C": 1, "N": 1, "S": 1, "O": 2, "Implicit": 1, "None": 0}
    assert [item.shape.rpartition("#")[2] for item in vacuous(shapes, said)] == ["None"]


def test_blank_nodes_are_found_where_they_stand(shapes, write):
    report = validate(write("id:x :has [\n a :Loan ;\n :note 'far too long to be a note' ] ."), shapes)

    assert found(report) == [("LN1", "VIOLATION", 9, 11), ("LN1", "INFO", 11, 8)]
    assert {result.label for result in report.results} == {"a node without name"}


def test_literals_that_are_focus_nodes_are_found_where_they_stand(write):
    shapes = load_shapes(write("s:X sh:targetObjectsOf :p ; sh:maxLength 3 ."))
    report = validate(write('id:x :p "long",\n "ok" .', "x.ttl"), shapes)

    assert [(r.place.line, r.place.column, r.label) for r in report.results] == [(9, 9, "long")]


def test_data_in_named_graphs_is_looked_at(shapes, tmp_path):
    path = tmp_path / "x.trig"
    path.write_text(PREFIXES + "id:g {\n id:x a :Loan . }\nid:y a :Loan .", encoding="utf-8")

    report = validate(load(path, base=BASE), shapes)

    assert sorted(place[2:] for place in found(report)) == [(10, 2), (11, 1)]


def test_data_from_no_file_has_no_place(shapes, write):
    said = write("id:x a :Loan .")

    (result,) = validate(Dataset(BASE, said.quads), shapes).results
    assert result.place is None


def test_a_finding_through_two_shapes_is_told_once_and_reported_twice(write):
    shapes = load_shapes(
        write(
            "s:A sh:targetClass :K ; sh:property s:P . s:B sh:targetNode id:x ; sh:property s:P .\n"
            "s:P sh:path :p ; sh:minCount 1 ."
        )
    )
    report = validate(write("id:x a :K .", "x.ttl"), shapes)

    assert len(report.results) == 1
    assert len(list(report.graph.subjects(rdflib.RDF.type, SH.ValidationResult))) == 2


def test_two_constraints_with_one_message_are_told_once_and_reported_twice(write):
    shapes = load_shapes(
        write(
            's:P sh:targetClass :K ; sh:path :p ; sh:minLength 3 ; sh:pattern "^z" ; sh:message "Mend it." .'
        )
    )
    report = validate(write('id:x a :K ; :p "a" .', "x.ttl"), shapes)

    assert [result.messages for result in report.results] == [{"": "Mend it."}]
    assert len({*report.results, *report.results}) == 1
    components = set(report.graph.objects(None, SH.sourceConstraintComponent))
    assert components == {SH.MinLengthConstraintComponent, SH.PatternConstraintComponent}


@pytest.fixture
def mixed(write):
    """Data with findings of every kind the shapes know."""
    rows = [
        f'id:l{number} a :Loan ; :start "20{number:02}-01-01"^^xsd:date ; :end "2010-01-01"^^xsd:date ;'
        f' :note "{"x" * number}" ; :borrower id:b{number} .\n'
        f'id:b{number} :town "{"Nice" if number % 2 else "Lyon"}" .\n'
        f"id:r{number} :renews id:l{number // 2} ."
        for number in range(20)
    ]
    return write("\n".join(rows))


def test_the_report_is_the_same_with_and_without_kept_queries(shapes, mixed, monkeypatch):
    fast = validate(mixed, shapes)
    monkeypatch.setattr(shacl_engine, "_caching_graph", lambda: rdflib.Graph(bind_namespaces="none"))
    slow = validate(mixed, shapes)

    assert len(fast.results) > 20
    assert fast == slow
    assert isomorphic(fast.graph, slow.graph)


def results_of(graph):
    """What a report says, its messages left aside, blank paths by what they are made of."""
    details = (SH.focusNode, SH.value, SH.sourceShape, SH.resultSeverity, SH.sourceConstraintComponent)
    found = set()
    for result in graph.subjects(rdflib.RDF.type, SH.ValidationResult):
        path = graph.value(result, SH.resultPath)
        parts = {str(part) for part in graph.transitive_objects(path, None)} if path is not None else set()
        iris = frozenset(part for part in parts if ":" in part)
        found.add((*(graph.value(result, detail) for detail in details), iris))
    return found


def test_the_engine_asked_plainly_finds_the_same(shapes, mixed):
    ours = validate(mixed, shapes).graph
    data, copy = graph_of(mixed.quads), rdflib.Graph()
    for triple in shapes.graph:
        copy.add(tuple(to_rdflib(term_of(node)) for node in triple))

    _, theirs, _ = pyshacl.validate(data, shacl_graph=copy, inference="none")
    rdflib.NORMALIZE_LITERALS = False

    assert len(results_of(ours)) > 20
    assert results_of(ours) == results_of(theirs)


def test_shapes_the_engine_gives_up_on_are_broken(write):
    nested = "[ sh:not " * 40 + "[ sh:minCount 1 ; sh:path :p ]" + " ]" * 40
    shapes = load_shapes(write(f"s:X sh:targetClass :K ; sh:node {nested} ."))

    with pytest.raises(ShapesError, match="the shapes cannot be used: Validation path too deep"):
        validate(write("id:a a :K .", "x.ttl"), shapes)


def test_a_query_is_read_once_for_all_focus_nodes(shapes, mixed, monkeypatch):
    read = []
    shacl_engine._read_query.cache_clear()
    original = rdflib.plugins.sparql.processor.parseQuery
    monkeypatch.setattr(
        rdflib.plugins.sparql.processor, "parseQuery", lambda text: read.append(text) or original(text)
    )

    validate(mixed, shapes, engine="pyshacl")

    assert len(read) == 1


def test_the_report_is_written_the_same_every_time(shapes, mixed):
    first, second = validate(mixed, shapes), validate(mixed, shapes)

    assert first.results == second.results
    assert first.graph.serialize(format="turtle") == second.graph.serialize(format="turtle")


def test_the_report_graph_is_a_valid_standard_report(shapes, mixed):
    graph = validate(mixed, shapes).graph
    (report,) = graph.subjects(rdflib.RDF.type, SH.ValidationReport)
    results = list(graph.objects(report, SH.result))

    assert list(graph.objects(report, SH.conforms)) == [rdflib.Literal("false", datatype=rdflib.XSD.boolean)]
    assert len(results) == len(set(graph.subjects(rdflib.RDF.type, SH.ValidationResult))) > 20
    for result in results:
        for once in (SH.focusNode, SH.resultSeverity, SH.sourceConstraintComponent, SH.sourceShape):
            assert len(list(graph.objects(result, once))) == 1, once
        for at_most_once in (SH.resultPath, SH.value):
            assert len(list(graph.objects(result, at_most_once))) <= 1
    standard = (str(SH), str(rdflib.RDF))
    assert [predicate for predicate in graph.predicates() if not str(predicate).startswith(standard)] == []


def test_the_report_of_conforming_data_says_so(shapes, changed):
    graph = validate(changed("brief", "short"), shapes).graph

    assert [str(value) for value in graph.objects(None, SH.conforms)] == ["true"]
    assert list(graph.objects(None, SH.result)) == []


def test_validation_leaves_shapes_and_literals_as_they_are(shapes, mixed):
    before = set(shapes.graph)

    validate(mixed, shapes)

    assert set(shapes.graph) == before
    assert rdflib.NORMALIZE_LITERALS is False


def test_ill_typed_literals_are_findings_and_not_noise(shapes, changed, caplog):
    report = validate(changed('"2020-01-15"', '"2020-13-46"'), shapes)

    assert report.results
    assert caplog.records == []


@pytest.fixture
def trap():
    """A server on this machine that notes every request."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()


def test_nothing_is_fetched_whatever_shapes_and_data_ask_for(trap, write):
    address, asked = trap
    shapes = load_shapes(
        write(
            f"<> owl:imports <{address}more> . s:X a sh:NodeShape ; sh:targetClass :K ; sh:closed true .",
            "shapes.ttl",
        )
    )
    said = write(
        f"<> owl:imports <{address}ontology> ; sh:shapesGraph <{address}shapes> . id:x a :K ; :p 1 ."
    )

    assert validate(said, shapes, context=write(f"<> owl:imports <{address}c> .", "context.ttl")).results
    assert asked == []


def test_a_rule_is_explained_by_handle_iri_or_local_name(shapes):
    (explanation,) = explain(shapes, "ln1")

    assert explain(shapes, "https://example.org/shapes#Loan") == explain(shapes, "Loan") == (explanation,)
    assert (explanation.rule, explanation.severity) == ("LN1", Severity.VIOLATION)
    assert explanation.labels == {"en": "A loan has its dates", "fr": "Un prêt a ses dates"}
    assert explanation.descriptions["fr"].startswith("Sans dates")
    assert explanation.messages["en"] == "Give the loan one start, a date."
    assert explanation.targets == ("sh:targetClass <https://example.org/ns#Loan>",)
    assert explanation.sources == ("https://example.org/rules",)


def test_the_text_of_an_explained_shape_is_the_shape_itself(shapes):
    (explanation,) = explain(shapes, "LN2")
    part = rdflib.Graph().parse(data=explanation.turtle, format="turtle")

    assert explanation.messages["fr"].startswith("Finit le {?value}")
    assert "n:start" in explanation.turtle
    assert set(part.subjects(SH.targetSubjectsOf)) == {
        rdflib.URIRef("https://example.org/shapes#EndsAfterStart")
    }


def test_an_unknown_rule_is_refused_with_what_was_meant(shapes):
    with pytest.raises(ConfigError, match="no rule is called 'LN9'; did you mean LN"):
        explain(shapes, "LN9")


def test_the_rules_are_named_once_each(shapes):
    assert list(rules(shapes)) == ["LN1", "LN2"]


def test_the_report_does_not_depend_on_the_hash_seed(mixed):
    (path,) = mixed.files.values()
    program = (
        "import sys; from pathlib import Path; from cnrs_graph.dataset import load\n"
        "from cnrs_graph.validation import load_shapes, validate\n"
        "shapes, data = (load(Path(name), base='https://example.org/') for name in sys.argv[1:])\n"
        "report = validate(data, load_shapes(shapes))\n"
        "print(report.results, report.graph.serialize(format='turtle'))"
    )
    command = [sys.executable, "-c", program, FIXTURES / "shapes.ttl", path]
    runs = {
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }

    assert len(runs) == 1
    assert b"LN2" in runs.pop()
