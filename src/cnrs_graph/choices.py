"""The values that a parameter of a saved query may have, where the published data limits them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyoxigraph as ox

from cnrs_graph.descriptions import Index, name_of, node_key
from cnrs_graph.queries import Parameter, SavedQuery, plain_value, term_of
from cnrs_graph.terms import Term, expand

_IN_SCHEME, _SUBCLASS = expand("skos:inScheme"), expand("rdfs:subClassOf")
_LONGEST_LIST = 10_000


@dataclass(frozen=True)
class Choice:
    """A value that a parameter may have: as a term of a query, and as a caller sends it."""

    term: str
    value: str


def choices(index: Index, parameter: Parameter) -> tuple[Choice, ...] | None:
    """The values that a parameter may have, in the order to show them; None when all of its kind will do.

    Graphs: the accepted statements, and for the things of a class the inferred ones too.
    """
    if parameter.allowed is None:
        return None
    source, terms = parameter.allowed.source, parameter.allowed.terms
    if source == "list":
        return tuple(Choice(term, plain_value(term)) for term in terms)
    if any(
        index.instance_count(kind) > len(index.instances.get(kind, ()))
        for kind in _classes(index, source, terms)
    ):
        # Of so large a class the store lists only some: any thing will do then.
        return None
    values = {_value(term) for term in _found(index, source, terms[0][1:-1]) if _fits(term, parameter.kind)}
    found = {term_of(parameter.kind, value): value for value in values}
    kept = [Choice(term, value) for term, value in found.items() if term is not None]
    return tuple(sorted(kept, key=lambda choice: (_label(index, choice.value).casefold(), choice.value)))


def limits(index: Index, saved: SavedQuery) -> Mapping[str, Mapping[str, str]]:
    """For each parameter of limited values the terms it may have, and how a person may write each."""
    found = {parameter.name: choices(index, parameter) for parameter in saved.parameters}
    return {
        name: {choice.term: shortest(choice.value, saved.prefixes, index.base) for choice in allowed}
        for name, allowed in found.items()
        if allowed is not None
    }


def shortest(value: str, prefixes: Mapping[str, str], base: str) -> str:
    """The shortest way to write an IRI as a value: with a prefix, or as a path below the base.

    >>> shortest("https://example.org/id/country/can", {"c": "https://example.org/id/country/"}, "https://a.org/")
    'c:can'
    >>> shortest("https://example.org/id/country/can", {}, "https://example.org/")
    'id/country/can'
    """
    for prefix, namespace in prefixes.items():
        if value.startswith(namespace) and re.fullmatch(r"[\w-]+", value[len(namespace) :]):
            return f"{prefix}:{value[len(namespace) :]}"
    below = value.removeprefix(base)
    return below if re.search(r"[/#]", below) and ":" not in below else value


def _found(index: Index, source: str, iri: str) -> Iterable[Term]:
    """The things of a class, concepts of a code list, values of a property, or what a shape allows."""
    if source == "class":
        return _things(index, iri)
    if source == "scheme":
        return [q.subject for q in index.incoming.get(iri, ()) if q.predicate.value == _IN_SCHEME]
    if source == "property":
        return index.objects_of(iri)
    listed = [member for head in index.values(iri, expand("sh:in")) for member in _members(index, head)]
    classes = index.values(iri, expand("sh:class"))
    return listed or [thing for kind in classes for thing in _things(index, node_key(kind))]


def _classes(index: Index, source: str, terms: Sequence[str]) -> list[str]:
    """The classes whose things are the allowed values."""
    iri = terms[0][1:-1]
    heads = [iri] if source == "class" else []
    if source == "shape":
        heads = [node_key(kind) for kind in index.values(iri, expand("sh:class"))]
    return [kind for head in heads for kind in _below(index, head)]


def _things(index: Index, kind: str) -> list[Term]:
    """The things of a class and of the classes below it."""
    return [ox.NamedNode(thing) for each in _below(index, kind) for thing in index.instances.get(each, ())]


def _below(index: Index, kind: str) -> list[str]:
    """A class and the classes below it."""
    kinds = {kind: None}
    for known in kinds.copy():
        waiting = [known]
        while waiting:
            for quad in index.incoming.get(waiting.pop(), ()):
                below = node_key(quad.subject)
                if quad.predicate.value == _SUBCLASS and below not in kinds:
                    kinds[below] = None
                    waiting.append(below)
    return list(kinds)


def _members(index: Index, head: Term) -> Iterator[Term]:
    for _ in range(_LONGEST_LIST):
        first = index.values(node_key(head), expand("rdf:first"))
        rest = index.values(node_key(head), expand("rdf:rest"))
        yield from first
        if not first or not rest:
            return
        head = rest[0]


def _fits(term: Term, kind: str) -> bool:
    """Whether a term of the data is one that a parameter of this kind can be bound to."""
    if isinstance(term, ox.Literal):
        return term.datatype.value == expand(f"xsd:{kind}")
    return kind == "iri" and isinstance(term, ox.NamedNode)


def _value(term: Term) -> str:
    return term.value if isinstance(term, ox.NamedNode | ox.Literal) else ""


def _label(index: Index, value: str) -> str:
    return name_of(index, value, ("en",)).value if index.knows(value) else value
