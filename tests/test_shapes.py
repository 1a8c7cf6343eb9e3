"""The shapes: each can fail, each is needed, each says what to do, and the shipped data keeps them all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyshacl
import pytest
import shacl_run
from rdflib import RDF, RDFS, XSD, Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCTERMS, PROV, SH, SKOS
from rdflib.plugins.sparql import prepareQuery
from shacl_run import Finding, all_shapes, findings, findings_in, merged, node_shape_of, parsed, rule_of

FIXTURES = Path(__file__).parent / "fixtures"
BASE = tuple(sorted((FIXTURES / "base").glob("*.ttl")))
INVALID = tuple(sorted((FIXTURES / "invalid").glob("*.ttl")))
VALID = tuple(sorted((FIXTURES / "valid").glob("*.ttl")))

ONT = Namespace("https://w3id.org/cnrs-graph/ontology#")
SHP = Namespace("https://w3id.org/cnrs-graph/shapes#")
SCHEMA = Namespace("https://schema.org/")
INSTITUTION = Namespace("https://w3id.org/cnrs-graph/id/institution/")

# The rules that a documented exception can waive, by the letters of their handle.
WAIVABLE = ("CP", "IRL", "IRP", "TM", "UF")

# The rules that are promised; CT5, RO7 and ID4 need more than one graph of statements and live elsewhere.
PROMISED = {
    *(f"CP{n}" for n in range(1, 7)),
    *(f"IRL{n}" for n in (1, 2, "2b", 3, 4, 5, 6, 7, 8)),
    *(f"IRP{n}" for n in (1, 2, 3, 4, "5a", "5b", 6, 7, 8)),
    *(f"TM{n}" for n in range(1, 6)),
    *(f"ST-{n}" for n in (1, 2, 3, "4a", "4b", 5, 6, 7, 8, 9, 10, 11)),
    *(f"RO{n}" for n in (1, 2, 3, "4a", "4b", 5, 6)),
    *(f"LB{n}" for n in range(1, 5)),
    *(f"CT{n}" for n in range(1, 5)),
    *("UF1", "UF2", "AG1", "AG2", "AR1", "EX1", "EX2", "ID1", "ID2", "ID3", "ID5a", "ID5b", "PP1"),
}

# Shapes that look at nothing in the shipped data, and why that is right.
LOOKS_AT_NOTHING = {
    "NoPersonIsDescribed": "There are no persons, and there must be none.",
}


def expected(path: Path) -> set[tuple[str, str]]:
    """Read the first line of a fixture: `# expects: TM1 violation, CP2 violation`, or `nothing`."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    wanted = first.removeprefix("# expects: ")
    assert wanted != first, f"{path.name} must begin with '# expects: '"
    if wanted == "nothing":
        return set()
    return {(rule, severity) for rule, severity in (part.split() for part in wanted.split(", "))}


@cache
def found(path: Path) -> tuple[Finding, ...]:
    """Validate a fixture once."""
    return findings((*BASE, path))


def kinds(results: tuple[Finding, ...]) -> set[tuple[str, str]]:
    """Reduce findings to rule and severity."""
    return {(result.rule, result.severity) for result in results}


@cache
def file_of(shape: URIRef) -> Path:
    """Tell which file holds a shape; running that file alone is quicker than running all."""
    return next(path for path in shacl_run.shape_files() if (shape, RDF.type, SH.NodeShape) in parsed(path))


def shape_name(shape: str | URIRef) -> str:
    """Tell the local name of a shape."""
    return str(shape).removeprefix(str(SHP))


def own_node_shape(result: Finding) -> URIRef:
    """Tell which node shape made a finding."""
    return node_shape_of(all_shapes(), URIRef(result.shape))


def by_name(path: Path) -> str:
    """Name a test case by its fixture."""
    return path.stem


def result_shapes() -> list[URIRef]:
    """List the shapes that results name: property shapes, and node shapes without any."""
    shapes = all_shapes()
    properties = {URIRef(str(shape)) for shape in shapes.subjects(RDF.type, SH.PropertyShape)}
    plain = {shape for shape in shacl_run.node_shapes(shapes) if (shape, SH.property, None) not in shapes}
    return sorted(properties | plain)


