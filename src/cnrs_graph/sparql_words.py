"""Words for what is wrong in a query: why reading stopped, and what would let it go on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import NamedTuple

#: Each bracket of the language, and the one that closes it.
BRACKETS = {"{": "}", "(": ")", "[": "]"}
_PLAIN = {
    "VAR": "a variable",
    "IRIREF": "an IRI",
    "PNAME_LN": "a prefixed name",
    "PNAME_NS": "a prefix",
    "STRING": "a string",
    "INTEGER": "a number",
    "LBRACE": "{",
    "RBRACE": "}",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "DOT": "a dot",
    "SEMICOLON": "a semicolon",
    "COMMA": "a comma",
    "STAR": "*",
    "EQUAL": "=",
    "BY": "BY",
    "AS": "AS",
    "WHERE": "WHERE",
    "FUNCTION_OF_ONE": "a function",
    "COMPARISON": "a comparison",
    "SELECT": "SELECT",
    "ASK": "ASK",
    "CONSTRUCT": "CONSTRUCT",
    "DESCRIBE": "DESCRIBE",
    "PREFIX": "PREFIX",
    "SEPARATOR": "SEPARATOR",
    "UNDEF": "UNDEF",
    "A": "a (for rdf:type)",
    "$END": "the end of the query",
}
_WORD = re.compile(r"\w+")
_KEYWORDS = _WORD.findall("""
    SELECT ASK CONSTRUCT DESCRIBE WHERE FILTER OPTIONAL UNION MINUS GRAPH BIND VALUES ORDER GROUP HAVING
    LIMIT OFFSET DISTINCT REDUCED PREFIX BASE FROM NAMED EXISTS NOT SERVICE AS BY ASC DESC COUNT SUM MIN
    MAX AVG SAMPLE GROUP_CONCAT SEPARATOR STR LANG LANGMATCHES DATATYPE BOUND IRI URI BNODE RAND ABS
    CEIL FLOOR ROUND CONCAT STRLEN UCASE LCASE ENCODE_FOR_URI CONTAINS STRSTARTS STRENDS STRBEFORE
    STRAFTER YEAR MONTH DAY HOURS MINUTES SECONDS TIMEZONE TZ NOW UUID STRUUID MD5 SHA1 SHA256 SHA384
    SHA512 COALESCE IF STRLANG STRDT SAMETERM ISIRI ISBLANK ISLITERAL ISNUMERIC REGEX SUBSTR REPLACE
    UNDEF SILENT TRUE FALSE
""")


class Opening(NamedTuple):
    """A bracket that is not closed yet, and its place."""

    mark: str
    line: int
    column: int


class Stop(NamedTuple):
    """Where reading could not go on: the text that is left, and what was known there.

    *expected* are the kinds of token that could have stood there; *last*, of the kind *last_kind*, is the
    token before it, both empty at the start.
    """

    rest: str
    expected: Collection[str]
    opening: Opening | None
    last_kind: str
    last: str


def reason_and_hint(stop: Stop) -> tuple[str, str]:
    """Say why reading stopped, and what would let it go on."""
    return _misplaced(stop) if stop.rest.strip() else _unfinished(stop)


def _unfinished(stop: Stop) -> tuple[str, str]:
    if stop.opening is not None:
        mark, line, column = stop.opening
        return (
            f"the query ends too early: the {mark} of line {line}, column {column} is not closed",
            f"add {BRACKETS[mark]}",
        )
    return "the query ends too early", _wanted(stop.expected)


def _misplaced(stop: Stop) -> tuple[str, str]:
    """Say what stands where it cannot, and what was probably meant."""
    rest = stop.rest
    if rest[0] in BRACKETS.values():
        return _wrong_closing(stop)
    if stop.last_kind in ("SELECT", "DISTINCT", "REDUCED") and re.match(r"where\b|\{", rest, re.IGNORECASE):
        return f"{stop.last} names no variable", "name at least one, as in SELECT ?name, or write *"
    return _unfinished_token(rest, stop.expected) or (
        f"{_shown(rest)} cannot stand here",
        _meant(rest, stop.expected, after_equals=stop.last == "="),
    )


def _unfinished_token(rest: str, expected: Collection[str]) -> tuple[str, str] | None:
    if rest[0] in "\"'":
        return "this string is not closed, or holds an escape that is none", _STRING_HINT
    if rest[0] == "<" and "IRIREF" in expected:
        return "this IRI is not closed, or holds what an IRI cannot hold", "write it as <https://…>"
    if rest[0] in "?$" and not re.match(r"[?$]\w", rest):
        return f"{rest[0]} begins a variable, but no name follows", "write for example ?name"
    if rest[0] == "\\":
        return "a backslash cannot stand here", "inside a string write \\\\ for a backslash"
    return None


def _meant(rest: str, expected: Collection[str], *, after_equals: bool) -> str:
    word = _WORD.match(rest)
    if rest.startswith("==") or (rest[0] == "=" and after_equals):
        return "SPARQL compares with one ="
    if word and word[0].lower() in ("and", "or") and {'"||"', '"&&"', "COMPARISON"} & set(expected):
        return f"write {'&&' if word[0].lower() == 'and' else '||'}"
    if word and not word[0][0].isdigit():
        return _word_hint(word[0], rest, expected)
    if "DOT" in expected and rest[0] in "?$<[(_:":
        return "end the triple before it with a dot"
    return _wanted(expected)


_STRING_HINT = 'close it with the quote it began with; inside write \\" \\\\ \\n, over several lines use """'


def _shown(rest: str) -> str:
    found = re.match(r"[?$:\w][\w:.\-]*|<[^\s>]*>|\S", rest)
    text = found[0].rstrip(".") if found else rest[:1]
    return f'"{text[:40] or rest[:1]}"'


def _wrong_closing(stop: Stop) -> tuple[str, str]:
    mark = stop.rest[0]
    if stop.opening is None:
        return f"{mark} closes nothing", "remove it, or look for a missing opening bracket before it"
    opening, line, column = stop.opening
    if BRACKETS[opening] != mark:
        return (
            f"{mark} comes before the {opening} of line {line}, column {column} is closed",
            f"add {BRACKETS[opening]} before it",
        )
    return f"{mark} comes too early", _wanted(stop.expected)


def _word_hint(word: str, rest: str, expected: Collection[str]) -> str:
    if ":" in rest[: len(word) + 1] and "DOT" in expected:
        return "end the triple before it with a dot"
    if word.upper() in _KEYWORDS:
        return _wanted(expected)
    functions = any(name.startswith("FUNCTION") for name in expected)
    fitting = [name for name in _KEYWORDS if name in expected or functions]
    near = difflib.get_close_matches(word.upper(), fitting, n=1, cutoff=0.7)
    if near:
        return f"did you mean {near[0]}?"
    if "VAR" in expected:
        return f"a variable begins with ?, so write ?{word}; a name has a prefix, as in skos:{word}"
    return _wanted(expected)


def _wanted(expected: Collection[str]) -> str:
    words = [words for name, words in _PLAIN.items() if name in expected]
    if not words:
        return "remove it, or look for what is missing before it"
    return "expected here: " + (
        " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
    )
