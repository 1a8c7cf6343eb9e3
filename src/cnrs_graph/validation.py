"""Does the data keep the promises the shapes make?"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset, graph_of, merged
from cnrs_graph.errors import ConfigError, Place, ShapesError, VacuousShapesError, suggestion
from cnrs_graph.places import find, index
from cnrs_graph.terms import (
    PREFIXES,
    Term,
    compact,
    expand,
    local_name,
    resource_name,
    to_oxigraph,
    to_rdflib,
)

_SH, _RDF, _RDFS = PREFIXES["sh"], PREFIXES["rdf"], PREFIXES["rdfs"]
_SKOS, _DCTERMS = PREFIXES["skos"], PREFIXES["dcterms"]
_TYPE = ox.NamedNode(f"{_RDF}type")
_NAMES = (f"{_SKOS}prefLabel", f"{_RDFS}label", f"{_DCTERMS}title", f"{_SH}name")
_DESCRIPTIONS = (f"{_SKOS}definition", f"{_DCTERMS}description", f"{_SH}description", f"{_RDFS}comment")
_TARGETS = ("targetClass", "targetNode", "targetSubjectsOf", "targetObjectsOf", "target")
#: From a shape to the shapes it is made of.
_PARTS = ("property", "node", "not", "qualifiedValueShape")
_PART_LISTS = ("and", "or", "xone")
#: What a shape may say in the SHACL namespace and the engine does not carry out.
_NOT_CARRIED_OUT = frozenset(("target", "rule", "expression", "js", "values", "sparqlFunction"))
#: Between what a message is and its text; see `_with_marked_messages`.
_MARK = "\x1f"

#: Our own words for Core constraints without message: the engine's are in English and their order varies.
_WORDING: Mapping[str, tuple[str, str, str]] = {
    "And": ("and", "does not conform to all of the shapes", "ne respecte pas toutes les formes"),
    "Class": ("class", "is not a {}", "n'est pas un {}"),
    "Closed": ("closed", "is not allowed here", "n'est pas admis ici"),
    "Datatype": ("datatype", "is not a valid {}", "n'est pas un {} valide"),
    "Disjoint": ("disjoint", "must differ from the values of {}", "doit différer des valeurs de {}"),
    "Equals": ("equals", "must be the same as the values of {}", "doit être identique aux valeurs de {}"),
    "HasValue": ("hasValue", "lacks the value {}", "n'a pas la valeur {}"),
    "In": ("in", "is not one of {}", "n'est pas dans la liste {}"),
    "LanguageIn": ("languageIn", "its language is not one of {}", "sa langue n'est pas dans la liste {}"),
    "LessThan": ("lessThan", "is not less than {}", "n'est pas inférieur à {}"),
    "LessThanOrEquals": ("lessThanOrEquals", "is more than {}", "est supérieur à {}"),
    "MaxCount": ("maxCount", "allows at most {}", "admet au plus {}"),
    "MaxExclusive": ("maxExclusive", "is not less than {}", "n'est pas inférieur à {}"),
    "MaxInclusive": ("maxInclusive", "is more than {}", "est supérieur à {}"),
    "MaxLength": ("maxLength", "is longer than {} characters", "a plus de {} caractères"),
    "MinCount": ("minCount", "needs at least {}", "demande au moins {}"),
    "MinExclusive": ("minExclusive", "is not more than {}", "n'est pas supérieur à {}"),
    "MinInclusive": ("minInclusive", "is less than {}", "est inférieur à {}"),
    "MinLength": ("minLength", "is shorter than {} characters", "a moins de {} caractères"),
    "Node": ("node", "does not conform to {}", "ne respecte pas {}"),
    "NodeKind": ("nodeKind", "is not a {}", "n'est pas un {}"),
    "Not": ("not", "must not conform to {}", "ne doit pas respecter {}"),
    "Or": ("or", "conforms to none of the shapes", "ne respecte aucune des formes"),
    "Pattern": ("pattern", "does not match the pattern {}", "ne correspond pas au motif {}"),
    "QualifiedMaxCount": (
        "qualifiedMaxCount",
        "allows at most {} of the given kind",
        "admet au plus {} du genre demandé",
    ),
    "QualifiedMinCount": (
        "qualifiedMinCount",
        "needs at least {} of the given kind",
        "demande au moins {} du genre demandé",
    ),
    "SPARQL": ("sparql", "breaks the rule of this shape", "enfreint la règle de cette forme"),
    "UniqueLang": ("uniqueLang", "has several values in one language", "a plusieurs valeurs dans une langue"),
    "Xone": (
        "xone",
        "does not conform to exactly one of the shapes",
        "ne respecte pas exactement une des formes",
    ),
}


class Severity(IntEnum):
    """How bad a finding is; what is worse is more."""

    INFO = 1
    WARNING = 2
    VIOLATION = 3


@dataclass(frozen=True)
class Result:
    """One finding: which node breaks which rule, where that is written, and what to do about it.

    `path` is a property or a SPARQL property path, empty for a finding about the node itself; `rule` is the
    short handle of the shape; `messages` are by language, "" for one without.
    """

    focus: Term
    path: str
    severity: Severity
    messages: Mapping[str, str]
    value: Term | None
    shape: str
    rule: str
    place: Place | None
    label: str

    def message(self, language: str = "en") -> str:
        """The message in a language, else in English, else without language, else in any."""
        return in_language(self.messages, language)


@dataclass(frozen=True)
class Report:
    """What the shapes found, worst first, and the same as a standard SHACL validation report.

    `looked_at` counts, by shape with a target, the nodes of the data it looked at.
    """

    results: tuple[Result, ...]
    graph: Any = field(compare=False)
    looked_at: Mapping[str, int] = field(default_factory=dict)

    @property
    def conforms(self) -> bool:
        """What SHACL calls conforming: no finding at all, however small."""
        return not self.results

    @property
    def worst(self) -> Severity | None:
        """The worst severity found."""
        return max((result.severity for result in self.results), default=None)

    def at_least(self, severity: Severity) -> tuple[Result, ...]:
        """The findings of this severity or worse."""
        return tuple(result for result in self.results if result.severity >= severity)


@dataclass(frozen=True)
class Shapes:
    """Shapes that have been seen to be usable, as a graph; `warnings` name what in them has no effect."""

    graph: Any = field(compare=False)
    files: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vacuous:
    """A shape that looked at no node: what it looks for, and what the data has that is spelt nearly so."""

    shape: str
    rule: str
    target: str
    near: str | None

    def __str__(self) -> str:
        hint = f"; did you mean {self.near}?" if self.near else ""
        return f"{self.rule} looks for {self.target} and finds none{hint}"


@dataclass(frozen=True)
class Explanation:
    """What a rule asks, why, of which nodes, and how that is written; texts are by language."""

    rule: str
    shape: str
    labels: Mapping[str, str]
    descriptions: Mapping[str, str]
    messages: Mapping[str, str]
    severity: Severity
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    turtle: str


def load_shapes(shapes: Dataset) -> Shapes:
    """Take the statements of all graphs as shapes, and see that each can be used.

    Raises: ShapesError naming the shape that cannot be used, and why.
    """
    graph = graph_of(shapes.quads)
    _check(graph)
    return Shapes(graph, shapes.files, tuple(_without_effect(graph)))


def validate(
    said: Dataset, shapes: Shapes, *, context: Dataset | None = None, language: str = "en"
) -> Report:
    """Hold the data against the shapes.

    Graphs: reads every graph of *said*, and of *context* (ontology, reference data), whose statements count
    while its own nodes are not reported on. Nothing is inferred but class membership along rdfs:subClassOf,
    and nothing is fetched. Focus nodes are labelled in *language*.
    Raises: VacuousShapesError if no shape looked at any node of *said*; ShapesError if the engine gives up.
    Source: Shapes Constraint Language (SHACL), section 3.
    """
    everything = merged(said, context) if context is not None else said
    data = _data_graph(everything)
    counts = _counts(shapes, said, context, data)
    if not any(counts.values()):
        raise VacuousShapesError(_nothing_looked_at(shapes, said, counts))
    engine_report = _run(data, shapes)
    return _report(engine_report, said, everything, shapes, counts, language)


def focus_nodes(shapes: Shapes, dataset: Dataset, *, context: Dataset | None = None) -> Mapping[str, int]:
    """Count the nodes of the dataset that each shape with a target looks at, by shape."""
    everything = merged(dataset, context) if context is not None else dataset
    return _counts(shapes, dataset, context, _data_graph(everything))


def vacuous(shapes: Shapes, dataset: Dataset, *, context: Dataset | None = None) -> tuple[Vacuous, ...]:
    """Name the shapes that look at no node of the dataset, with what was probably meant."""
    return tuple(_vacuous(shapes, dataset, focus_nodes(shapes, dataset, context=context)))


def rules(shapes: Shapes) -> Mapping[str, str]:
    """The short handles of all rules, each with its shape, sorted."""
    graph = shapes.graph
    owners = [
        node
        for node in _shape_nodes(graph)
        if _is_iri(node) and (_value(graph, node, f"{_DCTERMS}identifier") or not _above(graph, node))
    ]
    return dict(sorted((_rule(graph, node), str(node)) for node in reversed(owners)))


def explain(shapes: Shapes, rule: str) -> Explanation:
    """Say what a rule asks; it is named by its handle, or by the IRI, CURIE or local name of its shape.

    Raises: ConfigError if there is no such rule, naming those that are spelt nearly so.
    """
    graph = shapes.graph
    node = _shape_called(shapes, rule)
    parts = [node, *_below(graph, node)]
    return Explanation(
        rule=_rule(graph, node),
        shape=str(node),
        labels=_texts(graph, [node], _NAMES),
        descriptions=_texts(graph, [node], _DESCRIPTIONS),
        messages=_texts(graph, parts, (f"{_SH}message",)),
        severity=max(_severity(graph, part) for part in parts),
        targets=tuple(_targets(graph, node)),
        sources=tuple(sorted(str(item) for item in graph.objects(node, _iri(f"{_DCTERMS}source")))),
        turtle=_turtle(graph, parts),
    )


def in_language(texts: Mapping[str, str], language: str) -> str:
    """Choose a text: in this language, else in English, else without language, else in any.

    >>> in_language({"en": "late", "fr": "en retard"}, "fr")
    'en retard'
    """
    for wanted in (language, "en", "", *sorted(texts)):
        if wanted in texts:
            return texts[wanted]
    return ""


# The engine -----------------------------------------------------------------------------------------------


def _run(data: Any, shapes: Shapes) -> Any:
    """Let pySHACL write its report: no inference, no copy of the data, nothing fetched."""
    from pyshacl.errors import ReportableRuntimeError
    from pyshacl.graph_abstraction import DataGraph
    from pyshacl.validator import Validator

    _teach_engine_to_fill_messages()
    # The validator itself rather than pyshacl.validate: that one follows owl:imports, hangs handlers on the
    # logger, swallows failures and sets rdflib back to rewriting literals.
    options = {"inplace": True, "inference": "none", "logger": logging.getLogger(__name__)}
    try:
        validator = Validator(
            DataGraph.from_rdflib(data), shacl_graph=_with_marked_messages(shapes.graph), options=options
        )
        return validator.run()[1]
    except (ReportableRuntimeError, NotImplementedError) as error:
        raise ShapesError(f"the shapes cannot be used: {_first_line(error)}") from error


def _data_graph(dataset: Dataset) -> Any:
    # rdflib prints a traceback for each literal that is not of its datatype; here that is a finding.
    logging.getLogger("rdflib.term").setLevel(logging.ERROR)
    graph = _caching_graph()
    for quad in dataset.quads:
        graph.add((to_rdflib(quad.subject), to_rdflib(quad.predicate), to_rdflib(quad.object)))
    return graph


def _caching_graph() -> Any:
    """A graph that reads each query once: pySHACL asks the same one anew for every focus node."""
    import rdflib
    from rdflib.plugins.sparql import prepareQuery

    prepared: dict[str, Any] = {}

    class CachingGraph(rdflib.Graph):
        def query(self, query_object: Any, *args: Any, **options: Any) -> Any:
            if isinstance(query_object, str):
                if query_object not in prepared:
                    prepared[query_object] = prepareQuery(query_object, initNs=dict(self.namespaces()))
                query_object = prepared[query_object]
            return super().query(query_object, *args, **options)

    return CachingGraph(bind_namespaces="none")


def _with_marked_messages(graph: Any) -> Any:
    """A copy of the shapes whose messages carry their language and owner inside the text.

    pySHACL drops the language of a message with variables, and gives the messages of a SPARQL constraint
    and of its shape together, where the standard lets the constraint's win.
    Source: SHACL, section 5.3.2, "Mapping of Solution Bindings to Result Properties".
    """
    import rdflib

    copy = rdflib.Graph(bind_namespaces="none")
    message, select = _iri(f"{_SH}message"), _iri(f"{_SH}select")
    for subject, predicate, value in graph:
        if predicate == message and isinstance(value, rdflib.Literal):
            owner = "constraint" if (subject, select, None) in graph else "shape"
            value = rdflib.Literal(_MARK.join((owner, value.language or "", str(value))))
        copy.add((subject, predicate, value))
    return copy


@lru_cache(maxsize=1)
def _teach_engine_to_fill_messages() -> None:
    """Fill variables in as they are: pySHACL takes a value with a backslash for a replacement pattern."""
    from pyshacl.constraints.constraint_component import ConstraintComponent

    def fill(_: Any, message: str, bound: Any) -> str:
        values: dict[str, Any] = {}
        if isinstance(bound, Mapping):
            values = dict(bound)
        elif isinstance(bound, tuple | list):
            values = dict(bound[3]) if len(bound) == 4 else {}
            named = zip(("this", "path", "value"), bound, strict=False)
            values |= {name: value for name, value in named if value is not None}
        return re.sub(r"\{[?$](\w+)\}", lambda match: str(values.get(match[1], match[0])), message)

    ConstraintComponent._format_sparql_based_result_message = fill


# The report -----------------------------------------------------------------------------------------------


def _report(
    engine_report: Any,
    said: Dataset,
    everything: Dataset,
    shapes: Shapes,
    looked_at: Mapping[str, int],
    language: str,
) -> Report:
    """Turn the engine's report into ours: without the context's own findings, each with its place."""
    mentioned = _mentioned(said)
    elsewhere = _mentioned(everything) - mentioned
    findings = []
    for node in set(engine_report.objects(None, _iri(f"{_SH}result"))):
        finding = _finding(engine_report, node, shapes)
        if finding.focus not in elsewhere:
            findings.append(finding)
    places = _places(said, findings)
    labels = _labels(everything, {finding.focus for finding in findings}, language)
    results = {
        _key(result): (result, finding.node)
        for finding in findings
        for result in (_result(finding, places(finding), labels[finding.focus]),)
    }
    ordered = [results[key] for key in sorted(results)]
    return Report(
        tuple(result for result, _ in ordered),
        _report_graph(engine_report, [(result.messages, node) for result, node in ordered], shapes),
        looked_at,
    )


@dataclass(frozen=True)
class _Finding:
    """A result of the engine, read."""

    node: Any
    focus: Term
    path: str
    steps: tuple[tuple[str, bool], ...]
    severity: Severity
    messages: Mapping[str, str]
    value: Term | None
    shape: str
    rule: str


def _finding(report: Any, node: Any, shapes: Shapes) -> _Finding:
    source = report.value(node, _iri(f"{_SH}sourceShape"))
    path = report.value(node, _iri(f"{_SH}resultPath"))
    value = report.value(node, _iri(f"{_SH}value"))
    return _Finding(
        node=node,
        focus=to_oxigraph(report.value(node, _iri(f"{_SH}focusNode"))),
        path="" if path is None else str(path) if _is_iri(path) else _path_text(report, path),
        steps=_first_steps(report, path),
        severity=_severity_of(report.value(node, _iri(f"{_SH}resultSeverity"))),
        messages=_messages(report, node, shapes),
        value=None if value is None else to_oxigraph(value),
        shape=_shape_iri(shapes.graph, source),
        rule=_rule(shapes.graph, source),
    )


def _result(finding: _Finding, place: Place | None, label: str) -> Result:
    return Result(
        finding.focus,
        finding.path,
        finding.severity,
        MappingProxyType(dict(sorted(finding.messages.items()))),
        finding.value,
        finding.shape,
        finding.rule,
        place,
        label,
    )


def _key(result: Result) -> tuple[Any, ...]:
    """What results are sorted by, and what makes two of them the same."""
    place = result.place
    return (
        -result.severity,
        (place.path.as_posix(), place.line or 0, place.column or 0) if place else ("", 0, 0),
        result.rule,
        str(result.focus),
        result.path,
        str(result.value or ""),
        result.shape,
        tuple(result.messages.items()),
    )


def _messages(report: Any, node: Any, shapes: Shapes) -> Mapping[str, str]:
    """The messages of a result by language: the constraint's, else the shape's, else ours."""
    found: dict[str, dict[str, set[str]]] = {}
    for literal in report.objects(node, _iri(f"{_SH}resultMessage")):
        owner, mark, rest = str(literal).partition(_MARK)
        if mark:
            language, _, text = rest.partition(_MARK)
            found.setdefault(owner, {}).setdefault(language, set()).add(text)
    chosen = found.get("constraint") or found.get("shape")
    if chosen:
        return {language: " ".join(sorted(texts)) for language, texts in chosen.items()}
    return _own_wording(report, node, shapes.graph)


def _own_wording(report: Any, node: Any, graph: Any) -> Mapping[str, str]:
    source = report.value(node, _iri(f"{_SH}sourceShape"))
    component = local_name(str(report.value(node, _iri(f"{_SH}sourceConstraintComponent"))))
    parameter, english, french = _WORDING.get(
        component.removesuffix("ConstraintComponent"), _WORDING["SPARQL"]
    )
    path = report.value(node, _iri(f"{_SH}resultPath"))
    value = report.value(node, _iri(f"{_SH}value"))
    asked = _listed(graph, source, parameter)
    about = (
        ""
        if path is None
        else f"{_path_text(report, path)} " + ("" if value is None else f"{_shown(value)} ")
    )
    return {
        "en": (about or "this node ") + english.format(asked),
        "fr": (about or "ce nœud ") + french.format(asked),
    }


def _listed(graph: Any, shape: Any, parameter: str) -> str:
    """The values a shape gives a constraint parameter, lists in their own order."""
    shown: list[str] = []
    for value in sorted(graph.objects(shape, _iri(f"{_SH}{parameter}")), key=str):
        items = list(graph.items(value)) or [value]
        shown += [_shown(item) for item in items]
    return ", ".join(shown[:12]) + (f" … ({len(shown)})" if len(shown) > 12 else "")


def _shown(node: Any) -> str:
    if _is_iri(node):
        return compact(str(node))
    if not _is_literal(node):
        return "[…]"
    is_bare = re.fullmatch(r"[+-]?[0-9.]+|true|false", str(node)) and node.datatype is not None
    return str(node) if is_bare else f'"{node}"'


def _places(said: Dataset, findings: Iterable[_Finding]) -> Callable[[_Finding], Place | None]:
    """Where each finding is to be mended: the offending triple, else the subject's first line."""
    findings = tuple(findings)
    subjects = {finding.focus for finding in findings}
    backwards = {f.value for f in findings if f.value is not None and f.steps and f.steps[0][1]}
    stray = subjects - {quad.subject for quad in said.quads}
    mentions = {quad.object: quad for quad in reversed(said.quads) if quad.object in stray}
    wanted = subjects | backwards | {quad.subject for quad in mentions.values()}
    located = index(said.files, wanted, said.quads) if findings else {}

    def place(finding: _Finding) -> Place | None:
        value = finding.value if finding.value != finding.focus else None
        if not finding.steps:
            return find(located, finding.focus, None, value) or mention(finding.focus)
        for iri, backward in finding.steps:
            predicate = ox.NamedNode(iri)
            if backward and value is not None:
                return find(located, value, predicate, finding.focus)
            if not backward:
                return find(located, finding.focus, predicate, value) or mention(finding.focus)
        return find(located, finding.focus) or mention(finding.focus)

    def mention(focus: Term) -> Place | None:
        quad = mentions.get(focus)
        return find(located, quad.subject, quad.predicate, quad.object) if quad is not None else None

    return place


