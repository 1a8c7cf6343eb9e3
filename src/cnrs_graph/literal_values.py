"""What literals are worth: of their datatype or not, more or less than others, as pySHACL sees it.

What is beyond doubt is answered here; of the rest pySHACL is asked, literal by literal.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pyoxigraph as ox

from cnrs_graph import shacl_engine
from cnrs_graph.terms import PREFIXES, Term

_XSD, _RDF, _OWL = (PREFIXES[name] for name in ("xsd", "rdf", "owl"))

_DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
#: Spellings of which there is no doubt that they are of the datatype; of others pySHACL is asked.
_SURE = {
    f"{_XSD}{name}": re.compile(pattern)
    for name, pattern in {
        "integer": r"[+-]?[0-9]{1,18}",
        "nonNegativeInteger": r"[0-9]{1,18}",
        "positiveInteger": r"[1-9][0-9]{0,17}",
        "decimal": r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?",
        "boolean": r"true|false",
        "date": rf"(?!0000){_DATE}",
        "dateTime": rf"(?!0000){_DATE}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z?",
        "gYear": r"(?!0000)[0-9]{4}",
        "anyURI": r"[\x21-\x7e]+",
        "string": r"(?s:.*)",
    }.items()
}
_NUMBERS = {f"{_XSD}{name}" for name in ("integer", "nonNegativeInteger", "decimal")}
_DAY = f"{_XSD}date"
_DAYS = (_DAY, f"{_XSD}dateTime")


def is_of_datatype(term: Term, wanted: str) -> bool:
    """Whether a term is a literal of a datatype, and written as one."""
    if not isinstance(term, ox.Literal) or term.datatype.value != wanted:
        return False
    if term.language or not wanted.startswith((_XSD, _RDF, _OWL)):
        return True
    sure = _SURE.get(wanted)
    if sure is not None and sure.fullmatch(term.value) and (wanted not in _DAYS or _day(term.value[:10])):
        return True
    return shacl_engine.is_of_datatype(term)


def compared(term: Term, bound: Term) -> int | None:
    """How a value stands to a bound: -1, 0 or 1; None when they cannot be compared."""
    if not isinstance(term, ox.Literal):
        return None
    one, other = _comparable(term), _comparable(bound)
    if one is not None and other is not None and one[0] == other[0]:
        return _order(one[1], other[1])
    return shacl_engine.compared(term, bound)


def ordered(term: Term, other: Term) -> int | None:
    """How one value stands to another, as sh:lessThan sees it; texts and IRIs as they are spelt.

    None for what has no order, which the standard makes a result and pySHACL gives up at.
    """
    if isinstance(term, ox.BlankNode) or isinstance(other, ox.BlankNode):
        return None
    sides = [_comparable(each) or _spelt(each) for each in (term, other)]
    if sides[0] is not None and sides[1] is not None:
        kinds = {sides[0][0], sides[1][0]}
        if len(kinds) == 1:
            return _order(sides[0][1], sides[1][1])
        if "text" in kinds:
            return None
    return shacl_engine.ordered(term, other)


def _order(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _comparable(term: Term) -> tuple[str, Any] | None:
    """The value of a number or a day of which there is no doubt, and which of the two it is."""
    if not isinstance(term, ox.Literal):
        return None
    datatype, words = term.datatype.value, term.value
    if datatype in _NUMBERS and _SURE[datatype].fullmatch(words):
        return "number", Decimal(words)
    if datatype == _DAY and _SURE[datatype].fullmatch(words) and _day(words):
        return "day", _day(words)
    return None


def _spelt(term: Term) -> tuple[str, str] | None:
    if isinstance(term, ox.Literal) and not (term.language or term.datatype.value == f"{_XSD}string"):
        return None
    return "text", words_of(term)


def _day(words: str) -> date | None:
    try:
        return date.fromisoformat(words)
    except ValueError:
        return None


def words_of(term: Term) -> str:
    """The text of a term: an IRI, or what was written."""
    return "" if isinstance(term, ox.Triple) else term.value