NODE_SHAPES = shacl_run.node_shapes(all_shapes())
WAIVABLE_SHAPES = [shape for shape in NODE_SHAPES if rule_of(all_shapes(), shape).startswith(WAIVABLE)]


def test_there_are_shapes_and_fixtures():
    assert len(shacl_run.shape_files()) == 5
    assert all((BASE, INVALID, VALID, NODE_SHAPES, WAIVABLE_SHAPES))


# The fixtures


@pytest.mark.parametrize("path", INVALID, ids=by_name)
def test_an_invalid_fixture_breaks_exactly_the_rules_it_names(path):
    assert kinds(found(path)) == expected(path)
    assert path.stem.startswith(tuple(f"{rule}-" for rule, _ in expected(path)))


@pytest.mark.parametrize("path", VALID, ids=by_name)
def test_a_near_miss_passes(path):
    assert kinds(found(path)) == expected(path)
    assert all(severity == "info" for _, severity in expected(path))


def test_the_ground_the_fixtures_stand_on_is_valid():
    assert findings(BASE) == ()


def test_every_rule_has_a_counter_example():
    rules = {rule_of(all_shapes(), shape) for shape in NODE_SHAPES}
    broken = {rule for path in INVALID for rule, _ in expected(path)}

    assert rules == PROMISED
    assert rules - broken == set(), "write tests/fixtures/invalid/<rule>-<words>.ttl for these"


def test_every_shape_that_can_yield_a_result_has_yielded_one():
    firing = {result.shape for path in INVALID for result in found(path)}

    assert [shape_name(shape) for shape in result_shapes() if str(shape) not in firing] == []


# Waivers


@pytest.mark.parametrize("shape", WAIVABLE_SHAPES, ids=shape_name)
def test_an_exception_that_names_the_shape_silences_it_and_nothing_else(shape):
    path = next(path for path in INVALID if any(own_node_shape(result) == shape for result in found(path)))
    said = merged((*shacl_run.ontology_files(), *BASE, path), into=shacl_run.PreparingGraph())
    focus = {result.focus for result in found(path) if own_node_shape(result) == shape}
    for number, thing in enumerate(sorted(focus)):
        add_exception(said, number, thing, shape)

    neighbours = parsed(file_of(shape))
    others = {
        result
        for result in found(path)
        if own_node_shape(result) != shape and (URIRef(result.shape), None, None) in neighbours
    }
    assert set(findings_in(said, neighbours)) == others


def add_exception(said: Graph, number: int, thing: str, shape: URIRef) -> None:
    """Add a documented exception with everything it needs."""
    exception = URIRef(f"https://w3id.org/cnrs-graph/id/exception/test-{number}")
    said.add((exception, RDF.type, ONT.DocumentedException))
    said.add((exception, ONT.exceptionFor, URIRef(thing)))
    said.add((exception, ONT.waives, shape))
    said.add((exception, ONT.curator, Literal("cnrs-graph maintainers")))
    said.add((exception, ONT.decidedOn, Literal("2026-11-24", datatype=XSD.date)))
    said.add((exception, PROV.hadPrimarySource, URIRef("https://w3id.org/cnrs-graph/id/source/page")))
    for language in ("en", "fr"):
        said.add((exception, SKOS.prefLabel, Literal("Exception", lang=language)))
        said.add((exception, ONT.reason, Literal("So it is.", lang=language)))


# Mutation


def only_producer(shape: URIRef) -> Iterator[Path]:
    """Name the invalid fixtures in which this shape alone makes an expected finding."""
    for path in INVALID:
        without = {
            (result.rule, result.severity) for result in found(path) if own_node_shape(result) != shape
        }
        if without != kinds(found(path)):
            yield path


@pytest.mark.parametrize("shape", NODE_SHAPES, ids=shape_name)
def test_dropping_a_shape_lets_a_fixture_pass(shape):
    path = next(only_producer(shape), None)
    assert path is not None, "no invalid fixture needs this shape"
    lost = {(result.rule, result.severity) for result in found(path) if own_node_shape(result) == shape}
    fewer = merged([file_of(shape)])
    assert lost <= kinds(findings((*BASE, path), fewer))
    for triple in list(fewer.triples((shape, None, None))):
        fewer.remove(triple)

    assert lost & kinds(findings((*BASE, path), fewer)) == set()


