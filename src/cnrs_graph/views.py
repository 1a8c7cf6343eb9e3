"""A list of things as rows, to be had in the formats of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyoxigraph as ox

from cnrs_graph.answers import ANSWER_FORMATS, answer_bytes
from cnrs_graph.formats import GEOJSON, Format
from cnrs_graph.narrowing import Narrowing, narrowed
from cnrs_graph.pages import FORMAT_NAMES, DataLink, Desk, natural
from cnrs_graph.sheets import has_positions
from cnrs_graph.store import Answer, Form
from cnrs_graph.terms import Term, expand, local_name

_POSITION = {"latitude": expand("wgs84:lat"), "longitude": expand("wgs84:long")}
_BETWEEN = "; "


def view_formats(desk: Desk, asked: Narrowing) -> tuple[Format, ...]:
    """The formats a list can be had in; points for a map where some of its things have a position."""
    offered = ANSWER_FORMATS[Form.SELECT]
    things = desk.index.instances.get(asked.kind, ())
    if any(desk.index.values(thing, _POSITION["latitude"]) for thing in things):
        return offered
    return tuple(fmt for fmt in offered if fmt is not GEOJSON)


def view_links(desk: Desk, asked: Narrowing, path: str) -> list[DataLink]:
    """Links to a list in each of its formats."""
    return [
        DataLink(
            FORMAT_NAMES[fmt.name],
            asked.address(f"{path}.{fmt.extension}", desk.index.base, page=1),
            fmt.media_type,
        )
        for fmt in view_formats(desk, asked)
    ]


def view_bytes(desk: Desk, asked: Narrowing, fmt: Format) -> bytes:
    """The whole list, whatever page was asked for: names, IRIs, and what it can be narrowed down by.

    Several values of a property stand in one cell, with a semicolon between them.

    Raises: NotAcceptableError if the rows do not fit this format.
    """
    index = desk.index
    things, _ = narrowed(index, asked)
    index.ahead(things)
    rows = [_row(desk, thing, asked) for thing in things]
    rows.sort(key=lambda row: natural(row["name"]["value"].casefold()))
    positioned = any(_POSITION.keys() <= row.keys() for row in rows)
    columns = ["name", "iri", *(local_name(each) for each in asked.properties)]
    columns += list(_POSITION) if positioned else []
    body = json.dumps({"head": {"vars": columns}, "results": {"bindings": rows}}, ensure_ascii=False)
    if fmt is GEOJSON and not has_positions(columns):
        columns += list(_POSITION)
        body = json.dumps({"head": {"vars": columns}, "results": {"bindings": rows}}, ensure_ascii=False)
    return answer_bytes(Answer(Form.SELECT, body.encode()), fmt)


def _row(desk: Desk, thing: str, asked: Narrowing) -> dict[str, Mapping[str, str]]:
    name = desk.name(thing)
    row: dict[str, Mapping[str, str]] = {
        "name": {"type": "literal", "value": name.text},
        "iri": {"type": "uri", "value": thing},
    }
    for predicate in asked.properties:
        quads = (*desk.index.accepted.get(thing, ()), *desk.index.inferred.get(thing, ()))
        values = list(dict.fromkeys(quad.object for quad in quads if quad.predicate.value == predicate))
        texts = sorted(desk.term(value).text for value in values)
        if texts:
            row[local_name(predicate)] = {"type": "literal", "value": _BETWEEN.join(texts)}
    for column, predicate in _POSITION.items():
        found: tuple[Term, ...] = desk.index.values(thing, predicate)
        if found and isinstance(found[0], ox.Literal):
            cell = {"type": "literal", "value": found[0].value, "datatype": found[0].datatype.value}
            row[column] = cell
    return row