def _mentioned(dataset: Dataset) -> set[Term]:
    return {quad.subject for quad in dataset.quads} | {quad.object for quad in dataset.quads}


def _labels(dataset: Dataset, wanted: set[Term], language: str) -> Mapping[Term, str]:
    """What to call each node: its name in this language, else what its IRI says."""
    names: dict[Term, dict[str, dict[str, str]]] = {}
    for quad in dataset.quads:
        if quad.subject in wanted and quad.predicate.value in _NAMES and isinstance(quad.object, ox.Literal):
            texts = names.setdefault(quad.subject, {}).setdefault(quad.predicate.value, {})
            tag = quad.object.language or ""
            texts[tag] = min(quad.object.value, texts.get(tag, quad.object.value))
    labels = {}
    for node in wanted:
        said = names.get(node, {})
        known = next((said[name] for name in _NAMES if name in said), None)
        labels[node] = in_language(known, language) if known else _unnamed(dataset.base, node)
    return labels


def _unnamed(base: str, node: Term) -> str:
    if isinstance(node, ox.BlankNode):
        return "a node without name"
    if isinstance(node, ox.NamedNode):
        name = resource_name(base, node.value)
        return f"{name.kind} {name.slug}" if name else compact(node.value)
    return str(node)


def _report_graph(report: Any, results: Iterable[tuple[Mapping[str, str], Any]], shapes: Shapes) -> Any:
    """The standard report: what SHACL defines and nothing else, its blank nodes named in order."""
    import rdflib

    graph = rdflib.Graph(bind_namespaces="none")
    for prefix, namespace in PREFIXES.items():
        graph.bind(prefix, namespace)
    root, names, count = rdflib.BNode("report"), {}, 0

    def fresh(node: Any) -> Any:
        return names.setdefault(node, rdflib.BNode(f"n{len(names) + 1}")) if _is_blank(node) else node

    graph.add((root, _iri(f"{_RDF}type"), _iri(f"{_SH}ValidationReport")))
    for messages, node in results:
        count += 1
        graph.add((root, _iri(f"{_SH}result"), fresh(node)))
        waiting = [(node, messages)]
        while waiting:
            current, texts = waiting.pop()
            for triple in _result_triples(report, current, texts):
                graph.add(tuple(fresh(term) for term in triple))
            details = sorted(report.objects(current, _iri(f"{_SH}detail")), key=str)
            waiting += [(detail, _messages(report, detail, shapes)) for detail in details]
    boolean = _iri(f"{PREFIXES['xsd']}boolean")
    conforms = rdflib.Literal("false" if count else "true", datatype=boolean)
    graph.add((root, _iri(f"{_SH}conforms"), conforms))
    return graph


