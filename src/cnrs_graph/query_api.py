"""Saved queries as addresses: what a request asks of one, and all of them described in OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from cnrs_graph.choices import Choice
from cnrs_graph.documents import Documents
from cnrs_graph.errors import NotAcceptableError
from cnrs_graph.formats import (
    DOWNLOAD_FORMATS,
    GRAPH_FORMATS,
    PAGE,
    PROBLEM,
    RESULT_FORMATS,
    Format,
    negotiate,
)
from cnrs_graph.protocol import read_parameters
from cnrs_graph.queries import Parameter, SavedQuery
from cnrs_graph.query_page import MOST_OPTIONS, Filled, answer_formats

_FOLDER = "/queries/"
_ROWS = (*RESULT_FORMATS, *DOWNLOAD_FORMATS)
_BY_EXTENSION: Mapping[str, Format] = {fmt.extension: fmt for fmt in (*GRAPH_FORMATS, *_ROWS)}
#: What can go wrong with a saved query, besides our own mistakes.
_FAILURES: Mapping[str, str] = {
    "400": "A parameter is unknown, given twice, or of a value that is not allowed; what is, is listed.",
    "406": "None of the formats fits.",
    "503": "More queries wait than the queue holds; try again after Retry-After seconds.",
    "504": "The query ran out of time or memory.",
}
_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "integer": {"type": "integer"},
    "date": {"type": "string", "format": "date"},
    "gYear": {"type": "string", "pattern": "^[0-9]{4}$"},
    "iri": {"type": "string", "format": "iri-reference"},
    "string": {"type": "string"},
}


@dataclass(frozen=True)
class Asked:
    """A saved query filled in, and the format its answer is asked for in."""

    filled: Filled
    fmt: Format


def read_request(documents: Documents, path: str, query: str, accept: str | None) -> Asked | None:
    """What a request to a path below /queries/ asks to be answered; None when it asks for something else.

    The formats of answers come first: a query that gives rows or yes and no is described in the RDF formats,
    and one that gives triples is answered in them.

    Raises: ParameterError, RequestError, NotAcceptableError.
    """
    named = unquote(path.removeprefix(_FOLDER))
    catalogue = documents.publication.catalogue
    fmt = None
    if named not in catalogue:
        fmt, named = _extended(named)
        if fmt is None or named not in catalogue:
            return None
    saved = catalogue[named]
    offered = answer_formats(saved)
    if fmt is None:
        extra = () if offered[0] in GRAPH_FORMATS else GRAPH_FORMATS
        fmt = negotiate(accept, (*offered, PAGE, *extra))
    elif fmt not in offered and (fmt in _ROWS or offered[0] in GRAPH_FORMATS):
        raise NotAcceptableError(fmt.media_type, [each.media_type for each in (*offered, PAGE)])
    if fmt is not PAGE and fmt not in offered:
        return None
    return Asked(fill(documents, saved, read_parameters(query)), fmt)


def _extended(name: str) -> tuple[Format | None, str]:
    """The format that the end of a name stands for, and the name without it; the longest end counts."""
    extension = max((each for each in _BY_EXTENSION if name.endswith(f".{each}")), key=len, default="")
    return _BY_EXTENSION.get(extension), name.removesuffix(f".{extension}")


def fill(documents: Documents, saved: SavedQuery, values: Mapping[str, str]) -> Filled:
    """Fill a saved query in.

    Raises: ParameterError.
    """
    limits = documents.limits(saved)
    terms = saved.terms(values, base=documents.base, allowed=limits)
    return Filled(saved, values, terms, saved.bind(values, base=documents.base, allowed=limits))


def openapi_paths(documents: Documents) -> dict[str, Any]:
    """Every saved query as a path of an OpenAPI document.

    Source: OpenAPI Specification 3.1, section 4.8.
    """
    return {
        f"{_FOLDER}{quote(saved.name, safe='')}": {"get": _operation(documents, saved)}
        for saved in documents.publication.catalogue.values()
    }


def _operation(documents: Documents, saved: SavedQuery) -> dict[str, Any]:
    extensions = " ".join(f".{fmt.extension}" for fmt in answer_formats(saved))
    columns = f"Columns: {', '.join(saved.facts.variables)}. " if saved.facts.variables else ""
    allowed = documents.choices(saved)
    return {
        "operationId": saved.name,
        "tags": ["saved queries"],
        "summary": saved.summary,
        "description": f"{saved.notes.get('question', saved.summary)}\n\n{columns}The format follows Accept; "
        f"with an extension ({extensions}) each has an address of its own.",
        "parameters": [_parameter(each, allowed.get(each.name)) for each in saved.parameters],
        "responses": {
            "200": {
                "description": "The answer",
                "content": {fmt.media_type: _content(fmt) for fmt in (*answer_formats(saved), PAGE)},
            },
            **{
                status: {"description": text, "content": {PROBLEM.media_type: {"schema": {"type": "object"}}}}
                for status, text in _FAILURES.items()
            },
        },
    }


def _parameter(parameter: Parameter, allowed: Sequence[Choice] | None) -> dict[str, Any]:
    read: Any = int if parameter.kind == "integer" else str
    schema = {**_SCHEMAS[parameter.kind], "default": read(parameter.default)}
    if allowed is not None and len(allowed) <= MOST_OPTIONS:
        schema["enum"] = [read(choice.value) for choice in allowed]
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "required": False,
        "schema": schema,
        "example": read(parameter.default),
    }


def _content(fmt: Format) -> dict[str, Any]:
    return {"schema": {"type": "object" if fmt.name in ("json", "jsonld", "geojson") else "string"}}
