"""Data held against shapes: here where the answer is certain, by pySHACL for the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

import pyoxigraph as ox

from cnrs_graph import shacl_engine
from cnrs_graph.breaches import Breach, UndecidedError
from cnrs_graph.core_checks import CheckedShape, Checks
from cnrs_graph.plain_queries import Query, queries
from cnrs_graph.query_checks import answers
from cnrs_graph.shape_graph import Node, ShapeGraph
from cnrs_graph.shapes import is_off, rule_of, shown, targeted
from cnrs_graph.statements import Statements
from cnrs_graph.terms import Term

#: The engines: ours with pySHACL for what it is not certain of, or pySHACL for everything.
ENGINES = ("auto", "pyshacl")


@dataclass(frozen=True)
class Plan:
    """Which shapes with a target are checked here, and which go to pySHACL, each with the reason."""

    here: tuple[Node, ...]
    asked: Mapping[Node, str]


@dataclass
class _Made:
    """A shape with a target, its constraints made ready."""

    targets: Callable[[], set[int]]
    shape: CheckedShape | None = None
    queries: list[Query] = field(default_factory=list)


class Judge:
    """Shapes made ready, then the statements they are held against: `hear`, then `focus` and `breaches`.

    `plan` may name more shapes for pySHACL once the statements have been looked at.
    """

    def __init__(self, graph: ShapeGraph, *, engine: str = "auto") -> None:
        self._graph = graph
        self._parts: tuple[Iterable[ox.Quad], ...] = ()
        self.focus: Mapping[Node, set[Term]] = {}
        self._data = Statements()
        self._asked: dict[Node, str] = {}
        self._made: dict[Node, _Made] = {}
        checks = Checks(graph, self._data)
        self._checks = checks
        for node in targeted(graph):
            made = self._made[node] = _Made(checks.targets(node))
            if engine != "auto":
                self._asked[node] = "pySHACL was asked for"
                continue
            try:
                made.shape = checks.shape(node)
                made.queries = queries(graph, made.shape)
            except UndecidedError as reason:
                self._asked[node] = str(reason)

    def hear(self, *parts: Collection[ox.Quad]) -> Judge:
        """Take in the statements; once only."""
        self._parts = parts
        self._data.fill(chain(*parts))
        terms = self._data.terms
        self.focus = {
            node: {terms[each] for each in made.targets()}
            for node, made in self._made.items()
            if not is_off(self._graph, node)
        }
        return self

    @property
    def plan(self) -> Plan:
        """Who checks what."""
        return Plan(tuple(node for node in self._made if node not in self._asked), dict(self._asked))

    def breaches(self, among: Mapping[Node, set[Term]] | None = None) -> list[Breach]:
        """What the focus nodes break; by shape only those *among* these nodes, when given.

        Raises: ShapesError if pySHACL gives up.
        """
        focus = {
            node: nodes if among is None else nodes & among.get(node, set())
            for node, nodes in self.focus.items()
        }
        found = {node: self._core(node, focus[node]) for node in focus if node not in self._asked}
        asked = [
            (query, focus[node])
            for node in found
            for query in self._made[node].queries
            if focus[node] and node not in self._asked
        ]
        if asked:
            for query, answer in answers(asked, chain(*self._parts)):
                if isinstance(answer, UndecidedError):
                    self._asked[query.shape.node] = str(answer)
                else:
                    found[query.shape.node] += answer
        results = [each for node, more in found.items() if node not in self._asked for each in more]
        rest = {node: focus[node] for node in self._asked if focus.get(node)}
        return results + (self._by_reference(rest) if rest else [])

    def _core(self, node: Node, focus: set[Term]) -> list[Breach]:
        shape = self._made[node].shape
        try:
            if shape is None or not shape.checks:
                return []
            numbers = map(self._data.number, focus)
            return [self._checks.breach(each) for number in numbers for each in shape.broken(number)]
        except UndecidedError as reason:
            self._asked[node] = str(reason)
            return []

    def _by_reference(self, focus: Mapping[Node, set[Term]]) -> list[Breach]:
        return shacl_engine.run(shacl_engine.data_graph(chain(*self._parts)), self._graph, only=focus)


def plan_text(plan: Plan | None, graph: ShapeGraph) -> str:
    """Which shapes were checked here, which went to pySHACL, and why."""
    asked = plan.asked if plan is not None else {}
    here = len(plan.here) if plan is not None else 0
    lines = [f"{here} {'shape' if here == 1 else 'shapes'} checked here, {len(asked)} by pySHACL"]
    lines += [
        f"{rule_of(graph, node)}  {shown(node)}: {reason}" for node, reason in sorted(asked.items(), key=str)
    ]
    return "\n".join(lines) + "\n"
