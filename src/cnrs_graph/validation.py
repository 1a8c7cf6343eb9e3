"""Whether the data keeps the promises that the shapes make."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyoxigraph as ox

from cnrs_graph.breaches import Breach
from cnrs_graph.dataset import Dataset, graph_name
from cnrs_graph.errors import ConfigError, Place, ShapesError, VacuousShapesError, suggestion
from cnrs_graph.judging import Judge, Plan
from cnrs_graph.places import find, index, place_of
from cnrs_graph.report_graph import report_graph
from cnrs_graph.shacl_engine import unusable
from cnrs_graph.shape_graph import Node, ShapeGraph, node_of, term_of
from cnrs_graph.shapes import (
    default_messages,
    first_steps,
    first_value,
    imported_prefixes,
    iri,
    is_iri,
    mistakes,
    path_text,
    rule_of,
    shape_iri,
    shape_nodes,
    shapes_above,
    shapes_below,
    shown,
    targeted,
    targets_of,
    texts_of,
    turtle_of,
    without_effect,
)
from cnrs_graph.terms import (
    PREFIXES,
    Term,
    compact,
    expand,
    local_name,
    resource_name,
)

_SH, _RDF, _RDFS = PREFIXES["sh"], PREFIXES["rdf"], PREFIXES["rdfs"]
_SKOS, _DCTERMS = PREFIXES["skos"], PREFIXES["dcterms"]
_TYPE = ox.NamedNode(f"{_RDF}type")
_NAMES = (f"{_SKOS}prefLabel", f"{_RDFS}label", f"{_DCTERMS}title", f"{_SH}name")
#: An IRI in the text of a message, without the punctuation of the sentence.
_IRI = re.compile(r"https?://[^\s<>\"{}|\\^`]*[^\s<>\"{}|\\^`.,;:!?)]")
#: A message names no more shapes than this that looked at nothing.
_MOST_NAMED = 20
_DESCRIPTIONS = (f"{_SKOS}definition", f"{_DCTERMS}description", f"{_SH}description", f"{_RDFS}comment")


class Severity(IntEnum):
    """How bad a finding is; what is worse is more."""

    INFO = 1
    WARNING = 2
    VIOLATION = 3


class Hint(NamedTuple):
    """What was written, and what was probably meant."""

    written: str
    meant: str


@dataclass(frozen=True)
class Result:
    """One finding: which node breaks which rule, where that is written, and what to do about it.

    `path` is a property or a SPARQL property path, empty for a finding about the node itself; `rule` is the
    short handle of the shape; `messages` are by language, "" for one without.
    """

    focus: Term
    path: str
    severity: Severity
    messages: Mapping[str, str] = field(hash=False)
    value: Term | None
    shape: str
    rule: str
    place: Place | None
    label: str
    #: The IRI of the constraint component that found it.
    component: str = ""
    #: A name in the data that is known nowhere, and the known one that was probably meant.
    hint: Hint | None = None

    def message(self, language: str = "en") -> str:
        """The message in a language, else in English, else without language, else in any."""
        return in_language(self.messages, language)


@dataclass(frozen=True)
class Report:
    """What the shapes found, worst first, and the same as a standard SHACL validation report.

    `looked_at` counts, by shape with a target, the nodes of the data it looked at; `plan` says which engine
    checked what. `breaches` and `shapes` are what the standard report is made of.
    """

    results: tuple[Result, ...]
    looked_at: Mapping[str, int] = field(default_factory=dict)
    plan: Plan | None = field(default=None, compare=False)
    breaches: tuple[tuple[Mapping[str, str], Breach], ...] = field(default=(), compare=False, repr=False)
    shapes: Shapes | None = field(default=None, compare=False, repr=False)

    @cached_property
    def graph(self) -> Any:
        """The report as SHACL defines it, made when it is asked for."""
        shapes = self.shapes.graph if self.shapes is not None else ShapeGraph()
        return report_graph(self.breaches, shapes, lambda each: _messages(each, shapes))

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

    graph: ShapeGraph = field(compare=False)
    files: Mapping[str, Path] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    #: A judge made while the shapes were read; the first validation takes it, others make their own.
    ready: list[Judge] = field(default_factory=list, compare=False, repr=False)

    def judge(self, engine: str) -> Judge:
        """A judge who has heard no statement yet."""
        return self.ready.pop() if engine == "auto" and self.ready else Judge(self.graph, engine=engine)


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
    notes: Mapping[str, str]
    sources: tuple[str, ...]
    turtle: str
    #: The numbers of the sentences in the sources.
    sentences: tuple[str, ...] = ()


def load_shapes(shapes: Dataset) -> Shapes:
    """Take the statements of all graphs as shapes, and see that each can be used.

    Raises: ShapesError naming the shape that cannot be used, and why.
    """
    graph = ShapeGraph.of(shapes.quads)
    for triple in imported_prefixes(graph):
        graph.add(triple)
    ready = _check(shapes, graph)
    return Shapes(graph, shapes.files, tuple(dict.fromkeys(without_effect(graph))), [ready])


def validate(
    said: Dataset,
    shapes: Shapes,
    *,
    context: Dataset | None = None,
    language: str = "en",
    engine: str = "auto",
    among: Mapping[Node, set[Term]] | None = None,
) -> Report:
    """Hold the data against the shapes.

    Graphs: reads every graph of *said*, and of *context* (ontology, reference data), whose statements count
    while its own nodes are not reported on. Nothing is inferred but class membership along rdfs:subClassOf,
    and nothing is fetched. Focus nodes are labelled in *language*. With *engine* "pyshacl", pySHACL checks
    everything; the report is the same. With *among*, each shape looks at these nodes only.
    Raises: VacuousShapesError if no shape looked at any node of *said*; ShapesError if the engine gives up.
    Source: Shapes Constraint Language (SHACL), section 3.
    """
    beside = _beside(said, context)
    judge = shapes.judge(engine).hear(said.quads, beside)
    owned = _Owned(said, beside, shapes)
    counts = owned.counts(judge)
    if not any(counts.values()):
        raise VacuousShapesError(_nothing_looked_at(shapes, said, counts))
    breaches = judge.breaches(among)
    return _report(breaches, said, beside, owned, shapes, judge.plan, _by_name(counts), language)


def focus_nodes(shapes: Shapes, dataset: Dataset, *, context: Dataset | None = None) -> Mapping[str, int]:
    """Count the nodes of the dataset that each shape with a target looks at, by shape."""
    return _by_name(_counts(shapes, dataset, context))


def vacuous(
    shapes: Shapes, dataset: Dataset, *, context: Dataset | None = None, report: Report | None = None
) -> tuple[Vacuous, ...]:
    """Name the shapes that look at no node of the dataset, with what was probably meant.

    A *report* on the same dataset has counted already.
    """
    if report is None:
        return tuple(_vacuous(shapes, dataset, _counts(shapes, dataset, context)))
    counts = {node: report.looked_at.get(_handle(node), 1) for node in targeted(shapes.graph)}
    return tuple(_vacuous(shapes, dataset, counts))


def rules(shapes: Shapes) -> Mapping[str, tuple[str, ...]]:
    """The short handles of all rules, each with its shapes, sorted."""
    graph = shapes.graph
    owners = [
        node
        for node in shape_nodes(graph)
        if is_iri(node)
        and (first_value(graph, node, f"{_DCTERMS}identifier") or not shapes_above(graph, node))
    ]
    found: dict[str, list[str]] = {}
    for node in sorted(set(owners), key=str):
        found.setdefault(rule_of(graph, node), []).append(str(node))
    return {handle: tuple(nodes) for handle, nodes in sorted(found.items())}


def explain(shapes: Shapes, rule: str) -> tuple[Explanation, ...]:
    """Say what a rule asks, shape by shape; it is named by handle, or by a shape's IRI, CURIE or local name.

    Raises: ConfigError if there is no such rule, naming those that are spelt nearly so.
    """
    return tuple(_explained(shapes.graph, node) for node in _shapes_called(shapes, rule))


def _explained(graph: Any, node: Any) -> Explanation:
    parts = [node, *shapes_below(graph, node)]
    return Explanation(
        rule=rule_of(graph, node),
        shape=str(node),
        labels=texts_of(graph, [node], _NAMES),
        descriptions=texts_of(graph, [node], _DESCRIPTIONS),
        messages=texts_of(graph, _speakers(graph, parts), (f"{_SH}message",)),
        severity=_worst(graph, node),
        targets=tuple(targets_of(graph, node)),
        notes=texts_of(graph, [node], (f"{_SKOS}note",)),
        sources=tuple(sorted(str(item) for item in graph.objects(node, iri(f"{_DCTERMS}source")))),
        turtle=turtle_of(graph, parts),
        sentences=tuple(
            sorted(
                str(value)
                for predicate, value in graph.predicate_objects(node)
                if local_name(str(predicate)) == "sourceSentence"
            )
        ),
    )


def _worst(graph: Any, shape: Any) -> Severity:
    """The worst that a shape can report: itself, or its property shapes when it leaves findings to them."""
    properties = list(graph.objects(shape, iri(f"{_SH}property")))
    speaks_itself = not properties or (shape, iri(f"{_SH}severity"), None) in graph
    return max(_severity(graph, each) for each in (*properties, *([shape] if speaks_itself else [])))


def _speakers(graph: Any, parts: Iterable[Any]) -> Iterator[Any]:
    """The nodes whose messages are told: a SPARQL constraint with a message speaks for its shape."""
    message = iri(f"{_SH}message")
    for part in parts:
        constraints = sorted(graph.objects(part, iri(f"{_SH}sparql")), key=str)
        yield from [node for node in constraints if (node, message, None) in graph] or [part]


def in_language(texts: Mapping[str, str], language: str) -> str:
    """Choose a text: in this language, else in English, else without language, else in any.

    >>> in_language({"en": "late", "fr": "en retard"}, "fr")
    'en retard'
    """
    for wanted in (language, "en", "", *sorted(texts)):
        if wanted in texts:
            return texts[wanted]
    return ""


# The report -----------------------------------------------------------------------------------------------


def _report(
    breaches: Iterable[Breach],
    said: Dataset,
    beside: Sequence[ox.Quad],
    owned: _Owned,
    shapes: Shapes,
    planned: Plan,
    looked_at: Mapping[str, int],
    language: str,
) -> Report:
    """Turn what the engines found into findings: without the context's own, each with its place."""
    findings = [_finding(each, shapes) for each in breaches if not owned.is_elsewhere(each.focus)]
    places = _places(said, findings)
    spoken_of = {ox.NamedNode(found) for finding in findings for found in _iris(finding.messages)}
    wanted = {finding.focus for finding in findings} | spoken_of
    names = _names(chain(said.quads, beside), wanted) if wanted else {}
    told = []
    for finding in findings:
        label = in_language(names.get(finding.focus, {}), language) or _unnamed(said.base, finding.focus)
        result = _result(finding, _named(finding.messages, names), places(finding), label)
        told.append(((*_key(result), finding.component), result, finding.breach))
    # The report holds each result, as the standard asks; people are told of the same thing once.
    ordered = [(result, breach) for _, result, breach in sorted(told, key=lambda each: each[0])]
    return Report(
        tuple({_key(result): result for result, _ in ordered}.values()),
        looked_at,
        planned,
        tuple((result.messages, breach) for result, breach in ordered),
        shapes,
    )