def _result_triples(report: Any, node: Any, messages: Mapping[str, str]) -> Iterator[tuple[Any, Any, Any]]:
    import rdflib

    for predicate, value in sorted(report.predicate_objects(node)):
        name = local_name(str(predicate))
        if name == "resultMessage" or (name == "sourceConstraint" and _is_blank(value)):
            continue
        yield node, predicate, value
        if name == "resultPath" and _is_blank(value):
            yield from _blank_triples(report, value)
    for language, text in messages.items():
        yield node, _iri(f"{_SH}resultMessage"), rdflib.Literal(text, lang=language or None)


def _blank_triples(graph: Any, node: Any) -> Iterator[tuple[Any, Any, Any]]:
    """All that is said of a blank node, and of the blank nodes it leads to."""
    waiting, done = [node], set()
    while waiting:
        current = waiting.pop()
        if current in done:
            continue
        done.add(current)
        for predicate, value in sorted(graph.predicate_objects(current), key=str):
            yield current, predicate, value
            if _is_blank(value):
                waiting.append(value)


# What the shapes look at ----------------------------------------------------------------------------------


def _counts(shapes: Shapes, said: Dataset, context: Dataset | None, data: Any) -> Mapping[str, int]:
    """Count, by shape, the focus nodes that the dataset itself brings; see `validate` for the context."""
    known = {quad.subject for quad in context.quads} if context is not None else set()
    subjects = {quad.subject for quad in said.quads}
    own = subjects | ({quad.object for quad in said.quads} - known)
    counts = {}
    for shape in _engine_shapes(shapes.graph):
        if not shape.deactivated and any(_targets(shapes.graph, shape.node)):
            nodes = {to_oxigraph(node) for node in shape.focus_nodes(data)}
            counts[_shape_iri(shapes.graph, shape.node) or str(shape.node)] = len(nodes & own)
    return dict(sorted(counts.items()))


