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
