"""The data as the checks ask for it: numbered terms, and by property what leads to what."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from typing import TypeAlias

import pyoxigraph as ox

from cnrs_graph.terms import PREFIXES, Term

#: From a node to the nodes it leads to, by number.
Steps: TypeAlias = dict[int, Collection[int]]

TYPE = f"{PREFIXES['rdf']}type"
SUBCLASS = f"{PREFIXES['rdfs']}subClassOf"


class Statements:
    """Terms by number, and the statements of those properties that somebody has asked for.

    Ask first (`forward`, `backward`, `about`), then `fill`: what was given out is filled in place, so that
    the data is read once and nothing is kept that no check looks at. Terms are numbered as written: two
    spellings of one value are two terms.
    """

    def __init__(self) -> None:
        self.terms: list[Term] = []
        self._numbers: dict[Term, int] = {}
        self._forward: dict[str, Steps] = {}
        self._backward: dict[str, Steps] = {}
        self._about: dict[int, list[tuple[int, int]]] | None = None

    def number(self, term: Term) -> int:
        """The number of a term, a new one for a new term."""
        found = self._numbers.get(term)
        if found is None:
            found = self._numbers[term] = len(self.terms)
            self.terms.append(term)
        return found

    def forward(self, predicate: str) -> Steps:
        """From subjects to values of a property."""
        return self._forward.setdefault(predicate, {})

    def backward(self, predicate: str) -> Steps:
        """From values of a property to subjects."""
        return self._backward.setdefault(predicate, {})

    def about(self) -> dict[int, list[tuple[int, int]]]:
        """All properties and values of each subject; a statement of several graphs stands there for each."""
        if self._about is None:
            self._about = {}
        return self._about

    def fill(self, quads: Iterable[ox.Quad]) -> None:
        """Read the statements of all graphs."""
        wanted = {
            ox.NamedNode(name): (self._forward.get(name), self._backward.get(name))
            for name in {*self._forward, *self._backward}
        }
        number, about = self.number, self._about
        for quad in quads:
            predicate = quad.predicate
            steps = wanted.get(predicate)
            if steps is None and about is None:
                continue
            subject, value = number(quad.subject), number(quad.object)
            if steps is not None:
                forward, backward = steps
                if forward is not None:
                    _lead(forward, subject, value)
                if backward is not None:
                    _lead(backward, value, subject)
            if about is not None:
                about.setdefault(subject, []).append((number(predicate), value))

    def instances(self, kind: str) -> set[int]:
        """The nodes that are of a class, or of a class below it; ask for `classes` before filling."""
        known = self._instances.get(kind)
        if known is None:
            known = self._instances[kind] = set()
            for each in reach(self.backward(SUBCLASS), self.number(ox.NamedNode(kind))):
                known.update(self.backward(TYPE).get(each, ()))
        return known

    def classes(self) -> None:
        """Ask for what `instances` needs."""
        self.backward(TYPE)
        self.backward(SUBCLASS)

    @cached_property
    def _instances(self) -> dict[str, set[int]]:
        return {}


def reach(steps: Steps, start: int) -> set[int]:
    """A node, and all that the steps lead to from it."""
    found, waiting = {start}, [start]
    while waiting:
        for each in steps.get(waiting.pop(), ()):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found


def _lead(steps: Steps, start: int, end: int) -> None:
    """Add a step. Most nodes lead to one: a tuple is a quarter of a set."""
    known = steps.get(start)
    if known is None:
        steps[start] = (end,)
    elif isinstance(known, set):
        known.add(end)
    elif end not in known:
        steps[start] = {*known, end}