def _vacuous(shapes: Shapes, said: Dataset, counts: Mapping[str, int]) -> Iterator[Vacuous]:
    classes = {quad.object.value for quad in said.quads if quad.predicate == _TYPE and _named(quad.object)}
    predicates = {quad.predicate.value for quad in said.quads}
    for shape, count in counts.items():
        node = _iri(shape)
        if count == 0:
            near = _near_target(shapes.graph, node, classes, predicates)
            yield Vacuous(shape, _rule(shapes.graph, node), ", ".join(_targets(shapes.graph, node)), near)


def _near_target(graph: Any, shape: Any, classes: set[str], predicates: set[str]) -> str | None:
    """The class or property the data uses whose name is nearest to what the shape looks for."""
    for name, used in (
        ("targetClass", classes),
        ("targetSubjectsOf", predicates),
        ("targetObjectsOf", predicates),
    ):
        for target in sorted(graph.objects(shape, _iri(f"{_SH}{name}")), key=str):
            near = _near(str(target), used)
            if near is not None:
                return compact(near)
    return None


def _near(iri: str, used: Iterable[str]) -> str | None:
    """The IRI spelt nearly like this one: another namespace, other capitals, a letter or two."""
    by_name: dict[str, str] = {}
    for candidate in sorted(set(used) - {iri}):
        by_name.setdefault(local_name(candidate).lower(), candidate)
    found = difflib.get_close_matches(local_name(iri).lower(), by_name, n=1, cutoff=0.8)
    return by_name[found[0]] if found else None


