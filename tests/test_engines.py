"""Both ways of validating find the same, on shapes and data of every kind."""

import pyoxigraph as ox
import pytest
import shapes_maker
from rdflib.compare import isomorphic

from cnrs_graph.dataset import Dataset
from cnrs_graph.errors import CnrsGraphError, ShapesError
from cnrs_graph.validation import load_shapes, validate

#: Where pySHACL stops with an error instead of a report, and why ours is right to go on.
GIVES_UP = {
    "sh:lessThan": "values that cannot be compared are results (SHACL, section 4.5.3); pySHACL stops",
    "SUM(": "a sum over what is no number is an error in the query (SPARQL 1.1, 18.5.1.3); rdflib stops",
}
NS = "https://example.org/ns#"
CASES, AT_ONCE = 500, 25


def read(text, graph):
    quads = ox.parse(input=text, format=ox.RdfFormat.TURTLE, rename_blank_nodes=True)
    name = ox.NamedNode(f"https://example.org/graph/{graph}")
    return Dataset(
        "https://example.org/", tuple(ox.Quad(q.subject, q.predicate, q.object, name) for q in quads)
    )


def judged(data, shapes, engine):
    try:
        return validate(data, shapes, engine=engine)
    except CnrsGraphError as error:
        return type(error)


def difference(number):
    made, text = shapes_maker.make(number)
    data, shapes = read(made, "data"), load_shapes(read(text, "shapes"))
    ours, theirs = (judged(data, shapes, engine) for engine in ("auto", "pyshacl"))
    if theirs is ShapesError and ours is not theirs:
        return None if any(word in text for word in GIVES_UP) else f"{number}: only pySHACL gives up"
    if isinstance(ours, type) or isinstance(theirs, type):
        return None if ours is theirs else f"{number}: {ours} and {theirs}"
    here = len(ours.plan.here), len(ours.plan.asked)
    only = [set(one.results) - set(other.results) for one, other in ((ours, theirs), (theirs, ours))]
    if any(only):
        return f"{number} {here}: only ours {only[0]}, only pySHACL's {only[1]}"
    return None if isomorphic(ours.graph, theirs.graph) else f"{number}: the graphs differ"


@pytest.mark.parametrize("start", range(0, CASES, AT_ONCE))
def test_both_engines_report_the_same(start):
    differences = [difference(number) for number in range(start, start + AT_ONCE)]

    assert [each for each in differences if each] == []


def a_case(shapes, data):
    data, shapes = (read(shapes_maker.PREFIXES + text, "case") for text in (data, shapes))
    return data, load_shapes(shapes)


def test_most_generated_shapes_are_checked_here():
    here = asked = 0
    for number in range(40):
        made, text = shapes_maker.make(number)
        report = judged(read(made, "data"), load_shapes(read(text, "shapes")), "auto")
        if not isinstance(report, type):
            here, asked = here + len(report.plan.here), asked + len(report.plan.asked)

    assert asked > 0
    assert here > 4 * asked


def test_the_text_of_a_blank_node_breaks_nothing():
    query = f"SELECT $this ?value WHERE {{ $this <{NS}p> ?value . FILTER(STRLEN(STR(?value)) > 1) }}"
    data, shapes = a_case(
        f's:S a sh:NodeShape ; sh:targetClass :A ; sh:sparql [ sh:select "{query}" ] .',
        'id:1 a :A ; :p _:x, "long", "s" .',
    )
    report = validate(data, shapes)

    assert report.plan.here
    assert [str(result.value) for result in report.results] == ['"long"']


#: What follows `$this p ?value .` in a query, what is said of a node, and a word of the reason.
UNSURE = {
    "a function of another kind": ("FILTER(ABS(?value) > 0)", ":p 5", "ABS"),
    "a number in a statement": ("$this Q 5 .", ":p 5 ; :q 5", "number"),
    "a nested part about $this": ("{ ?x Q ?y FILTER($this != ?x) }", ":p 5", "not bound"),
    "values of several kinds": ("$this Q ?q . FILTER(?value != ?q)", ':p 5 ; :q "a"', "several kinds"),
    "one value in two spellings": ("$this Q ?value .", ':p 5 ; :q "05"^^xsd:integer', "two spellings"),
    "an ill-typed number": ("FILTER(?value > 1)", ':p "x"^^xsd:integer', "plain kind"),
    "a spelling the engine does not keep": ("FILTER(STR(?value) != '1')", ':p "01"^^xsd:integer', "shortest"),
}  # fmt: skip


@pytest.mark.parametrize(("pattern", "said", "reason"), UNSURE.values(), ids=UNSURE)
def test_what_is_not_certain_goes_to_pyshacl_with_the_reason(pattern, said, reason):
    query = f"SELECT $this ?value WHERE {{ $this <{NS}p> ?value . {pattern.replace('Q', f'<{NS}q>')} }}"
    data, shapes = a_case(
        f's:S a sh:NodeShape ; sh:targetClass :A ; sh:sparql [ sh:select """{query}""" ] .',
        f"id:1 a :A ; {said} .",
    )
    ours, theirs = (validate(data, shapes, engine=engine) for engine in ("auto", "pyshacl"))

    assert [reason in each for each in ours.plan.asked.values()] == [True]
    assert ours.results == theirs.results
