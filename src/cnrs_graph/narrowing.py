"""Long lists made short: pages of them, and what they can be narrowed down by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pyoxigraph as ox

from cnrs_graph.descriptions import Index, node_key
from cnrs_graph.errors import RequestError
from cnrs_graph.terms import Term, local_name

_MOST_PAGES = 100_000


@dataclass(frozen=True)
class Choice:
    """One way to narrow a list down, with what it leaves, and a link."""

    text: str
    href: str
    count: str
    language: str | None = None
    chosen: bool = False


@dataclass(frozen=True)
class Paging:
    """Which page of how many this is, with links to those beside it."""

    number: int
    count: int
    before: str = ""
    after: str = ""


def page_number(text: str) -> int:
    """The number of a page as it stands in an address; the first where none does.

    >>> page_number(""), page_number("3")
    (1, 3)

    Raises: RequestError.
    """
    if not text:
        return 1
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and 1 <= int(text) <= _MOST_PAGES):
        raise RequestError(f"page={text[:20]}: write a whole number from 1")
    return int(text)


def paging(total: int, per_page: int, number: int, address: Callable[[int], str]) -> Paging:
    """The pages of a list; one past the last is empty and leads back."""
    count = max(1, -(-total // per_page))
    return Paging(
        number,
        count,
        address(min(number - 1, count)) if number > 1 else "",
        address(number + 1) if number < count else "",
    )


@dataclass(frozen=True)
class Narrowing:
    """A class and what its list is narrowed down to: a value for some of the properties, by its key."""

    kind: str
    properties: tuple[str, ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)
    number: int = 1

    def address(self, path: str, base: str, **changes: str | int) -> str:
        """The address of the same list with some of it changed; an empty value takes a property out."""
        by_name = {local_name(predicate): value for predicate, value in self.chosen.items()}
        values = {**by_name, "page": self.number, **changes}
        kept = {
            name: str(value).removeprefix(base)
            for name, value in values.items()
            if value and (name, value) != ("page", 1)
        }
        return f"{path}?{urlencode(kept, safe='/')}" if kept else path


@dataclass(frozen=True)
class Facet:
    """The values of a property among the things of a list, the commonest first, with how many have each."""

    property: str
    values: tuple[tuple[Term, int], ...]
    chosen: str = ""


def read_narrowing(kind: str, properties: Sequence[str], values: Mapping[str, str], base: str) -> Narrowing:
    """What the parameters of an address narrow a list down to; others are passed over.

    A value is an IRI, a path below the base, or a text.

    Raises: RequestError for a page that is no number.
    """
    by_property = {predicate: values.get(local_name(predicate), "") for predicate in properties}
    chosen = {predicate: value.removeprefix(base) for predicate, value in by_property.items() if value}
    return Narrowing(kind, tuple(properties), chosen, page_number(values.get("page", "")))


def narrowed(index: Index, narrowing: Narrowing) -> tuple[tuple[str, ...], tuple[Facet, ...]]:
    """The things that are left, and what they can be narrowed down by further.

    The values of a property are counted among the things that the other properties leave. Of a class that the
    store lists only in part nothing is counted.
    Graphs: accepted and inferred.
    """
    things = index.instances.get(narrowing.kind, ())
    if not narrowing.properties or index.instance_count(narrowing.kind) > len(things):
        return things, ()
    index.ahead(things)
    has = {
        predicate: {thing: _values(index, thing, predicate) for thing in things}
        for predicate in narrowing.properties
    }
    wanted = {predicate: {key, f"{index.base}{key}"} for predicate, key in narrowing.chosen.items()}

    def fits(thing: str, without: str = "") -> bool:
        return all(
            any(key_of(value) in keys for value in has[predicate][thing])
            for predicate, keys in wanted.items()
            if predicate != without
        )

    facets = []
    for predicate in narrowing.properties:
        counted = Counter(
            value for thing in things if fits(thing, predicate) for value in has[predicate][thing]
        )
        ranked = sorted(counted.items(), key=lambda entry: (-entry[1], key_of(entry[0])))
        facets.append(Facet(predicate, tuple(ranked), narrowing.chosen.get(predicate, "")))
    return tuple(thing for thing in things if fits(thing)), tuple(facets)


def key_of(term: Term) -> str:
    """A value as it stands in an address: the IRI, or the text of a literal."""
    return term.value if isinstance(term, ox.Literal) else node_key(term)


def _values(index: Index, thing: str, predicate: str) -> tuple[Term, ...]:
    quads = (*index.accepted.get(thing, ()), *index.inferred.get(thing, ()))
    return tuple(dict.fromkeys(quad.object for quad in quads if quad.predicate.value == predicate))
