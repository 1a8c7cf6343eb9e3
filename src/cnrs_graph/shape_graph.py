"""A graph of shapes in memory: asked as rdflib's graphs are, without the time it takes to import rdflib."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import pyoxigraph as ox

_XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


class Iri(str):
    """An IRI; its text is the IRI itself."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Iri and str.__eq__(self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class Blank(str):
    """A blank node; its text is its label."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Blank and str.__eq__(self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class Text(str):
    """A literal; its text is what was written. A plain text has neither language nor datatype."""

    __slots__ = ("datatype", "language")
    datatype: Iri | None
    language: str | None

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is Text
            and str.__eq__(self, other)
            and (self.language, self.datatype) == (other.language, other.datatype)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((str.__hash__(self), self.language, self.datatype))


Node: TypeAlias = Iri | Blank | Text
Triple: TypeAlias = tuple[Any, Any, Any]

#: One object for one IRI, so that most comparisons end at `is`.
iri = lru_cache(maxsize=None)(Iri)


def text(value: str, *, language: str | None = None, datatype: str | None = None) -> Text:
    """A literal as it was written."""
    literal = Text(value)
    literal.language = language or None
    literal.datatype = iri(datatype) if datatype and datatype != _XSD_STRING and not language else None
    return literal


def node_of(term: ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple) -> Node:
    """Carry a term of a parser over to a graph of shapes, its lexical form untouched.

    Raises: TypeError for a triple term.
    """
    if isinstance(term, ox.NamedNode):
        return iri(term.value)
    if isinstance(term, ox.BlankNode):
        return Blank(term.value)
    if isinstance(term, ox.Literal):
        return text(term.value, language=term.language, datatype=term.datatype.value)
    raise TypeError(f"{term} cannot stand in a graph of shapes")


def term_of(node: Node) -> ox.NamedNode | ox.BlankNode | ox.Literal:
    """The inverse of `node_of`."""
    if isinstance(node, Iri):
        return ox.NamedNode(node)
    if isinstance(node, Blank):
        return ox.BlankNode(node)
    if node.language:
        return ox.Literal(str(node), language=node.language)
    return ox.Literal(str(node), datatype=ox.NamedNode(node.datatype) if node.datatype else None)


class ShapeGraph:
    """Triples in three indexes; None stands for any node, as in rdflib."""

    def __init__(self, triples: Iterable[Triple] = ()) -> None:
        self._by_subject: dict[Any, dict[Any, dict[Any, None]]] = {}
        self._by_predicate: dict[Any, dict[Any, dict[Any, None]]] = {}
        self._by_object: dict[Any, dict[Any, dict[Any, None]]] = {}
        self._size = 0
        for triple in triples:
            self.add(triple)

    @classmethod
    def of(cls, quads: Iterable[ox.Quad]) -> ShapeGraph:
        """The statements of all graphs as one, each once."""
        return cls((node_of(q.subject), node_of(q.predicate), node_of(q.object)) for q in quads)

    def add(self, triple: Triple) -> None:
        """Put a triple in, unless it is there."""
        subject, predicate, value = triple
        values = self._by_subject.setdefault(subject, {}).setdefault(predicate, {})
        if value not in values:
            values[value] = None
            self._by_predicate.setdefault(predicate, {}).setdefault(value, {})[subject] = None
            self._by_object.setdefault(value, {}).setdefault(subject, {})[predicate] = None
            self._size += 1

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Triple]:
        return self.triples((None, None, None))

    def __contains__(self, pattern: Triple) -> bool:
        subject, predicate, value = pattern
        if subject is not None and predicate is not None:
            values = self._by_subject.get(subject, {}).get(predicate, ())
            return bool(values) if value is None else value in values
        return next(self.triples(pattern), None) is not None

    def triples(self, pattern: Triple) -> Iterator[Triple]:
        """The triples that fit a pattern."""
        subject, predicate, value = pattern
        if subject is not None:
            found = self._of_subject(subject, predicate)
        elif predicate is not None:
            users = self._by_predicate.get(predicate, {})
            named = tuple(users) if value is None else (value,)
            found = ((each, predicate, other) for other in named for each in tuple(users.get(other, ())))
        elif value is not None:
            pointing = self._by_object.get(value, {})
            found = ((each, name, value) for each, names in pointing.items() for name in names)
        else:
            found = (triple for each in tuple(self._by_subject) for triple in self._of_subject(each, None))
        return found if value is None else (triple for triple in found if triple[2] == value)

    def _of_subject(self, subject: Any, predicate: Any) -> Iterator[Triple]:
        said = self._by_subject.get(subject, {})
        named = tuple(said) if predicate is None else (predicate,)
        return ((subject, name, value) for name in named for value in tuple(said.get(name, ())))

    def objects(self, subject: Any = None, predicate: Any = None) -> Iterator[Any]:
        """What a subject has under a predicate."""
        if subject is not None and predicate is not None:
            return iter(tuple(self._by_subject.get(subject, {}).get(predicate, ())))
        return (value for _, _, value in self.triples((subject, predicate, None)))

    def subjects(self, predicate: Any = None, value: Any = None) -> Iterator[Any]:
        """What has a value under a predicate."""
        return (subject for subject, _, _ in self.triples((None, predicate, value)))

    def predicates(self, subject: Any = None, value: Any = None) -> Iterator[Any]:
        """What a subject is connected to a value by."""
        return (predicate for _, predicate, _ in self.triples((subject, None, value)))

    def predicate_objects(self, subject: Any) -> Iterator[tuple[Any, Any]]:
        """All that is said of a subject."""
        return ((predicate, value) for _, predicate, value in self.triples((subject, None, None)))

    def value(self, subject: Any, predicate: Any) -> Any:
        """One value of a property, the first that was said; None when there is none."""
        return next(self.objects(subject, predicate), None)

    def items(self, head: Any) -> Iterator[Any]:
        """The items of a list, up to where it ends or comes back to itself."""
        seen = set()
        while head is not None and head not in seen:
            seen.add(head)
            yield from tuple(self.objects(head, _FIRST))[:1]
            head = self.value(head, _REST)

    def transitive_objects(self, subject: Any, predicate: Any) -> Iterator[Any]:
        """A node, and all that it leads to over a property, nearest first."""
        waiting, seen = [subject], {subject}
        while waiting:
            current = waiting.pop(0)
            yield current
            new = [each for each in self.objects(current, predicate) if each not in seen]
            seen.update(new)
            waiting += new

    def transitive_subjects(self, predicate: Any, value: Any) -> Iterator[Any]:
        """A node, and all that lead to it over a property, nearest first."""
        waiting, seen = [value], {value}
        while waiting:
            current = waiting.pop(0)
            yield current
            new = [each for each in self.subjects(predicate, current) if each not in seen]
            seen.update(new)
            waiting += new


_FIRST, _REST = iri(f"{_RDF}first"), iri(f"{_RDF}rest")