def _nothing_looked_at(shapes: Shapes, said: Dataset, counts: Mapping[str, int]) -> str:
    if not counts:
        return "no shape looked at any node: no shape has a target"
    missed = list(_vacuous(shapes, said, counts))
    hints = [str(item) for item in missed if item.near] or [str(item) for item in missed[:3]]
    more = f" (and {len(missed) - len(hints)} more)" if len(missed) > len(hints) else ""
    return f"no shape looked at any node: {'; '.join(hints)}{more}"


def _targets(graph: Any, shape: Any) -> Iterator[str]:
    """What a shape looks at, in words; a shape that is itself a class looks at its instances."""
    for name in _TARGETS:
        for target in sorted(graph.objects(shape, _iri(f"{_SH}{name}")), key=str):
            yield f"sh:{name} {_shown(target)}"
    types = set(graph.objects(shape, _iri(f"{_RDF}type")))
    if types & {_iri(f"{_RDFS}Class"), _iri(f"{PREFIXES['owl']}Class")}:
        yield f"instances of {_shown(shape)}"


# Shapes as a graph ----------------------------------------------------------------------------------------


def _engine_shapes(graph: Any) -> list[Any]:
    """The engine's own reading of the shapes, made from a copy because it adds to the graph.

    Raises: ReportableRuntimeError of the engine.
    """
    import rdflib
    from pyshacl.shapes_graph import ShapesGraph

    copy = rdflib.Graph(bind_namespaces="none")
    copy += graph
    return list(ShapesGraph(copy, logger=logging.getLogger(__name__)).shapes)


