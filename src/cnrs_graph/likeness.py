"""Queries that are alike: they differ in letters that decide nothing of how they are read.

And the order that is safe to sort by, put into each of them. The processes that answer queries import this,
so it imports nothing large.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

_HASH_DIGITS = 12
_NEVER_TWICE = re.compile(r"\\|\b(?:RAND|NOW|UUID|STRUUID|BNODE)\b", re.IGNORECASE)

_WHOLE_IRI = r"<https?://(?P<iri>[A-Za-z0-9._~%/#:?=&+\-]*)>"
_MARKS = r"\w .,;:!?()@/+\-"
_PLAIN_TEXT = rf"\"(?P<double>[{_MARKS}]+)\"(?!\")|'(?P<single>[{_MARKS}]+)'(?!')"
#: What else may hold a quote or the sign that begins an IRI.
_OTHERS = r"\"\"\".*?\"\"\"|\'\'\'.*?\'\'\'|\"[^\"\n\r]*\"|'[^'\n\r]*'|<[^<>\"{}|^`\x00-\x20]*>|#[^\n\r]*"
#: With a backslash in the text only a parser knows where a text in quotes ends.
_IRIS, _IRIS_AND_TEXTS = (
    re.compile(_WHOLE_IRI),
    re.compile(f"{_WHOLE_IRI}|{_PLAIN_TEXT}|{_OTHERS}", re.DOTALL),
)

_XSD = "http://www.w3.org/2001/XMLSchema#"
#: What parts the durations: those below zero without months, those of months only and zero, those above zero
#: without months; of the others those with the same months, for P1M30D may be more or less than P2M.
_DURATIONS = (
    f'IF(REGEX(STR(<{_XSD}duration>({{e}})), "^(-?P([0-9]+Y)?([0-9]+M)?|PT0S)$"), "M", '
    'STRBEFORE(CONCAT(REPLACE(STR({e}), "[0-9.]+D|T", "|"), "|"), "|"))'
)
#: The keys, in order: the class of a term, and of a text its characters; a number as a double, then exactly.
#: IRIs, blank nodes and unbound variables have none, so they come first, as they should.
_KEYS = (
    'IF(isNumeric({e}) && {e} = {e}, "0", '
    f'IF(DATATYPE({{e}}) = <{_XSD}string> || LANG({{e}}) != "", CONCAT("1", STR({{e}})), '
    f'CONCAT(STR(DATATYPE({{e}})), COALESCE(IF(TZ({{e}}) = "", "0", "1"), {_DURATIONS}, ""))))',
    f"<{_XSD}double>({{e}})",
    f"<{_XSD}decimal>({{e}})",
)


class OrderCondition(NamedTuple):
    """A condition of ORDER BY in the text as it was sent: where it starts, its expression starts, it ends."""

    start: int
    expression: int
    end: int
    direction: str


def blotted(text: str) -> str:
    """A query with the letters of its IRIs and of its plain texts blotted out; every place stays where it is.

    Queries with the same blotted text are read alike, if they are read at all: the letters decide nothing but
    where a query reaches, and what an error shows.

    >>> blotted('SELECT * { <http://a/b> ?p "Sherbrooke" } # "no"')
    'SELECT * { <http://xxx> ?p "xxxxxxxxxx" } # "no"'

    Source: SPARQL 1.1 Query Language, section 19.8, IRIREF and the STRING_LITERALs.
    """
    return (_IRIS if "\\" in text else _IRIS_AND_TEXTS).sub(_blot, text)


def _blot(found: re.Match[str]) -> str:
    name = found.lastgroup
    if name is None:
        return found[0]
    start, end = found.span(name)
    before, after = start - found.start(), end - found.start()
    return found[0][:before] + "x" * (end - start) + found[0][after:]


def with_keys(text: str, order: Iterable[OrderCondition]) -> str:
    """Put the keys before each condition of ORDER BY; `sparql.with_total_order` says why."""
    pieces: list[str] = []
    done = 0
    for start, expression, end, direction in order:
        sorted_by = text[expression:end]
        keys = " ".join(f"{direction}({key.format(e=sorted_by)})" for key in _KEYS)
        pieces += text[done:start], f" {keys} "
        done = start
    return "".join([*pieces, text[done:]]) if pieces else text


def is_repeatable(text: str) -> bool:
    """Whether the same text has the same answer again, as long as the data is the same.

    >>> is_repeatable('ASK { FILTER("now") }'), is_repeatable("SELECT (now() AS ?t) {}")
    (True, False)

    Source: SPARQL 1.1 Query Language, sections 17.4.2.7, 17.4.2.12, 17.4.2.13, 17.4.4.5 and 17.4.5.1.
    """
    return not _NEVER_TWICE.search(blotted(text))


def query_hash(text: str) -> str:
    """What stands for a query in the log: its text may be private."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