# What a shape says about itself


@pytest.mark.parametrize("shape", NODE_SHAPES, ids=shape_name)
def test_a_node_shape_explains_itself_in_english_and_french(shape):
    shapes = all_shapes()

    assert languages(shapes, shape, RDFS.label) == {"en", "fr"}
    assert languages(shapes, shape, SH.description) == {"en", "fr"}
    assert len(set(shapes.objects(shape, DCTERMS.identifier))) == 1
    sentences = set(shapes.objects(shape, ONT.sourceSentence))
    assert bool(sentences) == ((shape, DCTERMS.source, None) in shapes)
    assert sentences or languages(shapes, shape, SKOS.note) == {"en", "fr"}, "say where the rule comes from"
    assert all(1 <= int(str(sentence)) <= 16 for sentence in sentences)


@pytest.mark.parametrize("shape", result_shapes(), ids=shape_name)
def test_a_result_says_how_bad_it_is_and_what_to_do_in_english_and_french(shape):
    shapes = all_shapes()
    speakers = list(shapes.objects(shape, SH.sparql)) or [shape]

    assert len(set(shapes.objects(shape, SH.severity))) == 1
    for speaker in speakers:
        assert languages(shapes, speaker, SH.message) == {"en", "fr"}


def languages(shapes: Graph, subject: object, predicate: URIRef) -> set[str | None]:
    """Tell the languages of a text, which is there once in each."""
    texts = [text for text in shapes.objects(subject, predicate) if isinstance(text, Literal)]  # type: ignore[arg-type]
    tags = {text.language for text in texts}
    assert len(tags) == len(texts) == len({str(text) for text in texts})
    return tags


def test_a_rule_has_one_severity():
    shapes = all_shapes()
    severities: dict[str, set[object]] = {}
    for shape in result_shapes():
        severities.setdefault(rule_of(shapes, shape), set()).add(shapes.value(shape, SH.severity))

    assert {rule: found for rule, found in severities.items() if len(found) != 1} == {}


def test_severity_stands_on_shapes_only():
    shapes = all_shapes()

    assert set(shapes.subjects(SH.severity)) == set(result_shapes())


def test_shapes_with_results_are_named_after_their_promise():
    shapes = all_shapes()
    for shape in result_shapes():
        name = shape_name(shape)
        assert re.fullmatch(r"[A-Z][A-Za-z]+(-[A-Za-z0-9-]+)?", name), shape
        assert name.split("-")[0] == shape_name(node_shape_of(shapes, shape)), shape
    assert not [node for node in shapes.subjects(SH.severity) if not isinstance(node, URIRef)]


# SPARQL and SHACL themselves


@pytest.mark.parametrize("path", shacl_run.shape_files(), ids=by_name)
def test_each_file_stands_alone_and_its_queries_run(path):
    shapes = parsed(path)
    prefixes = {
        str(shapes.value(declared, SH.prefix)): str(shapes.value(declared, SH.namespace))
        for declared in shapes.objects(None, SH.declare)
    }
    used = set()
    for constraint, text in shapes.subject_objects(SH.select):
        assert (constraint, SH.prefixes, URIRef("https://w3id.org/cnrs-graph/shapes")) in shapes
        assert re.match(r"\s*SELECT (DISTINCT )?\$this\b", str(text)), text
        prepareQuery(str(text), initNs=prefixes)
        used |= {name for name in prefixes if re.search(rf"(?<![\w:-]){re.escape(name)}:\w", str(text))}

    assert used == set(prefixes), "declare the prefixes that the queries of this file use, no others"


def shacl_accepts(shapes: Graph) -> bool:
    """Validate shapes with the shapes of the SHACL recommendation itself.

    Lists of shapes that hold paths that hold lists are deeper than the engine's own meta-validation expects.
    """
    rules = parsed(Path(pyshacl.__file__).parent / "assets" / "shacl-shacl.ttl")
    conforms, _, _ = pyshacl.validate(shapes, shacl_graph=rules, inference="none", max_validation_depth=40)
    return bool(conforms)