def _shape_nodes(graph: Any) -> list[Any]:
    """Every node that is used as a shape, sorted."""
    nodes = {
        node
        for name in ("NodeShape", "PropertyShape")
        for node in graph.subjects(_iri(f"{_RDF}type"), _iri(f"{_SH}{name}"))
    }
    nodes |= {node for name in _TARGETS for node in graph.subjects(_iri(f"{_SH}{name}"), None)}
    nodes |= {node for name in _PARTS for node in graph.objects(None, _iri(f"{_SH}{name}"))}
    nodes |= {node for name in ("property", "node") for node in graph.subjects(_iri(f"{_SH}{name}"), None)}
    for name in _PART_LISTS:
        for head in graph.objects(None, _iri(f"{_SH}{name}")):
            nodes |= set(graph.items(head))
    return sorted((node for node in nodes if not _is_literal(node)), key=str)


def _below(graph: Any, shape: Any) -> list[Any]:
    """The shapes a shape is made of, nearest first."""
    found: list[Any] = []
    waiting = [shape]
    while waiting:
        current = waiting.pop(0)
        parts = [part for name in _PARTS for part in graph.objects(current, _iri(f"{_SH}{name}"))]
        for name in _PART_LISTS:
            for head in graph.objects(current, _iri(f"{_SH}{name}")):
                parts += graph.items(head)
        new = [part for part in sorted(parts, key=str) if part not in found and part != shape]
        found += new
        waiting += new
    return found


