"""What of a thing can be drawn: times as a line, places as a map, what it is linked with as a star."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyoxigraph as ox

from cnrs_graph.descriptions import PRIMARY_SOURCE, Description, Fact, Index, node_key
from cnrs_graph.drawings import (
    NEIGHBOURHOOD,
    Map,
    Span,
    TimeLine,
    around,
    spot_map,
    time_line,
)
from cnrs_graph.outlines import Position, outlines
from cnrs_graph.pages import Desk, Shown, natural
from cnrs_graph.terms import expand

#: What a property says, by the standard properties it is, is a kind of, or is matched with.
_START = tuple(expand(c) for c in ("schema:startDate", "schema:validFrom", "dcat:startDate"))
_END = tuple(expand(c) for c in ("schema:endDate", "schema:validThrough", "dcat:endDate"))
_YEARS = ("http://www.w3.org/2006/time#years",)
ROLE = (expand("org:role"),)
_ABOVE = tuple(
    expand(c)
    for c in (
        "rdfs:subPropertyOf",
        "owl:equivalentProperty",
        "skos:exactMatch",
        "skos:closeMatch",
        "skos:broadMatch",
    )
)
_LATITUDE, _LONGITUDE = expand("wgs84:lat"), expand("wgs84:long")
_DATE = re.compile(r"(-?\d{4,})(?:-(\d\d)(?:-(\d\d))?)?")
#: So many neighbours are drawn, and so many letters of the name of each.
_NEIGHBOURS = 10
#: More spans than this make no line that anybody reads; the table has them all.
_LANES = 12
_LETTERS = 26
_MONTH_DAYS = 30.44
_YEAR_DAYS = 365.25


@dataclass(frozen=True)
class Site:
    """A place on the map: its name, and where it is."""

    name: Shown
    latitude: str
    longitude: str


@dataclass(frozen=True)
class Sites:
    """Places as a list, and as a map where there are outlines of countries."""

    places: Sequence[Site]
    map: Map | None


@dataclass(frozen=True)
class Neighbour:
    """A thing that is linked with the one the page is about: where it is drawn, and how it is linked."""

    shown: Shown
    text: str
    how: str
    x: int
    y: int
    anchor: str


@dataclass(frozen=True)
class Neighbourhood:
    """What a thing is linked with, as a star."""

    width: int
    height: int
    links: Sequence[Neighbour]


def means(index: Index, predicate: str, standard: Iterable[str]) -> bool:
    """Whether a property is, is a kind of, or is matched with one of these standard ones."""
    wanted, seen, waiting = set(standard), set[str](), [predicate]
    while waiting:
        current = waiting.pop()
        if current in wanted:
            return True
        if current not in seen and len(seen) < 50:
            seen.add(current)
            waiting += [node_key(value) for curie in _ABOVE for value in index.values(current, curie)]
    return False


def times(desk: Desk, description: Description) -> TimeLine | None:
    """The parts that have a beginning or an end, else the thing itself, on one line."""
    owner = description.iri
    parts = sorted(description.parts, key=lambda part: natural(part.key))
    spans = [span for part in parts if (span := _span(desk, owner, part.facts)) is not None]
    own = _span(desk, owner, description.facts)
    found = spans or ([own] if own is not None else [])
    return time_line(found) if len(found) <= _LANES else None


def sites(desk: Desk, description: Description) -> Sites | None:
    """The positions of the thing, of its parts, and of what they are linked to."""
    linked = (node_key(fact.object) for fact in _outgoing(description) if fact.predicate != PRIMARY_SOURCE)
    keys = dict.fromkeys([description.iri, *linked])
    found: dict[str, tuple[Site, Position]] = {}
    for key in keys:
        latitude, longitude = (_decimal(desk.index, key, name) for name in (_LATITUDE, _LONGITUDE))
        if latitude and longitude:
            site = Site(desk.name(key), latitude, longitude)
            found[key] = (site, (float(longitude), float(latitude)))
    if not found:
        return None
    drawn = spot_map({key: position for key, (_, position) in found.items()}, outlines())
    return Sites([site for site, _ in found.values()], drawn)


def neighbourhood(desk: Desk, description: Description) -> Neighbourhood | None:
    """The first named things that it is linked with, in either direction; None for fewer than two."""
    found: dict[str, tuple[Shown, str]] = {}
    for key, predicate in _linked(desk.index, description):
        if key not in found and len(found) < _NEIGHBOURS:
            shown = desk.name(key)
            if shown.href and not shown.external:
                found[key] = shown, desk.property(predicate).text
    if len(found) < 2:
        return None
    width, height = NEIGHBOURHOOD
    links = [
        Neighbour(shown, _cut(shown.text), _cut(how), x, y, anchor)
        for (shown, how), (x, y, anchor) in zip(found.values(), around(len(found)), strict=True)
    ]
    return Neighbourhood(width, height, links)


def _outgoing(description: Description) -> list[Fact]:
    return [*description.facts, *(fact for part in description.parts for fact in part.facts)]


def _linked(index: Index, description: Description) -> Iterator[tuple[str, str]]:
    """Named things with the property that links them: what is said first, then derived, then incoming."""
    inside = {description.iri, *(part.key for part in description.parts)}
    facts = sorted(_outgoing(description), key=lambda fact: fact.derived)
    for fact in facts:
        key = node_key(fact.object)
        is_thing = key.startswith(f"{index.base}id/") and key not in inside and key in index.names
        if is_thing and fact.predicate != PRIMARY_SOURCE:
            yield key, fact.predicate
    for group in description.incoming:
        for key in group.things:
            if key in index.names and key.startswith(f"{index.base}id/"):
                yield key, group.predicate


def _span(desk: Desk, owner: str, facts: Sequence[Fact]) -> Span | None:
    """When something began and ended, as far as is said; what lasts so many years ends with them."""
    said: Mapping[str, list[str]] = {"start": [], "end": [], "years": []}
    for fact in facts:
        if isinstance(fact.object, ox.Literal) and not fact.derived:
            for name, standard in (("start", _START), ("end", _END), ("years", _YEARS)):
                if means(desk.index, fact.predicate, standard):
                    said[name].append(fact.object.value)
    starts = [year for text in said["start"] if (year := _year(text)) is not None]
    ends = [year for text in said["end"] if (year := _year(text, last=True)) is not None]
    if not starts and not ends:
        return None
    start, end = min(starts, default=None), max(ends, default=None)
    if start is not None and end is None and said["years"] and re.fullmatch(r"\d{1,3}", said["years"][0]):
        end = start + int(said["years"][0])
    return Span(_span_name(desk, owner, facts, said), start, end)


def _span_name(desk: Desk, owner: str, facts: Sequence[Fact], said: Mapping[str, list[str]]) -> str:
    """The dates as they are said, and the first thing that is named beside the owner."""
    dates = "–".join(("/".join(said["start"]) or "…", "/".join(said["end"]) or "…"))
    keys = (node_key(fact.object) for fact in facts if not fact.derived and fact.predicate != PRIMARY_SOURCE)
    beside = next((key for key in keys if key != owner and key.startswith(f"{desk.index.base}id/")), None)
    is_own = any(node_key(fact.subject) == owner for fact in facts)
    return dates if beside is None or is_own else f"{dates}  {desk.name(beside).text}"


def _year(text: str, *, last: bool = False) -> float | None:
    """A date as a year with what follows its comma; with *last* the moment it is over."""
    found = _DATE.match(text)
    if found is None:
        return None
    year, month, day = int(found[1]), found[2], found[3]
    if month is None:
        return float(year + (1 if last else 0))
    days = (int(month) - 1) * _MONTH_DAYS + (int(day) - 1 if day else 0)
    return year + (days + ((1 if day else _MONTH_DAYS) if last else 0)) / _YEAR_DAYS


def _decimal(index: Index, key: str, predicate: str) -> str:
    values = index.values(key, predicate)
    text = values[0].value if values and isinstance(values[0], ox.Literal) else ""
    return text if re.fullmatch(r"[+-]?\d{1,3}(\.\d+)?", text) else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1].rstrip()}…"