def test_the_shapes_are_valid_shacl_and_a_wrong_count_would_not_be():
    assert shacl_accepts(all_shapes())
    wrong = merged([shacl_run.SHAPES / "labels.ttl"])
    wrong.add((SHP["ThingHasName-en"], SH.minCount, Literal("one")))
    assert not shacl_accepts(wrong)


@pytest.mark.parametrize("shape", WAIVABLE_SHAPES, ids=shape_name)
def test_a_waivable_shape_names_itself_in_its_waiver(shape):
    shapes = all_shapes()
    queries = [
        str(text) for node in shapes.objects(shape, SH.sparql) for text in shapes.objects(node, SH.select)
    ]
    if queries:
        waiver = f"?exception :exceptionFor $this ; :waives shp:{shape_name(shape)} }}"
        assert all(waiver in query for query in queries)
    else:
        members = [list(shapes.items(head)) for head in shapes.objects(shape, SH["or"])]
        assert [(member[-1], SH.hasValue, shape) in shapes for member in members] == [True]


# ROR check digits


@pytest.mark.parametrize("identifier", ["02feahw73", "01an7q238", "02jbv0t02", "00kybxq39", "0161xgx34"])
def test_check_digits_accept_real_ror_ids_and_refuse_the_next_number(identifier):
    def broken(address: str) -> set[tuple[str, str]]:
        said = merged((*shacl_run.ontology_files(), *BASE), into=shacl_run.PreparingGraph())
        said.add((INSTITUTION.cnrs, SCHEMA.sameAs, URIRef(address)))
        return kinds(findings_in(said, parsed(shacl_run.SHAPES / "identifiers.ttl")))

    address = f"https://ror.org/{identifier}"
    assert broken(address) == set()
    assert broken(f"{address[:-1]}{(int(address[-1]) + 1) % 10}") == {("ID1", "violation")}


# The shipped data


@cache
def shipped() -> tuple[Finding, ...]:
    """Validate the shipped data once."""
    assert shacl_run.data_files()
    return findings(shacl_run.data_files())


def test_the_shipped_data_has_no_violation():
    assert [result for result in shipped() if result.severity == "violation"] == []


def focus_nodes(said: Graph, shapes: Graph, shape: URIRef) -> Iterator[object]:
    """Name what a shape looks at."""
    for target in shapes.objects(shape, SH.targetNode):
        if (target, None, None) in said:
            yield target
    for target in shapes.objects(shape, SH.targetClass):
        for kind in said.transitive_subjects(RDFS.subClassOf, target):
            yield from said.subjects(RDF.type, kind)
    for target in shapes.objects(shape, SH.targetSubjectsOf):
        yield from said.subjects(URIRef(str(target)))
    for target in shapes.objects(shape, SH.targetObjectsOf):
        yield from said.objects(None, URIRef(str(target)))


def test_every_shape_looks_at_something_in_the_shipped_data_or_says_why_not():
    said = merged((*shacl_run.ontology_files(), *shacl_run.data_files()))
    idle = {shape_name(s) for s in NODE_SHAPES if next(focus_nodes(said, all_shapes(), s), None) is None}

    assert idle == set(LOOKS_AT_NOTHING)


def test_exceptions_in_the_shipped_data_waive_shapes_that_can_be_waived():
    said = merged(shacl_run.data_files())

    assert set(said.objects(None, ONT.waives)) <= set(WAIVABLE_SHAPES)


def test_a_misspelt_predicate_in_the_shipped_data_is_noticed():
    said = merged((*shacl_run.ontology_files(), *shacl_run.data_files()), into=shacl_run.PreparingGraph())
    cooperation, scheme = next(said.subject_objects(ONT.underScheme))
    said.remove((cooperation, ONT.underScheme, scheme))
    said.add((cooperation, ONT.underSchem, scheme))

    noticed = {(result.rule, result.focus) for result in findings_in(said, all_shapes())}
    assert {("ST-7", str(cooperation)), ("CP2", str(cooperation)), ("CP1", str(cooperation))} <= noticed
