"""Which of our things a record elsewhere speaks of: candidates with their scores and what speaks for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyoxigraph as ox

from cnrs_graph.descriptions import Index, node_key
from cnrs_graph.search import SearchIndex, folded, likeness
from cnrs_graph.terms import Term

#: A candidate is taken for the thing itself from this score on, if the next one is so far behind.
MATCH_AT = 95.0
_AHEAD_BY = 5.0
#: What a class that was asked for and is not there costs, and how much properties weigh beside the name.
_WRONG_CLASS = 30.0
_PROPERTIES_WEIGH = 0.4
#: Candidates looked at for each that is wanted: properties may lift one that its name puts further down.
_MORE = 10
#: Things that may be what a text among the properties means.
_VALUES = 3
#: Below this a candidate is noise.
_LEAST = 40.0


@dataclass(frozen=True)
class Wanted:
    """A property and the values that a record has for it: texts, numbers, yes or no, things."""

    property: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class IriOf:
    """A value that is a thing."""

    iri: str


@dataclass(frozen=True)
class Question:
    """What a record says: a name, classes, properties.

    *strict* is "any" when a candidate must have one of the classes, "all" when it must have each, "should"
    when one without them only counts less.
    """

    name: str = ""
    kinds: tuple[str, ...] = ()
    strict: str = "any"
    wanted: tuple[Wanted, ...] = ()
    limit: int = 5


@dataclass(frozen=True)
class Candidate:
    """A thing that may be meant; *by_property* says, from 0 to 1, how well each property fits."""

    iri: str
    score: float
    name_score: float | None
    has_kind: bool | None
    by_property: tuple[tuple[str, float], ...] = ()
    match: bool = False


def candidates(search: SearchIndex, index: Index, question: Question) -> tuple[Candidate, ...]:
    """The things that may be meant, the likeliest first.

    One matches only when its score is high and no other comes near.
    """
    found = dict(_retrieved(search, index, question))
    index.ahead(found)
    judged = [_judged(search, index, question, iri, score) for iri, score in found.items()]
    ranked = sorted(
        (each for each in judged if each is not None and each.score >= _LEAST),
        key=lambda each: (-each.score, len(each.iri), each.iri),
    )
    if ranked and _is_clear(ranked):
        ranked[0] = replace(ranked[0], match=True)
    return tuple(ranked[: question.limit])


def values_of(index: Index, iri: str, predicate: str) -> list[Term]:
    """The accepted and derived values of a property, each once."""
    quads = (*index.accepted.get(iri, ()), *index.inferred.get(iri, ()))
    return list(dict.fromkeys(quad.object for quad in quads if quad.predicate.value == predicate))


def _retrieved(search: SearchIndex, index: Index, question: Question) -> Iterator[tuple[str, float | None]]:
    hard = question.kinds if question.strict != "should" else ()
    most = question.limit * _MORE if question.wanted or question.kinds else question.limit + 1
    if question.name:
        for hit in search.candidates(question.name, kinds=hard, limit=most):
            yield hit.iri, hit.score
        return
    for wanted in question.wanted:
        for value in wanted.values:
            if isinstance(value, IriOf):
                yield from ((iri, None) for iri in _pointing(index, value.iri, wanted.property))
                continue
            # A text may be what the thing itself is called, or what its value is called.
            yield from ((hit.iri, None) for hit in search.candidates(str(value), kinds=hard, limit=most))
            for hit in search.candidates(str(value), limit=_VALUES):
                yield from ((iri, None) for iri in _pointing(index, hit.iri, wanted.property))


def _pointing(index: Index, iri: str, predicate: str) -> Iterator[str]:
    """The named things that point at a node with a property, by what was said or what follows."""
    for quad in index.incoming.get(iri, ()):
        key = node_key(quad.subject)
        if quad.predicate.value == predicate and key in index.names:
            yield key


def _judged(
    search: SearchIndex, index: Index, question: Question, iri: str, name_score: float | None
) -> Candidate | None:
    kinds = set(search.kinds_of(iri))
    has_kind = None if not question.kinds else _has_kind(kinds, question)
    if has_kind is False and question.strict != "should":
        return None
    fits = tuple(
        (each.property, _fit(index, values_of(index, iri, each.property), each.values))
        for each in question.wanted
    )
    together = sum(fit for _, fit in fits) / len(fits) if fits else None
    score = _together(name_score, together) - (_WRONG_CLASS if has_kind is False else 0.0)
    return Candidate(iri, round(max(0.0, score), 1), name_score, has_kind, fits)


def _has_kind(kinds: set[str], question: Question) -> bool:
    return set(question.kinds) <= kinds if question.strict == "all" else bool(kinds & set(question.kinds))


def _together(name_score: float | None, fit: float | None) -> float:
    if name_score is None:
        return 100 * (fit or 0.0)
    if fit is None:
        return name_score
    return (1 - _PROPERTIES_WEIGH) * name_score + _PROPERTIES_WEIGH * 100 * fit


def _fit(index: Index, has: Sequence[Term], wanted: Iterable[Any]) -> float:
    """How well the values of a thing fit the best of those wanted, from 0 to 1."""
    return max((_alike(index, term, value) for term in has for value in wanted), default=0.0)


def _alike(index: Index, term: Term, value: Any) -> float:
    if isinstance(value, IriOf):
        return float(node_key(term) == value.iri)
    if isinstance(term, ox.Literal):
        if isinstance(value, bool):
            return float(term.value in (("true", "1") if value else ("false", "0")))
        if isinstance(value, int | float):
            return float(_number(term.value) == value)
        return _texts_alike(str(value), [term.value])
    called = [name.value for name in index.names.get(node_key(term), ())]
    return _texts_alike(str(value), [*called, node_key(term), node_key(term).rstrip("/").rpartition("/")[2]])


def _texts_alike(value: str, texts: Iterable[str]) -> float:
    """Whether a text is one of these; one that is merely like them counts less than its likeness."""
    asked = folded(value)
    best = max((likeness(asked, folded(text)) for text in texts), default=0.0) / 100
    return best if best > 0.99 else best**2 if best > 0.6 else 0.0


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_clear(ranked: Sequence[Candidate]) -> bool:
    first = ranked[0]
    apart = len(ranked) == 1 or first.score - ranked[1].score >= _AHEAD_BY
    return first.score >= MATCH_AT and apart and first.has_kind is not False
