"""A saved query: its text, front matter and safe values for its parameters."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cnrs_graph.errors import ParameterError, Place, QueryError, SourceError, UnknownQueryError
from cnrs_graph.sparql import QueryFacts, inspect
from cnrs_graph.terms import PREFIXES, absolute_iri, expand

# --------------------------------------------------------------------------------------- saved queries


@dataclass(frozen=True)
class Parameter:
    """A value that a saved query asks for; *sample* is the term that stands in the file."""

    name: str
    kind: str
    description: str
    sample: str


@dataclass(frozen=True)
class SavedQuery:
    """A query in a file: complete, with a sample value on the `VALUES` line of each parameter."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    text: str
    path: Path
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> QueryFacts:
        """What the query asks for."""
        return inspect(self.text)

    def bind(self, values: Mapping[str, str]) -> str:
        """Put values on the `VALUES` lines of the parameters; one without a value keeps its sample.

        Raises: ParameterError if a parameter is unknown, or its value is not of its kind.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        bound: dict[str, str] = {}
        for name, value in values.items():
            if name not in known:
                allowed = ", ".join(sorted(known)) or "none"
                raise ParameterError(self.name, name, f"this query has no such parameter; it has {allowed}")
            try:
                bound[name] = _term(known[name].kind, value, self._prefixes)
            except ValueError as error:
                raise ParameterError(self.name, name, str(error)) from None
        return _replace_values(self.text, bound)

    @property
    def _prefixes(self) -> Mapping[str, str]:
        return dict(_PREFIX_LINE.findall(self.text))


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


_NOTES = ("summary", "summary-fr", "question", "question-fr", "asked-by", "axiom", "source")
_FRONT = re.compile(r"#\+\s*(?P<key>[^:]*?)\s*:\s*(?P<value>.*?)\s*")
_PARAM = re.compile(r"param\s+(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s+(?P<kind>\S+)")
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
    notes, declared = _front_matter(path, text)
    if not notes.get("summary"):
        raise SourceError(Place(path, 1), "the query has no summary; add a line “#+ summary: …”")
    parameters = tuple(_parameter(path, text, line, *facts) for line, facts in declared)
    try:
        inspect(text)
    except QueryError as error:
        raise SourceError(Place(path, error.line, error.column), error.reason) from error
    rest = {key: value for key, value in notes.items() if key != "summary"}
    return SavedQuery(path.stem, notes["summary"], parameters, text, path, rest)


def _front_matter(path: Path, text: str) -> tuple[dict[str, str], list[tuple[int, tuple[str, str, str]]]]:
    notes: dict[str, str] = {}
    declared: list[tuple[int, tuple[str, str, str]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("#+"):
            continue
        entry = _FRONT.fullmatch(line)
        if entry is None:
            raise SourceError(Place(path, number), "front matter is written “#+ key: value”")
        key, value = entry["key"], entry["value"]
        parameter = _PARAM.fullmatch(key)
        if parameter is not None:
            if parameter["kind"] not in _SAMPLES:
                known = ", ".join(_SAMPLES)
                raise SourceError(
                    Place(path, number), f"unknown kind {parameter['kind']!r}; known are {known}"
                )
            declared.append((number, (parameter["name"], parameter["kind"], value)))
        elif key not in _NOTES:
            near = difflib.get_close_matches(key, _NOTES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_NOTES)}, param"
            raise SourceError(Place(path, number), f"unknown key {key!r}; {hint}")
        elif key in notes:
            raise SourceError(Place(path, number), f"the key {key!r} is given twice")
        elif not value:
            raise SourceError(Place(path, number), f"the key {key!r} has no value")
        else:
            notes[key] = value
    return notes, declared


def _parameter(path: Path, text: str, line: int, name: str, kind: str, description: str) -> Parameter:
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
    if not re.fullmatch(_SAMPLES[kind], sample):
        raise SourceError(Place(path, line), f"the sample of {name!r}, {sample}, is not one {kind}")
    return Parameter(name, kind, description, sample)


def _replace_values(text: str, bound: Mapping[str, str]) -> str:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        entry = _VALUES_LINE.fullmatch(line)
        if entry is not None and entry["name"] in bound:
            lines[number] = f"{entry['head']}{bound[entry['name']]}{entry['tail']}"
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------- values

_XSD = PREFIXES["xsd"]
_QUOTED = r'"(?:[^"\\\n\r]|\\.)*"'
_SAMPLES: Mapping[str, str] = {
    "iri": r"<[^<>\s]+>|[\w.\-]*:[\w.\-]+",
    "string": _QUOTED,
    "integer": r"[+-]?\d+",
    "date": _QUOTED + r"\^\^xsd:date",
    "gYear": _QUOTED + r"\^\^xsd:gYear",
}


def _term(kind: str, value: str, prefixes: Mapping[str, str]) -> str:
    """Write a value as a term of its kind.

    Raises: ValueError saying what is allowed.
    """
    return _iri(value, prefixes) if kind == "iri" else _LITERALS[kind](value)


def _iri(value: str, prefixes: Mapping[str, str]) -> str:
    prefix, colon, local = value.partition(":")
    try:
        if colon and prefix in prefixes and not local.startswith("//"):
            iri = absolute_iri(prefixes[prefix] + local)
        else:
            iri = expand(value)
    except ValueError:
        known = ", ".join(f"{name}:" for name in prefixes)
        raise ValueError(
            f"{value!r} is not an IRI; write it in full, as in https://…, or with one of the prefixes {known}"
        ) from None
    if re.search(r"[<>\"{}|^`\\\x00-\x20]", iri):
        raise ValueError(f"{value!r} holds a character that an IRI cannot hold")
    return f"<{iri}>"


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
        raise ValueError(f"{value!r} is not a whole number; write for example 12")
    return value


def _date(value: str) -> str:
    wrong = f"{value!r} is not a date; write for example 1999-12-31"
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError(wrong)
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        raise ValueError(wrong) from None
    return f'"{value}"^^<{_XSD}date>'


def _year(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}", value):
        raise ValueError(f"{value!r} is not a year; write for example 1999")
    return f'"{value}"^^<{_XSD}gYear>'


_LITERALS: Mapping[str, Callable[[str], str]] = {
    "string": _string,
    "integer": _integer,
    "date": _date,
    "gYear": _year,
}