def _above(graph: Any, shape: Any) -> list[Any]:
    """The shapes that use a shape, nearest first."""
    found: list[Any] = []
    waiting = [shape]
    while waiting:
        current = waiting.pop(0)
        users = [user for name in _PARTS for user in graph.subjects(_iri(f"{_SH}{name}"), current)]
        for cell in graph.subjects(_iri(f"{_RDF}first"), current):
            head = cell
            while (before := graph.value(None, _iri(f"{_RDF}rest"), head, any=True)) is not None:
                head = before
            users += [user for name in _PART_LISTS for user in graph.subjects(_iri(f"{_SH}{name}"), head)]
        new = [user for user in sorted(users, key=str) if user not in found and user != shape]
        found += new
        waiting += new
    return found


def _rule(graph: Any, shape: Any) -> str:
    """The short handle of a shape: its own or its nearest user's dcterms:identifier, else a local name."""
    family = [shape, *_above(graph, shape)]
    for node in family:
        identifier = _value(graph, node, f"{_DCTERMS}identifier")
        if identifier is not None:
            return str(identifier)
    return local_name(_shape_iri(graph, shape)) or "shape"


def _shape_iri(graph: Any, shape: Any) -> str:
    """The IRI of a shape; for one without, that of the nearest shape that uses it."""
    return next((str(node) for node in (shape, *_above(graph, shape)) if _is_iri(node)), "")


def _shape_called(shapes: Shapes, name: str) -> Any:
    handles = rules(shapes)
    by_name = {handle.lower(): iri for handle, iri in handles.items()}
    nodes = [str(node) for node in _shape_nodes(shapes.graph) if _is_iri(node)]
    by_name = {local_name(iri).lower(): iri for iri in nodes} | by_name
    try:
        whole = expand(name)
    except ValueError:
        whole = ""
    found = whole if whole in nodes else by_name.get(name.lower())
    if found is None:
        raise ConfigError(f"no rule is called {name!r}; {suggestion(name, sorted(handles))}")
    return _iri(found)


