"""Which rules look at a thing, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyoxigraph as ox

from cnrs_graph.descriptions import Index, node_key
from cnrs_graph.terms import expand, local_name
from cnrs_graph.validation import Report, Result

_SUBCLASS = expand("rdfs:subClassOf")
_CLASSES = {expand("owl:Class"), expand("rdfs:Class")}


@dataclass(frozen=True)
class Rule:
    """A rule with what it looks at."""

    iri: str
    code: str
    classes: frozenset[str]
    nodes: frozenset[str]
    subjects_of: frozenset[str]
    objects_of: frozenset[str]


@dataclass(frozen=True)
class Rulebook:
    """All rules, and what was found; *checked* tells whether anybody looked."""

    rules: Sequence[Rule]
    found: Mapping[str, Sequence[Result]]
    checked: bool

    def looking_at(self, index: Index, keys: Iterable[str]) -> list[Rule]:
        """The rules that look at any of these nodes.

        Source: SHACL, section 2.1.3.
        """
        seen = [_Seen(index, key) for key in keys]
        return [rule for rule in self.rules if any(each.is_target(rule) for each in seen)]

    def findings(self, keys: Iterable[str]) -> list[Result]:
        """What was found about these nodes, worst first."""
        return sorted((r for key in keys for r in self.found.get(key, ())), key=lambda r: -r.severity)


class _Seen:
    """A node as targets see it: its classes and those above, its properties, and what points at it."""

    def __init__(self, index: Index, key: str) -> None:
        self.key = key
        own = (*index.accepted.get(key, ()), *index.inferred.get(key, ()))
        kinds = [node_key(q.object) for q in own if q.predicate.value == expand("rdf:type")]
        self.kinds = set(_upwards(index, kinds))
        self.properties = {q.predicate.value for q in own}
        self.pointed_at = {q.predicate.value for q in index.incoming.get(key, ())}

    def is_target(self, rule: Rule) -> bool:
        return (
            self.key in rule.nodes
            or bool(rule.classes & self.kinds)
            or bool(rule.subjects_of & self.properties)
            or bool(rule.objects_of & self.pointed_at)
        )


def rulebook(index: Index, report: Report | None) -> Rulebook:
    """The rules that are published, and what the validation before publishing found, if there was one."""
    shapes = [key for key in index.instances.get(expand("sh:NodeShape"), ()) if key.startswith(index.base)]
    found: dict[str, list[Result]] = {}
    for result in report.results if report is not None else ():
        found.setdefault(node_key(result.focus), []).append(result)
    rules = [rule for rule in (_read(index, shape) for shape in shapes) if _looks(rule)]
    return Rulebook(rules, found, report is not None)


def _read(index: Index, shape: str) -> Rule:
    def named(curie: str) -> frozenset[str]:
        return frozenset(node_key(value) for value in index.values(shape, expand(curie)))

    codes = index.values(shape, expand("dcterms:identifier"))
    code = codes[0].value if codes and isinstance(codes[0], ox.Literal) else local_name(shape)
    implicit = frozenset([shape]) if _CLASSES & set(index.kinds(shape)) else frozenset[str]()
    return Rule(
        shape,
        code,
        named("sh:targetClass") | implicit,
        named("sh:targetNode"),
        named("sh:targetSubjectsOf"),
        named("sh:targetObjectsOf"),
    )


def _looks(rule: Rule) -> bool:
    return bool(rule.classes or rule.nodes or rule.subjects_of or rule.objects_of)


def _upwards(index: Index, kinds: Iterable[str]) -> Iterator[str]:
    seen, waiting = set[str](), list(kinds)
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            yield current
            waiting += [node_key(value) for value in index.values(current, _SUBCLASS)]
