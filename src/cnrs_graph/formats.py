"""The formats we read, write and negotiate, in one table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cnrs_graph.errors import NotAcceptableError


@dataclass(frozen=True)
class Format:
    """A format by its registered media type; aliases are spellings that clients send and we tolerate."""

    name: str
    media_type: str
    extension: str
    aliases: tuple[str, ...] = ()
    keeps_graphs: bool = False

    @property
    def content_type(self) -> str:
        """The Content-Type we send: text types say their charset."""
        return f"{self.media_type}; charset=utf-8" if self.media_type.startswith("text/") else self.media_type

    @property
    def parameters(self) -> frozenset[tuple[str, str]]:
        """The parameters of the Content-Type we send."""
        return frozenset({("charset", "utf-8")} if self.media_type.startswith("text/") else ())


PAGE = Format("page", "text/html", "html", ("application/xhtml+xml",))
TEXT = Format("text", "text/plain", "txt")
JSON = Format("json", "application/json", "json")
#: What browsers ask for while one types into their own search field.
SUGGESTIONS = Format("suggestions", "application/x-suggestions+json", "json", ("application/json",))
OPENSEARCH = Format("opensearch", "application/opensearchdescription+xml", "xml", ("application/xml",))
PROBLEM = Format("problem", "application/problem+json", "json", ("application/json",))

TURTLE = Format("turtle", "text/turtle", "ttl", ("application/turtle", "application/x-turtle", "text/n3"))
NTRIPLES = Format("ntriples", "application/n-triples", "nt", ("text/plain",))
JSONLD = Format("jsonld", "application/ld+json", "jsonld", ("application/json",))
RDFXML = Format("rdfxml", "application/rdf+xml", "rdf", ("application/xml", "text/xml"))
TRIG = Format("trig", "application/trig", "trig", ("application/x-trig",), keeps_graphs=True)
NQUADS = Format("nquads", "application/n-quads", "nq", (), keeps_graphs=True)

JSON_RESULTS = Format("json", "application/sparql-results+json", "json", ("application/json",))
XML_RESULTS = Format("xml", "application/sparql-results+xml", "xml", ("application/xml", "text/xml"))
CSV = Format("csv", "text/csv", "csv")
TSV = Format("tsv", "text/tab-separated-values", "tsv")
#: CSV whose cells no spreadsheet runs. The type is that of CSV, so it is asked for by its address.
SAFE_CSV = Format("safe-csv", "text/csv", "safe.csv")
XLSX = Format("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx")
GEOJSON = Format("geojson", "application/geo+json", "geojson", ("application/vnd.geo+json",))

#: The first of each table is what a client gets that accepts anything.
GRAPH_FORMATS: tuple[Format, ...] = (TURTLE, NTRIPLES, JSONLD, RDFXML, TRIG, NQUADS)
RESULT_FORMATS: tuple[Format, ...] = (JSON_RESULTS, XML_RESULTS, CSV, TSV)
#: What rows are made into when they are whole, beside the formats of SPARQL; GeoJSON needs positions in them.
DOWNLOAD_FORMATS: tuple[Format, ...] = (SAFE_CSV, XLSX, GEOJSON)
ERROR_FORMATS: tuple[Format, ...] = (PROBLEM, TEXT, PAGE)

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\uffff])*"'
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*(?:({_WORD})=({_WORD}|{_QUOTED}))?")
_RANGE = re.compile(rf"({_WORD})/({_WORD})")
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


@dataclass(frozen=True)
class MediaRange:
    """One member of an Accept header: what it asks for, how precisely, and how much."""

    kind: str
    subtype: str
    parameters: tuple[tuple[str, str], ...]
    weight: float

    def precision(self, candidate: Format, media_type: str) -> int:
        """How precisely this range names a media type: 0 not at all, then */*, type/*, the type itself.

        With parameters that we serve it is more precise still; with others (a profile, another charset) it
        names the type loosely.
        """
        kind, _, subtype = media_type.partition("/")
        if (self.kind, self.subtype) == ("*", "*"):
            return _ANYTHING
        if self.kind != kind:
            return 0
        if self.subtype == "*":
            return _KIND
        if self.subtype != subtype:
            return 0
        known = set(self.parameters) <= candidate.parameters
        return _EXACT + len(self.parameters) if known else _LOOSE


_ANYTHING, _KIND, _LOOSE, _EXACT = 1, 2, 3, 4


def by_name(name: str, offered: Sequence[Format]) -> Format | None:
    """The offered format with this name, extension or media type, as people type it."""
    return next((each for each in offered if name in (each.name, each.extension, each.media_type)), None)


def read_weight(text: str) -> float | None:
    """The number in `q=0.5`; None for what is no weight.

    Source: RFC 9110, section 12.4.2.
    """
    name, equals, number = text.partition("=")
    return float(number) if equals and name.lower() == "q" and _WEIGHT.fullmatch(number) else None


@lru_cache(maxsize=1024)
def read_accept(accept: str) -> tuple[MediaRange, ...]:
    """Take an Accept header apart; a member that the grammar does not allow is passed over.

    Source: RFC 9110, sections 12.5.1 (Accept) and 12.4.2 (weights).
    """
    ranges = []
    for member in _members(accept):
        found = _read_range(member)
        if found is not None:
            ranges.append(found)
    return tuple(ranges)


def negotiate(accept: str | None, offered: Sequence[Format]) -> Format:
    """Choose the offered format that the Accept header likes best; among equals the first offered wins.

    A media range of higher precision overrides one of lower; weight 0 excludes. A registered media type is
    preferred to an alias of another format at the same weight.

    Raises: NotAcceptableError when nothing offered is acceptable.
    Source: RFC 9110, section 12.5.1.
    """
    ranges = read_accept(accept) if accept is not None and accept.strip() else ()
    if not ranges:
        if accept is not None and accept.strip(" \t,"):
            raise NotAcceptableError(accept, [each.media_type for each in offered])
        return offered[0]
    weights = [(_weight(each, ranges), -position, each) for position, each in enumerate(offered)]
    best, _, chosen = max(weights, key=lambda entry: (entry[0], entry[1]))
    if best == (0.0, 0):
        raise NotAcceptableError(accept or "", [each.media_type for each in offered])
    return chosen


def _weight(candidate: Format, ranges: Sequence[MediaRange]) -> tuple[float, int]:
    """The weight of a format and, to break ties, whether its own type rather than an alias was named.

    Who names the type loosely, or by an alias, asks for the format and rules nothing out.
    """
    own = [(each.precision(candidate, candidate.media_type), each.weight) for each in ranges]
    precision, weight = max(own, default=(0, 0.0))
    if precision >= _EXACT:
        return (weight, 2) if weight else (0.0, 0)
    names = (candidate.media_type, *candidate.aliases)
    asked = [each.weight for each in ranges for name in names if each.precision(candidate, name) >= _LOOSE]
    if any(asked):
        return max(asked), 1
    precision, weight = max((found for found in own if found[0] < _LOOSE), default=(0, 0.0))
    return (weight, 1) if precision and weight else (0.0, 0)


def _members(accept: str) -> list[str]:
    """Split a header at its commas, leaving those inside quoted strings alone."""
    members, start, quoted, escaped = [], 0, False, False
    for position, character in enumerate(accept):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            members.append(accept[start:position])
            start = position + 1
    members.append(accept[start:])
    return [member.strip(" \t") for member in members]


def _read_range(member: str) -> MediaRange | None:
    named = _RANGE.match(member)
    if named is None or (named[1] == "*" and named[2] != "*"):
        return None
    position, weight, parameters = named.end(), 1.0, []
    while position < len(member):
        parameter = _PARAMETER.match(member, position)
        if parameter is None:
            return None
        position = parameter.end()
        if parameter[1] is None:
            continue
        if parameter[1].lower() == "q":
            found = read_weight(f"q={parameter[2]}")
            if found is None:
                return None
            weight = found
        else:
            parameters.append(_parameter(parameter[1], parameter[2]))
    return MediaRange(named[1].lower(), named[2].lower(), tuple(parameters), weight)


def _parameter(name: str, value: str) -> tuple[str, str]:
    """A parameter as it is compared: without quotes, and a charset in small letters."""
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return name.lower(), value.lower() if name.lower() == "charset" else value
