"""A saved query: its text, front matter and safe values for its parameters."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyoxigraph as ox

from cnrs_graph.errors import ParameterError, Place, QueryError, SourceError, UnknownQueryError
from cnrs_graph.sparql import QueryFacts, inspect
from cnrs_graph.terms import PREFIXES, absolute_iri, expand

# --------------------------------------------------------------------------------------- saved queries


@dataclass(frozen=True)
class Allowed:
    """Where the values that a parameter may have are written down: a list, or something in the data.

    *source* is one of `SOURCES`; *terms* are the terms of a list, the class, the scheme, the property or the
    shape otherwise, written as in a query.
    """

    source: str
    terms: tuple[str, ...]


@dataclass(frozen=True)
class Parameter:
    """A value that a saved query asks for; *sample* is the term that stands in the file.

    *default* is that same value as a caller would send it, *term* as `SavedQuery.terms` writes it. Without
    *allowed*, every value of its kind will do.
    """

    name: str
    kind: str
    description: str
    sample: str
    default: str
    term: str
    allowed: Allowed | None = None


@dataclass(frozen=True)
class SavedQuery:
    """A query in a file: complete, with a sample value on the `VALUES` line of each parameter."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    text: str
    path: Path
    notes: Mapping[str, str] = field(default_factory=dict)

    def said(self, note: str, language: str) -> tuple[str, str]:
        """The summary or the question in a language, else in English, and the language it then is in."""
        tagged = self.notes.get(f"{note}-{language}")
        if tagged is not None:
            return tagged, language
        return (self.summary if note == "summary" else self.notes.get(note, "")), "en"

    def titled(self, language: str) -> tuple[str, str]:
        """What to call the query in a language: its summary there, else its question there, else English."""
        found = (self.said(note, language) for note in ("summary", "question"))
        return next((text for text in found if text[1] == language and text[0]), (self.summary, "en"))

    @property
    def facts(self) -> QueryFacts:
        """What the query asks for."""
        return inspect(self.text)

    def bind(
        self,
        values: Mapping[str, str],
        *,
        base: str | None = None,
        allowed: Mapping[str, Mapping[str, str]] | None = None,
    ) -> str:
        """Put values on the `VALUES` lines of the parameters; one without a value keeps its sample.

        Raises: ParameterError as `terms` does.
        """
        return _replace_values(self.text, self.terms(values, base=base, allowed=allowed))

    def terms(
        self,
        values: Mapping[str, str],
        *,
        base: str | None = None,
        allowed: Mapping[str, Mapping[str, str]] | None = None,
    ) -> dict[str, str]:
        """The terms, escaped, that values of parameters become.

        An IRI is written in full, with a prefix, or, where a *base* is given, as a path below it.
        *allowed* holds, for each parameter whose values are limited, the terms and what to call each;
        the lists of the file itself count without it.

        Raises: ParameterError if a parameter is unknown, or its value is not of its kind or not allowed.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        bound: dict[str, str] = {}
        for name, value in values.items():
            if name not in known:
                raise ParameterError(
                    self.name, name, f"this query has no such parameter; it has {_named(known)}"
                )
            limits = self._listed(known[name]) if allowed is None else allowed.get(name)
            choices = () if limits is None else tuple(limits.values())
            try:
                bound[name] = _term(known[name].kind, value, self.prefixes, base)
            except ValueError as error:
                raise ParameterError(self.name, name, str(error), choices) from None
            if limits is not None and bound[name] not in limits:
                raise ParameterError(self.name, name, f"{_cut(value)} is not allowed", choices)
        return bound

    @property
    def prefixes(self) -> Mapping[str, str]:
        """The prefixes that the query declares."""
        return dict(_PREFIX_LINE.findall(self.text))

    def _listed(self, parameter: Parameter) -> Mapping[str, str] | None:
        if parameter.allowed is None or parameter.allowed.source != "list":
            return None
        return {term: plain_value(term) for term in parameter.allowed.terms}


class Catalogue(Mapping[str, SavedQuery]):
    """The saved queries of a folder, its subfolders included, by name.

    Raises: SourceError at the first file that cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self._queries: dict[str, SavedQuery] = {}
        for path in sorted(directory.rglob("*.rq"), key=lambda path: path.stem):
            if path.stem in self._queries:
                raise SourceError(
                    Place(path), f"another query has this name: {self._queries[path.stem].path}"
                )
            self._queries[path.stem] = read_query(path)

    def __getitem__(self, name: str) -> SavedQuery:
        try:
            return self._queries[name]
        except KeyError:
            raise UnknownQueryError(name, self._queries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._queries

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


_NOTES = (
    *("summary", "summary-fr", "summary-es", "question", "question-fr", "question-es"),
    *("asked-by", "axiom", "source"),
)
_FRONT = re.compile(r"#\+\s*(?P<key>[^:]*?)\s*:\s*(?P<value>.*?)\s*")
_NAME = r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
_PARAM = re.compile(rf"param\s+{_NAME}\s+(?P<kind>\S+)")
_ALLOWED = re.compile(rf"allowed\s+{_NAME}")
#: What `#+ allowed name:` can start with, and what follows it.
SOURCES: Mapping[str, str] = {
    "list": "values, separated by blanks",
    "class": "a class, whose things are allowed",
    "scheme": "a code list, whose concepts are allowed",
    "property": "a property, whose values in the data are allowed",
    "shape": "a shape that says sh:in or sh:class",
}
_VALUES_LINE = re.compile(
    r"(?P<head>[ \t]*VALUES[ \t]+\?(?P<name>\w+)[ \t]*\{[ \t]*)(?P<term>\S.*?)(?P<tail>[ \t]*\}[ \t]*)"
)
_PREFIX_LINE = re.compile(r"^\s*PREFIX\s+([\w.\-]*):\s*<([^>]*)>", re.IGNORECASE | re.MULTILINE)


def read_query(path: Path) -> SavedQuery:
    """Read a saved query and its front matter, lines `#+ key: value` before the query.

    Raises: SourceError, with the line, if a key is unknown, the summary is missing, a parameter has not
    exactly one `VALUES` line with one sample value of its kind, or the query itself cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(Place(path), f"cannot be read: {error}") from error
    front = _front_matter(path, text)
    if not front.notes.get("summary"):
        raise SourceError(Place(path, 1), "the query has no summary; add a line “#+ summary: …”")
    parameters = tuple(_parameter(path, text, entry, front.allowed) for entry in front.parameters)
    for entry in front.allowed:
        if entry.name not in {parameter.name for parameter in parameters}:
            raise SourceError(
                Place(path, entry.line),
                f"there is no parameter {entry.name!r}; add “#+ param {entry.name} …”",
            )
    try:
        inspect(text)
    except QueryError as error:
        raise SourceError(Place(path, error.line, error.column), error.reason) from error
    rest = {key: value for key, value in front.notes.items() if key != "summary"}
    return SavedQuery(path.stem, front.notes["summary"], parameters, text, path, rest)


class _Declared(NamedTuple):
    """A line about a parameter: its kind and description, or the source of its values and which they are."""

    line: int
    name: str
    kind: str
    text: str


class _Front(NamedTuple):
    notes: dict[str, str]
    parameters: list[_Declared]
    allowed: list[_Declared]


def _front_matter(path: Path, text: str) -> _Front:
    front = _Front({}, [], [])
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("#+"):
            continue
        entry = _FRONT.fullmatch(line)
        try:
            if entry is None:
                raise ValueError("front matter is written “#+ key: value”")  # noqa: TRY301 - it gets its place below
            _read_line(front, number, entry["key"], entry["value"])
        except ValueError as error:
            raise SourceError(Place(path, number), str(error)) from None
    return front


def _read_line(front: _Front, line: int, key: str, value: str) -> None:
    """Add one line of front matter.

    Raises: ValueError saying what is wrong with it.
    """
    parameter, allowed = _PARAM.fullmatch(key), _ALLOWED.fullmatch(key)
    if parameter is not None:
        if parameter["kind"] not in _SAMPLES:
            raise ValueError(f"unknown kind {parameter['kind']!r}; known are {', '.join(_SAMPLES)}")
        front.parameters.append(_Declared(line, parameter["name"], parameter["kind"], value))
    elif allowed is not None:
        source, _, rest = value.partition(" ")
        if source not in SOURCES or not rest.strip():
            known = ", ".join(f"“{each} …”" for each in SOURCES)
            raise ValueError(f"what is allowed is written {known}")
        if any(other.name == allowed["name"] for other in front.allowed):
            raise ValueError(f"the key {key!r} is given twice")
        front.allowed.append(_Declared(line, allowed["name"], source, rest.strip()))
    else:
        _note(front.notes, key, value)


def _note(notes: dict[str, str], key: str, value: str) -> None:
    if key not in _NOTES:
        near = difflib.get_close_matches(key, _NOTES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_NOTES)}, param, allowed"
        raise ValueError(f"unknown key {key!r}; {hint}")
    if key in notes:
        raise ValueError(f"the key {key!r} is given twice")
    if not value:
        raise ValueError(f"the key {key!r} has no value")
    notes[key] = value


def _parameter(path: Path, text: str, declared: _Declared, limits: Sequence[_Declared]) -> Parameter:
    line, name, kind, description = declared
    samples = [
        entry for entry in map(_VALUES_LINE.fullmatch, text.split("\n")) if entry and entry["name"] == name
    ]
    if len(samples) != 1:
        count = "no line" if not samples else f"{len(samples)} lines"
        raise SourceError(
            Place(path, line),
            f"the parameter {name!r} has {count} “VALUES ?{name} {{ … }}”; exactly one is needed",
        )
    if not description:
        raise SourceError(Place(path, line), f"the parameter {name!r} has no description")
    sample = samples[0]["term"]
    prefixes = dict(_PREFIX_LINE.findall(text))
    wrong = SourceError(Place(path, line), f"the sample of {name!r}, {sample}, is not one {kind}")
    if not re.fullmatch(_SAMPLES[kind], sample):
        raise wrong
    try:
        default = _sent(kind, sample, prefixes)
        term = _term(kind, default, prefixes)
    except ValueError:
        raise wrong from None
    allowed = next((_allowed(path, each, kind, prefixes) for each in limits if each.name == name), None)
    if allowed is not None and allowed.source == "list" and term not in allowed.terms:
        raise SourceError(
            Place(path, line), f"the sample of {name!r}, {sample}, is not among the allowed values"
        )
    return Parameter(name, kind, description, sample, default, term, allowed)


def _allowed(path: Path, declared: _Declared, kind: str, prefixes: Mapping[str, str]) -> Allowed:
    """Read what is allowed.

    Raises: SourceError with the line.
    """
    listed = declared.kind == "list"
    written = re.findall(rf"{_QUOTED}|\S+", declared.text) if listed else [declared.text]
    try:
        terms = [
            _term(kind, _sent(kind, each, prefixes), prefixes) if listed else _iri(each, prefixes)
            for each in written
        ]
    except ValueError as error:
        raise SourceError(Place(path, declared.line), str(error)) from None
    return Allowed(declared.kind, tuple(dict.fromkeys(terms)))


def _sent(kind: str, written: str, prefixes: Mapping[str, str]) -> str:
    """The value that a caller would send for a term as it is written in a file.

    Raises: ValueError for an IRI with an unknown prefix.
    """
    if kind == "iri":
        return _iri(written, prefixes)[1:-1]
    return plain_value(written) if written.startswith('"') else written


def _replace_values(text: str, bound: Mapping[str, str]) -> str:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        entry = _VALUES_LINE.fullmatch(line)
        if entry is not None and entry["name"] in bound:
            lines[number] = f"{entry['head']}{bound[entry['name']]}{entry['tail']}"
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------- values

_XSD = PREFIXES["xsd"]
_QUOTED_LENGTH = 200
_QUOTED = r'"(?:[^"\\\n\r]|\\.)*"'
_SAMPLES: Mapping[str, str] = {
    "iri": r"<[^<>\s]+>|[\w.\-]*:[\w.\-]+",
    "string": _QUOTED,
    "integer": r"[+-]?\d+",
    "date": _QUOTED + r"\^\^xsd:date",
    "gYear": _QUOTED + r"\^\^xsd:gYear",
}


def term_of(kind: str, value: str) -> str | None:
    """Write a value from the data as a term of a kind; None when it is not of that kind.

    >>> term_of("gYear", "1999")
    '"1999"^^<http://www.w3.org/2001/XMLSchema#gYear>'
    """
    try:
        return _term(kind, value, {})
    except ValueError:
        return None


def plain_value(term: str) -> str:
    r"""The value of a term as a caller sends it: an IRI without its brackets, the text of a literal.

    >>> plain_value('"a \\"name\\""')
    'a "name"'
    """
    if term.startswith("<"):
        return term[1:-1]
    if not term.startswith('"'):
        return term
    # What comes after the quoted text is the datatype, which the kind of the parameter says already.
    quoted = re.match(_QUOTED, term)
    [triple] = ox.parse(f"<x:s> <x:p> {quoted[0] if quoted else term} .", format=ox.RdfFormat.N_TRIPLES)
    return str(triple.object.value)


def _term(kind: str, value: str, prefixes: Mapping[str, str], base: str | None = None) -> str:
    """Write a value as a term of its kind.

    Raises: ValueError saying what is allowed.
    """
    return _iri(value, prefixes, base) if kind == "iri" else _LITERALS[kind](value)


def _iri(value: str, prefixes: Mapping[str, str], base: str | None = None) -> str:
    try:
        iri = _whole_iri(value, prefixes, base)
    except ValueError:
        known = ", ".join(f"{name}:" for name in prefixes)
        how = f"write it in full, as in https://…, or with one of the prefixes {known}"
        raise ValueError(f"{_cut(value)} is not an IRI; {how}") from None
    if re.search(r"[<>\"{}|^`\\\x00-\x20]", iri):
        raise ValueError(f"{_cut(value)} holds a character that an IRI cannot hold")
    return f"<{iri}>"


def _whole_iri(value: str, prefixes: Mapping[str, str], base: str | None) -> str:
    prefix, colon, local = value.partition(":")
    if base is not None and not colon and re.search(r"[/#]", value):
        return absolute_iri(f"{base}{value.removeprefix('/')}")
    if colon and prefix in prefixes and not local.startswith("//"):
        return absolute_iri(prefixes[prefix] + local)
    return expand(value)


def _cut(value: str) -> str:
    """A value as a message quotes it, without the end of an absurdly long one."""
    return repr(value if len(value) <= _QUOTED_LENGTH else f"{value[:_QUOTED_LENGTH]}…")


def _named(known: Iterable[str]) -> str:
    return ", ".join(sorted(known)) or "none"


def _string(value: str) -> str:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise ValueError("the text holds half a character (a lone surrogate)")
    return f'"{_escaped(value)}"'


def _escaped(value: str) -> str:
    r"""Escape a string for a query, so that every reader gets the same characters back.

    A backslash before a u is the trap: readers that expand \uXXXX first would see an escape in \\u0022. There
    the u itself is written as an escape.
    """
    plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    plain = plain.replace("\t", "\\t")
    return re.sub(r"(?<=\\)[uU]", lambda match: f"\\u{ord(match[0]):04X}", plain)


def _integer(value: str) -> str:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        raise ValueError(f"{_cut(value)} is not a whole number; write for example 12")
    return str(int(value))


def _date(value: str) -> str:
    wrong = f"{_cut(value)} is not a date; write for example 1999-12-31"
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError(wrong)
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        raise ValueError(wrong) from None
    return f'"{value}"^^<{_XSD}date>'


def _year(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}", value):
        raise ValueError(f"{_cut(value)} is not a year; write for example 1999")
    return f'"{value}"^^<{_XSD}gYear>'


_LITERALS: Mapping[str, Callable[[str], str]] = {
    "string": _string,
    "integer": _integer,
    "date": _date,
    "gYear": _year,
}