def _texts(graph: Any, nodes: Iterable[Any], predicates: Iterable[str]) -> Mapping[str, str]:
    """The texts that nodes have under these predicates, by language; the first predicate with any wins."""
    nodes = list(nodes)
    for predicate in predicates:
        texts: dict[str, list[str]] = {}
        for node in nodes:
            for literal in sorted(graph.objects(node, _iri(predicate)), key=str):
                kept = texts.setdefault(getattr(literal, "language", None) or "", [])
                if str(literal) not in kept:
                    kept.append(str(literal))
        if texts:
            return {language: " ".join(parts) for language, parts in sorted(texts.items())}
    return {}


def _turtle(graph: Any, nodes: Iterable[Any]) -> str:
    import rdflib

    part = rdflib.Graph(bind_namespaces="none")
    for prefix, namespace in PREFIXES.items():
        part.bind(prefix, namespace, override=True, replace=True)
    for node in nodes:
        for predicate, value in graph.predicate_objects(node):
            part.add((node, predicate, value))
            if _is_blank(value):
                for triple in _blank_triples(graph, value):
                    part.add(triple)
    return str(part.serialize(format="turtle")).strip() + "\n"


def _severity(graph: Any, shape: Any) -> Severity:
    return _severity_of(_value(graph, shape, f"{_SH}severity"))


def _severity_of(node: Any) -> Severity:
    """What we call a severity; one of somebody's own making is taken for a violation, as SHACL's default."""
    name = local_name(str(node)).upper() if node is not None else ""
    return Severity[name] if name in Severity.__members__ else Severity.VIOLATION


def _path_text(graph: Any, path: Any) -> str:
    """A property path the way SPARQL writes it, IRIs shortened."""
    if _is_iri(path):
        return compact(str(path))
    items = list(graph.items(path))
    if items:
        return "/".join(_path_text(graph, item) for item in items)
    for name, template in (
        ("inversePath", "^{}"),
        ("zeroOrMorePath", "{}*"),
        ("oneOrMorePath", "{}+"),
        ("zeroOrOnePath", "{}?"),
    ):
        inner = graph.value(path, _iri(f"{_SH}{name}"))
        if inner is not None:
            text = _path_text(graph, inner)
            return template.format(f"({text})" if re.search(r"[/|]", text) and not _is_iri(inner) else text)
    choices = graph.value(path, _iri(f"{_SH}alternativePath"))
    texts = [_path_text(graph, item) for item in graph.items(choices)] if choices is not None else []
    return f"({'|'.join(texts)})"


def _first_steps(graph: Any, path: Any) -> tuple[tuple[str, bool], ...]:
    """The properties a path may start with, each with whether it is walked backwards."""
    if path is None:
        return ()
    if _is_iri(path):
        return ((str(path), False),)
    items = list(graph.items(path))
    if items:
        return _first_steps(graph, items[0])
    inverse = graph.value(path, _iri(f"{_SH}inversePath"))
    if inverse is not None:
        return tuple((iri, not backward) for iri, backward in _first_steps(graph, inverse))
    for name in ("zeroOrMorePath", "oneOrMorePath", "zeroOrOnePath"):
        inner = graph.value(path, _iri(f"{_SH}{name}"))
        if inner is not None:
            return _first_steps(graph, inner)
    choices = graph.value(path, _iri(f"{_SH}alternativePath"))
    return (
        tuple(step for item in graph.items(choices) for step in _first_steps(graph, item)) if choices else ()
    )


# Broken shapes --------------------------------------------------------------------------------------------


def _check(graph: Any) -> None:
    pass


def _without_effect(graph: Any) -> Iterator[str]:
    yield from ()


def _value(graph: Any, node: Any, predicate: str) -> Any:
    """The first value of a property, in alphabetical order."""
    return min(graph.objects(node, _iri(predicate)), key=str, default=None)


def _iri(iri: str) -> Any:
    return _uriref()(iri)


@lru_cache(maxsize=1)
def _uriref() -> Any:
    import rdflib

    return rdflib.URIRef


def _is_iri(node: Any) -> bool:
    return isinstance(node, _uriref())


def _is_blank(node: Any) -> bool:
    import rdflib

    return isinstance(node, rdflib.BNode)


def _is_literal(node: Any) -> bool:
    import rdflib

    return isinstance(node, rdflib.Literal)


def _named(term: Term) -> bool:
    return isinstance(term, ox.NamedNode)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