@dataclass(frozen=True)
class _Finding:
    """A result of an engine, read."""

    breach: Breach
    focus: Term
    path: str
    steps: tuple[tuple[str, bool], ...]
    severity: Severity
    messages: Mapping[str, str]
    value: Term | None
    shape: str
    rule: str
    component: str


def _finding(breach: Breach, shapes: Shapes) -> _Finding:
    graph, path = shapes.graph, breach.path
    return _Finding(
        breach=breach,
        focus=breach.focus,
        path="" if path is None else str(path) if is_iri(path) else path_text(graph, path),
        steps=first_steps(graph, path),
        severity=_severity_of(breach.severity),
        messages=_messages(breach, graph),
        value=breach.value,
        shape=shape_iri(graph, breach.shape),
        rule=rule_of(graph, breach.shape),
        component=breach.component,
    )


def _result(finding: _Finding, messages: Mapping[str, str], place: Place | None, label: str) -> Result:
    return Result(
        finding.focus,
        finding.path,
        finding.severity,
        dict(sorted(messages.items())),
        finding.value,
        finding.shape,
        finding.rule,
        place,
        label,
        finding.component,
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


def _messages(breach: Breach, shapes: ShapeGraph) -> Mapping[str, str]:
    """The messages of a result by language: the constraint's, else the shape's, else ours."""
    chosen = breach.messages.get("constraint") or breach.messages.get("shape")
    if chosen:
        return {language: " ".join(sorted(texts)) for language, texts in chosen.items()}
    return default_messages(
        shapes,
        breach.shape,
        local_name(breach.component),
        "" if breach.path is None else path_text(shapes, breach.path),
        None if breach.value is None else shown(node_of(breach.value)),
    )


def _places(said: Dataset, findings: Iterable[_Finding]) -> Callable[[_Finding], Place | None]:
    """Where each finding is to be mended: the offending triple, else the subject's first line."""
    findings = tuple(findings)
    subjects = {finding.focus for finding in findings}
    backwards = {f.value for f in findings if f.value is not None and f.steps and f.steps[0][1]}
    stray = subjects - {quad.subject for quad in said.quads} if subjects else set()
    mentions = {quad.object: quad for quad in reversed(said.quads) if quad.object in stray} if stray else {}
    wanted = subjects | backwards | {quad.subject for quad in mentions.values()}
    located = index(_files_about(said, wanted), wanted, said.quads) if findings else {}

    def place(finding: _Finding) -> Place | None:
        value = finding.value if finding.value != finding.focus else None
        if not finding.steps:
            return find(located, finding.focus, None, value) or mention(finding.focus)
        for name, backward in finding.steps:
            predicate = ox.NamedNode(name)
            if backward and value is not None:
                return find(located, value, predicate, finding.focus)
            if not backward:
                return find(located, finding.focus, predicate, value) or mention(finding.focus)
        return find(located, finding.focus) or mention(finding.focus)

    def mention(focus: Term) -> Place | None:
        quad = mentions.get(focus)
        return find(located, quad.subject, quad.predicate, quad.object) if quad is not None else None

    return place


def _files_about(said: Dataset, subjects: set[Any]) -> Mapping[str, Path]:
    """The files that say something about a subject: the others need not be read for places."""
    graphs = {graph_name(quad) for quad in said.quads if quad.subject in subjects}
    # A file whose statements name other graphs, as TriG does, cannot be told by them.
    told = set(said.graphs())
    return {name: path for name, path in said.files.items() if name in graphs or name not in told}


def _names(quads: Iterable[ox.Quad], wanted: set[Term]) -> Mapping[Term, Mapping[str, str]]:
    """What the data calls each node, by language; one it does not name is absent."""
    names: dict[Term, dict[str, dict[str, str]]] = {}
    for quad in quads:
        if quad.subject in wanted and quad.predicate.value in _NAMES and isinstance(quad.object, ox.Literal):
            texts = names.setdefault(quad.subject, {}).setdefault(quad.predicate.value, {})
            tag = quad.object.language or ""
            texts[tag] = min(quad.object.value, texts.get(tag, quad.object.value))
    return {node: next(said[name] for name in _NAMES if name in said) for node, said in names.items()}


def _iris(messages: Mapping[str, str]) -> Iterator[str]:
    for text in messages.values():
        yield from _IRI.findall(text)


def _named(messages: Mapping[str, str], names: Mapping[Term, Mapping[str, str]]) -> Mapping[str, str]:
    """The messages with each thing that has a name called by it, in the language of the message."""

    def name(match: re.Match[str], language: str) -> str:
        return in_language(names.get(ox.NamedNode(match[0]), {}), language) or match[0]

    return {
        language: _IRI.sub(lambda match, spoken=language: name(match, spoken), text)  # type: ignore[misc]
        for language, text in messages.items()
    }


def _unnamed(base: str, node: Term) -> str:
    if isinstance(node, ox.BlankNode):
        return "a node without name"
    if isinstance(node, ox.NamedNode):
        name = resource_name(base, node.value)
        return f"{name.kind} {name.slug}" if name else compact(node.value)
    return node.value if isinstance(node, ox.Literal) else str(node)


# What the shapes look at ----------------------------------------------------------------------------------


def _beside(said: Dataset, context: Dataset | None) -> Sequence[ox.Quad]:
    """The statements of the context, without the graphs that the dataset has itself."""
    if context is None or not context.quads:
        return ()
    taken = {*said.graphs(), *said.files}
    return [quad for quad in context.quads if graph_name(quad) not in taken]


class _Owned:
    """Which nodes are the dataset's own: what it describes, and what it names and nobody else describes."""

    def __init__(self, said: Dataset, beside: Sequence[ox.Quad], shapes: Shapes) -> None:
        self._described: set[Term] = {quad.subject for quad in beside}
        self._others: set[Term] = self._described | {quad.object for quad in beside}
        named: set[Term] = {term_of(node) for node in shapes.graph.objects(None, iri(f"{_SH}targetNode"))}
        self._doubtful = self._others | named
        self._subjects: set[Term] = set()
        self._objects: set[Term] = set()
        for quad in said.quads if self._doubtful else ():
            if quad.subject in self._doubtful:
                self._subjects.add(quad.subject)
            if quad.object in self._doubtful:
                self._objects.add(quad.object)

    def is_own(self, node: Term) -> bool:
        """Whether the dataset brings a node."""
        if node not in self._doubtful or node in self._subjects:
            return True
        return node in self._objects and node not in self._described

    def is_elsewhere(self, node: Term) -> bool:
        """Whether only the context mentions a node."""
        return node in self._others and node not in self._subjects and node not in self._objects

    def counts(self, judge: Judge) -> Mapping[Node, int]:
        """The focus nodes of each shape that are the dataset's own."""
        return {node: sum(map(self.is_own, focus)) for node, focus in judge.focus.items()}


def _counts(shapes: Shapes, said: Dataset, context: Dataset | None) -> Mapping[Node, int]:
    beside = _beside(said, context)
    return _Owned(said, beside, shapes).counts(shapes.judge("auto").hear(said.quads, beside))


def _handle(node: Node) -> str:
    return str(node) if is_iri(node) else f"_:{node}"


def _by_name(counts: Mapping[Any, int]) -> Mapping[str, int]:
    return {_handle(node): count for node, count in counts.items()}


def _vacuous(shapes: Shapes, said: Dataset, counts: Mapping[Any, int]) -> Iterator[Vacuous]:
    types = {quad.object for quad in said.quads if quad.predicate == _TYPE}
    classes = {term.value for term in types if isinstance(term, ox.NamedNode)}
    predicates = {quad.predicate.value for quad in said.quads}
    for node, count in counts.items():
        if count == 0:
            near = _near_target(shapes.graph, node, classes, predicates)
            targets = ", ".join(targets_of(shapes.graph, node))
            yield Vacuous(shape_iri(shapes.graph, node), rule_of(shapes.graph, node), targets, near)


def _near_target(graph: Any, shape: Any, classes: set[str], predicates: set[str]) -> str | None:
    """The class or property the data uses whose name is nearest to what the shape looks for."""
    for name, used in (
        ("targetClass", classes),
        ("targetSubjectsOf", predicates),
        ("targetObjectsOf", predicates),
    ):
        for target in sorted(graph.objects(shape, iri(f"{_SH}{name}")), key=str):
            near = _near(str(target), used)
            if near is not None:
                return compact(near)
    return None


def _near(iri: str, used: Iterable[str]) -> str | None:
    """The IRI spelt nearly like this one: another namespace, other capitals, a letter or two."""
    by_name: dict[str, str] = {}
    for candidate in sorted(set(used) - {iri}):
        by_name.setdefault(local_name(candidate).lower(), candidate)
    found = difflib.get_close_matches(local_name(iri).lower(), by_name, n=1, cutoff=0.75)
    return by_name[found[0]] if found else None


def _nothing_looked_at(shapes: Shapes, said: Dataset, counts: Mapping[Any, int]) -> str:
    if not counts:
        return "no shape looked at any node: no shape has a target"
    # Those that were probably misspelt come first.
    missed = sorted(_vacuous(shapes, said, counts), key=lambda item: item.near is None)
    named = missed[:_MOST_NAMED]
    more = f" (and {len(missed) - len(named)} more)" if len(missed) > len(named) else ""
    return f"no shape looked at any node: {'; '.join(str(item) for item in named)}{more}"


# Shapes the engine knows ----------------------------------------------------------------------------------


def _shapes_called(shapes: Shapes, name: str) -> tuple[Any, ...]:
    handles = rules(shapes)
    nodes = [str(node) for node in shape_nodes(shapes.graph) if is_iri(node)]
    by_name: dict[str, tuple[str, ...]] = {local_name(node).lower(): (node,) for node in nodes}
    by_name |= {handle.lower(): found for handle, found in handles.items()}
    try:
        whole = expand(name)
    except ValueError:
        whole = ""
    found = (whole,) if whole in nodes else by_name.get(name.lower(), ())
    if not found:
        raise ConfigError(f"no rule is called {name!r}; {suggestion(name, sorted(handles))}")
    return tuple(iri(each) for each in found)


def _severity(graph: Any, shape: Any) -> Severity:
    return _severity_of(first_value(graph, shape, f"{_SH}severity"))


def _severity_of(node: Any) -> Severity:
    """What we call a severity; one of somebody's own making is taken for a violation, as SHACL's default."""
    name = local_name(str(node)).upper() if node is not None else ""
    return Severity[name] if name in Severity.__members__ else Severity.VIOLATION


# Broken shapes --------------------------------------------------------------------------------------------


def _check(shapes: Dataset, graph: ShapeGraph) -> Judge:
    """See that each shape can be used; what is checked here is read in full by making the judge.

    Raises: ShapesError with the shape, its place and the reason.
    """
    for node in shape_nodes(graph):
        for reason in mistakes(graph, node):
            raise _broken(shapes, graph, node, reason)
    judge = Judge(graph)
    for node, reason in unusable(graph) if judge.plan.asked else ():
        raise _broken(shapes, graph, node, reason)
    return judge


def _broken(shapes: Dataset, graph: Any, node: Any, reason: str) -> ShapesError:
    iri = shape_iri(graph, node)
    place = place_of(shapes.files, ox.NamedNode(iri)) if iri else None
    name = (
        shown(node) if is_iri(node) else f"a shape inside {compact(iri)}" if iri else "a shape without name"
    )
    return ShapesError(f"{place}: {name}: {reason}" if place else f"{name}: {reason}")
