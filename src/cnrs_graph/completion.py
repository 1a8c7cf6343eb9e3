"""What the editor offers while one writes a query: prefixes, terms the data uses, saved queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from cnrs_graph.pages import Desk, natural
from cnrs_graph.terms import CNRSG, PREFIXES

#: Beyond this many things, names are for the search, not for a list that every reader of the page fetches.
MOST_THINGS = 2000
_DECLARATION = re.compile(r"^[ \t]*PREFIX[ \t]+([^\s:]*):[ \t]*<([^<>\s]*)>", re.IGNORECASE | re.MULTILINE)
_OURS = CNRSG.removesuffix("ontology#")


def completions(desk: Desk, catalogue: Mapping[str, Any]) -> bytes:
    """Everything the editor knows of this site, as JSON.

    Graphs: classes (their named things) and properties are counted among what is accepted and what is
    inferred.
    """
    known = {
        "prefixes": prefixes(desk.index.base, [saved.text for saved in catalogue.values()]),
        "terms": [*_classes(desk), *_properties(desk), *_things(desk)],
        "queries": [
            {
                "name": saved.name,
                "summary": saved.summary or saved.name,
                "url": desk.file(f"/queries/{quote(saved.name)}.rq"),
            }
            for saved in sorted(catalogue.values(), key=lambda saved: natural(saved.name))
        ],
    }
    return f"{json.dumps(known, ensure_ascii=False, separators=(',', ':'))}\n".encode()


def prefixes(base: str, queries: Iterable[str]) -> dict[str, str]:
    """The prefixes of the saved queries, then those we know; each prefix and each namespace once.

    >>> prefixes("https://example.org/", ["PREFIX bed: <https://example.org/id/bed/> ASK {}"])["bed"]
    'https://example.org/id/bed/'
    """
    found: dict[str, str] = {}
    declared = [pair for text in queries for pair in _DECLARATION.findall(text)]
    # The names of our own terms are nobody's business who publishes something else.
    known = [(name, iri) for name, iri in PREFIXES.items() if not iri.startswith(_OURS) or base == _OURS]
    for name, iri in (*declared, ("", f"{base}ontology#"), *known):
        if name not in found and iri not in found.values():
            found[name] = iri
    return found


def default_query(base: str) -> str:
    """The query an empty editor starts with: a few statements, whatever they are."""
    return (
        f"PREFIX : <{base}ontology#>\n"
        "SELECT ?thing ?property ?value WHERE {\n  ?thing ?property ?value .\n}\nLIMIT 20"
    )


def _classes(desk: Desk) -> Iterator[dict[str, object]]:
    index = desk.index
    counted = {kind: index.instance_count(kind) for kind in index.instances if not kind.startswith("_:")}
    for kind, count in sorted(counted.items(), key=lambda entry: (-entry[1], entry[0])):
        yield {"iri": kind, "label": desk.kind(kind).text, "kind": "class", "count": count}


def _properties(desk: Desk) -> Iterator[dict[str, object]]:
    used = desk.index.property_counts()
    for predicate, count in sorted(used.items(), key=lambda entry: (-entry[1], entry[0])):
        yield {"iri": predicate, "label": desk.property(predicate).text, "kind": "property", "count": count}


def _things(desk: Desk) -> Iterator[dict[str, object]]:
    """Things and concepts with a name, if they are few."""
    index = desk.index
    named = sorted(iri for iri in index.names if iri.startswith((f"{index.base}id/", f"{index.base}vocab/")))
    if len(named) > MOST_THINGS:
        return
    for iri in named:
        yield {"iri": iri, "label": desk.name(iri).text, "kind": "thing"}
