"""The standard's own test suite: for each case the report it asks for, or an excuse with its reason."""

import tomllib
from collections import Counter
from pathlib import Path

import pytest
import rdflib
from standards_files import standard

from cnrs_graph.dataset import load_as
from cnrs_graph.errors import ShapesError, VacuousShapesError
from cnrs_graph.shapes import path_text
from cnrs_graph.validation import load_shapes, validate

SUITE = "shacl"
BASE = "https://example.org/"
MF = rdflib.Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
SHT = rdflib.Namespace("http://www.w3.org/ns/shacl-test#")
SH = rdflib.SH
EXCUSED = {
    each["case"]: each["reason"]
    for each in tomllib.loads(
        (Path(__file__).parent / "conformance" / "excused.toml").read_text(encoding="utf-8")
    )["excused"]
    if each["suite"] == SUITE
}
#: What of a result the standard lays down; messages only where a case has one.
TOLD = (
    SH.focusNode,
    SH.value,
    SH.sourceShape,
    SH.sourceConstraintComponent,
    SH.resultSeverity,
)


def cases():
    """Every case, by its name: the file that describes it and its IRI."""
    root = standard("shacl")
    found = {}
    for path in sorted(root.rglob("*.ttl")) if root else []:
        graph = rdflib.Graph().parse(path, publicID=path.as_uri())
        for head in graph.objects(None, MF.entries):
            for case in graph.items(head):
                found[str(path.parent.relative_to(root) / Path(str(case)).name)] = (path, case)
    return found


CASES = cases()


def file_of(graph, action, which):
    return Path(str(graph.value(action, which)).removeprefix("file://"))


def read(path):
    return load_as(path, BASE, path.as_uri())


def told(graph, report, *, messages):
    """What a report says, as the standard lays it down: paths as texts, blank nodes without their names."""
    results = Counter(
        (
            *(plain(graph.value(result, predicate)) for predicate in TOLD),
            path_text(graph, path) if (path := graph.value(result, SH.resultPath)) is not None else "",
            *(sorted(each.n3() for each in graph.objects(result, SH.resultMessage)) if messages else []),
        )
        for result in graph.objects(report, SH.result)
    )
    return str(graph.value(report, SH.conforms)), results


def plain(node):
    return "[]" if isinstance(node, rdflib.BNode) else "" if node is None else node.n3()


@pytest.mark.skipif(not CASES, reason="the suite is not here; `python tests/fetch_standards.py` fetches it")
def test_the_suite_is_whole():
    assert len(CASES) >= 120
    assert sum(name.startswith("core/") for name in CASES) >= 90
    assert sum(name.startswith("sparql/") for name in CASES) >= 20


def test_what_is_excused_has_a_reason_and_is_a_case():
    assert all(len(reason) > 20 for reason in EXCUSED.values())
    assert not CASES or EXCUSED.keys() <= CASES.keys()


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_case_of_the_standard_has_the_report_it_asks_for(name):
    path, case = CASES[name]
    lacking = unmet(rdflib.Graph().parse(path, publicID=path.as_uri()), case)

    if name in EXCUSED:
        assert lacking is not None, "no excuse is needed any more"
    else:
        assert lacking is None, lacking


def unmet(manifest, case):
    """What our answer to a case lacks; None when it is what the standard asks for."""
    action, expected = manifest.value(case, MF.action), manifest.value(case, MF.result)
    data = read(file_of(manifest, action, SHT.dataGraph))
    try:
        shapes = load_shapes(read(file_of(manifest, action, SHT.shapesGraph)))
        report = validate(data, shapes).graph
    except VacuousShapesError:
        report = rdflib.Graph()
        report.add((rdflib.BNode(), SH.conforms, rdflib.Literal(True)))
    except ShapesError as error:
        return None if expected == SHT.Failure else f"refused: {error}"
    if expected == SHT.Failure:
        return "a failure is asked for"
    messages = any(
        (result, SH.resultMessage, None) in manifest for result in manifest.objects(expected, SH.result)
    )
    wanted = told(manifest, expected, messages=messages)
    (root,) = report.subjects(SH.conforms)
    given = told(report, root, messages=messages)
    if wanted == given:
        return None
    return f"missing {wanted[1] - given[1]}, too much {given[1] - wanted[1]}; conforms: {given[0]}"
