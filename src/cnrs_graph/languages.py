"""The language of an answer: what a client reads best of what there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cnrs_graph.formats import read_weight

_RANGE = re.compile(r"\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")

#: One member of an Accept-Language header: a language range in small letters, and its weight.
Range = tuple[str, float]


def negotiate_language(accept_language: str | None, offered: Sequence[str]) -> str:
    """Choose the offered language that the Accept-Language header likes best, as *offered* spells it.

    Ranges are tried by weight, then in the order they stand in. A range names a language that it equals, else
    the one that is left when its last subtags are cut off (`fr-CA` finds `fr`), else the first that begins
    with it (`pt` finds `pt-BR`). `*` stands for every language that no other range names. What has weight 0
    is not chosen while there is anything else. A header that fits nothing is passed over: the first language
    that it does not rule out is better than none.

    >>> negotiate_language("fr-CA, en;q=0.8", ("en", "fr", "es"))
    'fr'

    Source: RFC 9110, sections 12.5.4 and 12.4.2; RFC 4647, section 3.4.
    """
    ranges = read_accept_language(accept_language or "")
    allowed = [each for each in offered if not _is_ruled_out(each, ranges)] or list(offered)
    for wanted, weight in sorted(ranges, key=lambda member: -member[1]):
        found = _named_by(wanted, allowed, ranges) if weight else None
        if found is not None:
            return found
    return allowed[0]


def read_accept_language(accept_language: str) -> tuple[Range, ...]:
    """Take an Accept-Language header apart; a member that the grammar does not allow is passed over.

    >>> read_accept_language("es, FR-ca;q=0.5, ?")
    (('es', 1.0), ('fr-ca', 0.5))

    Source: RFC 9110, section 12.5.4.
    """
    found = []
    for member in accept_language.split(","):
        wanted, semicolon, weight_text = member.partition(";")
        weight = read_weight(weight_text.strip(" \t")) if semicolon else 1.0
        if weight is not None and _RANGE.fullmatch(wanted.strip(" \t")):
            found.append((wanted.strip(" \t").lower(), weight))
    return tuple(found)


def _named_by(wanted: str, allowed: Sequence[str], ranges: Sequence[Range]) -> str | None:
    """The language that a range means among those that may be chosen."""
    if wanted == "*":
        others = [other for other, _ in ranges if other != "*"]
        return next((each for each in allowed if not any(_touches(other, each) for other in others)), None)
    for shorter in _lookup_order(wanted):
        found = next((each for each in allowed if each.lower() == shorter), None)
        if found is not None:
            return found
    return next((each for each in allowed if _covers(wanted, each)), None)


def _lookup_order(wanted: str) -> Iterable[str]:
    """A range, then the same with its last subtags cut off, a single letter together with what follows it."""
    subtags = wanted.split("-")
    for length in range(len(subtags), 0, -1):
        if len(subtags[length - 1]) > 1 or length == 1:
            yield "-".join(subtags[:length])


def _is_ruled_out(language: str, ranges: Sequence[Range]) -> bool:
    """Whether the most precise range that covers a language has weight 0."""
    covering = [
        (len(wanted) if wanted != "*" else 0, weight)
        for wanted, weight in ranges
        if _covers(wanted, language)
    ]
    return bool(covering) and max(covering)[1] == 0


def _covers(wanted: str, language: str) -> bool:
    """Whether a language is what a range asks for, or a kind of it."""
    return wanted == "*" or f"{language.lower()}-".startswith(f"{wanted}-")


def _touches(wanted: str, language: str) -> bool:
    return _covers(wanted, language) or language.lower() in _lookup_order(wanted)
